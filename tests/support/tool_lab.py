"""Agents for the session lab with the tools of `tool_shop`, and queries on a session's events for tests of tools."""

import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.settings import Settings
from perdure.temporal.stores.codec import data_converter
from perdure.workflows.vocabulary.events import Event, ToolFinished
from perdure.workflows.vocabulary.parts import ToolError, ToolResult
from perdure.workflows.vocabulary.question_events import ApprovalRequested, ApprovalResolved
from perdure.workflows.vocabulary.search_attributes import ALL
from tests.support.session_lab import Lab, Play, Talk, check, ends, lab_on, open_lab

SHOP = Path(__file__).parent / "tool_shop.py"
MODELS = "models: {main: {use: demo/stage, price: {input: 1, output: 1}}}"
ASKING = """
tools:
  - add: {approval: always}
  - gather
  - record: {approval: {when: "{{ args.before != '' }}"}}
  - charge: {approval: {expires: 3d}, side_effects: once}
  - rescue: {approval: {expires: 2d, default: approve}}
  - client: {name: pick, description: "Picks a day", output: {type: string, format: date}}
  - client: {name: hurry, description: "Picks at once", expires: 1h}
"""
CALLING = """
limits: {turn: {calls_per_step: 30}, session: {parallel_calls: 20}}
tools:
  - charge: {side_effects: once, timeout: 400ms, fallback: rescue}
  - ship: {side_effects: once, timeout: 400ms, on_unknown: ask}
  - launch: {side_effects: once, timeout: 400ms, on_unknown: stop}
  - record: {timeout: 400ms, retry: {attempts: 2, initial: 10ms}}
  - fail: {retry: {attempts: 3, initial: 10ms, backoff: 1, maximum: 40ms, non_retryable: [final]}, fallback: rescue}
  - rescue
  - lie: {fallback: measure}
  - flood: {side_effects: once, fallback: measure}
  - measure
  - measure_thread
  - nest
  - gather: {parallel: 3}
  - nap
  - add
  - tell
  - tell_thread
  - silent
  - last_word
  - last_word_thread
  - sulk: {fallback: rescue}
  - stubborn
  - obstinate: {side_effects: once, on_unknown: stop}
"""
#: Two calls run at the same time, whichever tools they belong to.
NARROW = """
limits: {session: {parallel_calls: 2}}
tools: [gather, tell]
"""
AGENTS = {name: f"{MODELS}\n{rest}" for name, rest in (("asking", ASKING), ("calling", CALLING), ("narrow", NARROW))}

STOCK = "{type: object, properties: {product: {type: string}, pieces: {type: integer}}, required: [product, pieces]}"
HAS = "description: Stock, input: {type: object}"
REMOTE = f"""{MODELS}
tools:
  - find_stock: {{task_queue: QUEUE, {HAS}, output: {STOCK}}}
  - whose_stock: {{task_queue: QUEUE, context: true, {HAS}}}
  - bad_stock: {{task_queue: QUEUE, {HAS}, output: {STOCK}}}
  - all_stock: {{task_queue: QUEUE, {HAS}, output: {{type: array}}}}
  - whole_stock: {{task_queue: QUEUE, {HAS}}}
  - raw_stock: {{task_queue: QUEUE, {HAS}}}
  - no_stock: {{task_queue: QUEUE, {HAS}, fallback: find_stock}}
  - move_stock: {{task_queue: QUEUE, {HAS}, side_effects: once, heartbeat: 1s}}
  - count_stock: {{task_queue: QUEUE, {HAS}, heartbeat: 10s}}
  - report_stock: {{task_queue: QUEUE, {HAS}, heartbeat: 10s}}
  - report
  - tell
  - lost_stock: {{task_queue: nobody, {HAS}, queue_timeout: 1s}}
"""
#: By the task queue of their tools.
REMOTE_AGENTS = {name: REMOTE.replace("QUEUE", name) for name in ("python", "typescript")}

#: A tool's name and arguments.
Call = tuple[str, Any]


def results(events: list[Event]) -> dict[str, ToolResult]:
    """Results by call id. Fails if a call has more than one."""
    found = [event for event in events if isinstance(event, ToolFinished)]
    assert len({event.call_id for event in found}) == len(found)
    return {event.call_id: event.result for event in found}


def error(result: ToolResult) -> ToolError:
    assert result.is_error, result.output
    return ToolError.model_validate(result.output)


async def turn(talk: Talk, *calls: Call) -> list[Event]:
    """The events of a turn whose first step requests these calls."""
    talk.stage.plays = [Play("", calls), Play("done")]
    return await talk.turn("do it")


async def outcome(talk: Talk, *call: Any) -> ToolResult:
    """The result of one call, in a turn of its own."""
    name, args = call
    (found,) = results(await turn(talk, (name, args))).values()
    return found


async def begin(talk: Talk, *calls: Call, done: str = "tool.started", count: int = 0) -> list[Event]:
    """Starts such a turn; returns its events once there are `count` of type `done` (by default, one per call)."""
    talk.stage.plays = [Play("", calls), Play("done")]
    after = (await talk.page(2**31)).seq
    await talk.send("do it")
    return await talk.until(lambda events: sum(event.type == done for event in events) >= (count or len(calls)), after)


async def end(talk: Talk, count: int = 1) -> list[Event]:
    """All events, once `count` turns have ended."""
    return await talk.until(lambda events: ends(events, count))


async def whole(talk: Talk) -> None:
    """Closes a session, and checks its invariants: every call has its result, every approval its answer."""
    if not (await talk.page(2**31)).closed:
        await talk.close()
    await talk.handle.result()
    events = await talk.events()
    check(events)
    resolved = [event.question_id for event in events if isinstance(event, ApprovalResolved)]
    assert sorted(resolved) == sorted(event.question_id for event in events if isinstance(event, ApprovalRequested))


@asynccontextmanager
async def shop_lab(server: DevServer, folder: Path) -> AsyncIterator[Lab]:
    """A lab whose agents have the tools of `tool_shop`."""
    async with lab_on(server, folder, more_agents=AGENTS, more_tools=[SHOP], heartbeat_throttle_s=0.1) as lab:
        yield lab


@asynccontextmanager
async def skipping_lab(folder: Path) -> AsyncIterator[tuple[Callable[[timedelta], Awaitable[None]], Lab]]:
    """Such a lab on a server with a skippable clock, and the function that advances it; it stops while a tool runs."""
    program = shutil.which("temporal-test-server", path=Path(sys.executable).parent)
    assert program is not None
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program, data_converter=data_converter(folder / "blobs")
    ) as environment:
        known = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}
        client = environment.client
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=known)
        )
        settings = Settings.load(data_dir=folder, graceful_shutdown_s=0, heartbeat_throttle_s=0.1)
        async with open_lab(client, folder, settings, more_agents=AGENTS, more_tools=[SHOP]) as lab:

            async def later(span: timedelta) -> None:
                try:
                    await environment.sleep(span)
                except RPCError as error:
                    # This server occasionally drops a connection when the machine is busy.
                    if "http2" not in error.message:
                        raise
                    await environment.sleep(span)

            yield later, lab
