"""Running the tool calls of one step: in parallel, each with exactly one result, whatever happens to it.

Rule: a failure is data. Nothing here raises; what a tool raised, or why it never ran, becomes its result.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic import JsonValue
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as TemporalTimeout

from workflows.contract import ToolOutput, tool_config
from workflows.definition import LoadedAgent
from workflows.errors import INVALID_ARGUMENTS, TOOL_FAILED, TOOL_STOPPED, TOOL_TIMEOUT, UNKNOWN_TOOL
from workflows.types import ToolCall, ToolError, ToolResult, preview

STOPPED = ToolError(type=TOOL_STOPPED, message="The turn was stopped before this call had a result.")
#: Key of the one argument of a call whose arguments are folded: the blob that holds the whole part.
FOLDED_ARGS = "$perdure_blob"


class Toolbox:
    """`append` adds an event to the session."""

    def __init__(self, append: Callable[..., None]) -> None:
        self._append = append
        self._open: dict[str, workflow.ActivityHandle[Any]] = {}

    async def run(self, calls: tuple[ToolCall, ...], agent: LoadedAgent | None, stopping: Callable[[], bool]) -> None:
        """Returns when each of `calls` has its result in the session; cancels what is open once `stopping`."""
        for call in calls:
            self._append("tool.started", call_id=call.call_id, name=call.name, args=call.args)
        results = asyncio.gather(*(self._run(call, agent) for call in calls))
        await workflow.wait_condition(lambda: results.done() or stopping())
        for handle in self._open.values():
            handle.cancel()
        await results

    def abandon(self, calls: tuple[ToolCall, ...]) -> None:
        """Gives calls that never ran a result that says so."""
        for call in calls:
            self._append("tool.started", call_id=call.call_id, name=call.name, args=call.args)
            self._finish(call, STOPPED, 0.0)

    async def _run(self, call: ToolCall, agent: LoadedAgent | None) -> None:
        started = workflow.time()
        outcome: ToolOutput | ToolError | None = _refused(call, agent)
        if outcome is None and agent is not None:
            outcome = await self._execute(call, agent)
        self._finish(call, outcome or STOPPED, (workflow.time() - started) * 1000)

    async def _execute(self, call: ToolCall, agent: LoadedAgent) -> ToolOutput | ToolError:
        use = agent.use(call.name)
        assert use is not None
        args: dict[str, JsonValue] = {FOLDED_ARGS: call.blob.model_dump()} if call.blob else call.args
        config = tool_config(call.call_id, _summary(call), use.timeout, use.retry.attempts)
        handle: workflow.ActivityHandle[ToolOutput] = workflow.start_activity(
            call.name, args, result_type=ToolOutput, **config
        )
        self._open[call.call_id] = handle
        try:
            return await handle
        except ActivityError as failure:
            return _as_data(failure)
        finally:
            del self._open[call.call_id]

    def _finish(self, call: ToolCall, outcome: ToolOutput | ToolError, milliseconds: float) -> None:
        failed = isinstance(outcome, ToolError)
        result = ToolResult(
            call_id=call.call_id,
            name=call.name,
            output=outcome.model_dump() if isinstance(outcome, ToolError) else outcome.output,
            is_error=failed,
            blob=None if isinstance(outcome, ToolError) else outcome.blob,
        )
        self._append(
            "tool.finished",
            call_id=call.call_id,
            name=call.name,
            result=result,
            attempts=None if isinstance(outcome, ToolError) else outcome.attempt,
            duration_ms=round(milliseconds, 3),
        )


def _refused(call: ToolCall, agent: LoadedAgent | None) -> ToolError | None:
    """Why a call is not even tried."""
    if agent is None or agent.use(call.name) is None:
        known = ", ".join(tool.name for tool in agent.tools) if agent else ""
        return ToolError(type=UNKNOWN_TOOL, message=f"There is no tool {call.name!r}. Tools: {known or 'none'}.")
    if call.args_raw is not None:
        return ToolError(type=INVALID_ARGUMENTS, message=f"The arguments are not a JSON object: {call.args_raw[:200]}")
    return None


def _as_data(failure: ActivityError) -> ToolError:
    cause = failure.cause
    if isinstance(cause, ApplicationError):
        return ToolError(
            type=cause.type or TOOL_FAILED, message=preview(cause.message), retryable=not cause.non_retryable
        )
    if isinstance(cause, TemporalTimeout):
        return ToolError(type=TOOL_TIMEOUT, message="The tool did not answer in time.", retryable=True)
    if isinstance(cause, CancelledError):
        return STOPPED
    return ToolError(type=TOOL_FAILED, message=str(cause or failure))


def _summary(call: ToolCall) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in call.args.items())
    return text if len(text) <= 120 else f"{text[:119]}…"
