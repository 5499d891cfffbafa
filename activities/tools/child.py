"""A process that runs tools, one call at a time, for `perdure.activities.tools.processes`: what its `main` is given and says.

It receives `(name, arguments, context, info)` and sends `heartbeat`, and finally `done` or `failed`. It sends JSON or plain
values, so that the other side need not know the tools' own types.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

from pydantic import JsonValue
from pydantic_core import to_jsonable_python
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.shipped import builtin_tools, order_desk, other_sessions
from perdure.activities.tools.catalogue import load_tools
from perdure.activities.tools.tool import Tool, ToolLoadError, is_tool, read_tool
from perdure.temporal.telemetry.failure_lines import bug_behind, trace_of
from perdure.workflows.vocabulary.errors import TOOL_FAILED
from perdure.workflows.vocabulary.tool_context import ToolContext

#: Seconds between two checks whether the worker is still there.
_LOOK_S: Final = 0.5


def main() -> None:
    """Serves until the worker is gone. Its arguments are the connection's descriptor and the tools' sources."""
    _, _, descriptor, *sources = sys.argv
    # Processes that the tools start must not inherit it.
    os.set_inheritable(int(descriptor), False)
    _leave_with(os.getppid())
    connection: Connection[Any, Any] = Connection(int(descriptor))
    try:
        functions = _functions(sources)
    except ToolLoadError as error:
        connection.send(("unready", str(error)))
        return
    connection.send(("ready", None))
    tools: dict[str, Tool] = {}
    sending = threading.Lock()

    def say(kind: str, said: object) -> None:
        with sending:
            connection.send((kind, said))

    with asyncio.Runner() as runner:
        while True:
            try:
                name, args, context, info = connection.recv()
            except EOFError:
                return
            if name not in tools:
                tools[name] = read_tool(functions[name])
            say(*runner.run(_call(tools[name], args, context, info, say)))


async def _call(
    tool: Tool,
    args: dict[str, JsonValue],
    context: ToolContext | None,
    info: activity.Info,
    say: Callable[[str, object], None],
) -> tuple[str, object]:
    run = ActivityEnvironment()
    run.info = info
    run.on_heartbeat = lambda *details: say("heartbeat", to_jsonable_python(details))
    try:
        returned = await run.run(tool.carry_out, args, context)
    except ApplicationError as error:
        bug = bug_behind(error)
        return "failed", {
            "trace": trace_of(bug) if bug is not None else None,
            "message": error.message,
            "type": error.type,
            "details": to_jsonable_python(error.details, fallback=str),
            "non_retryable": error.non_retryable,
            "next_retry_delay": error.next_retry_delay,
        }
    except BaseException as error:
        return "failed", {
            "trace": trace_of(error),
            "message": f"{type(error).__name__}: {error}",
            "type": TOOL_FAILED,
            "details": [],
            "non_retryable": False,
            "next_retry_delay": None,
        }
    return "done", (returned.result.model_dump_json().encode(), returned.big, returned.files)


def _functions(sources: list[str]) -> dict[str, Callable[..., Any]]:
    """By the tools' names."""
    modules = (builtin_tools, other_sessions, order_desk)
    shipped = [value for module in modules for value in vars(module).values() if is_tool(value)]
    found = [*shipped, *(tool for source in sources for tool in load_tools(source))]
    return {activity._Definition.must_from_callable(tool).name or "": tool for tool in found}


def _leave_with(parent: int) -> None:
    """Ends this process when the worker that started it is gone, even in the middle of a call."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, name="worker-watch", daemon=True).start()
