"""Tools that are activities: of our own workers, of others' workers, and of MCP servers."""

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, FailureError

from perdure.workflows.core.effects import CallServer, RunActivity, RunRemote
from perdure.workflows.core.outcomes import ToolEnded
from perdure.workflows.protocol.activities import (
    ALLOWED_SPEC,
    CallOptions,
    TakeResultInput,
    ToolOutput,
    call_mcp_tool,
    take_result,
)
from perdure.workflows.running.activity_options import TAKE_RESULT, tool_config
from perdure.workflows.running.effects.opened import Opened
from perdure.workflows.running.failures import local_failure
from perdure.workflows.running.tool_failures import as_data
from perdure.workflows.vocabulary.elicitation import ServerAsks
from perdure.workflows.vocabulary.errors import INVALID_RESULT
from perdure.workflows.vocabulary.parts import ToolCall, ToolError


async def run_activity(effect: RunActivity, opened: Opened) -> ToolEnded:
    use, call = effect.use, effect.call
    # The activity's type does not name a tool that reads documents.
    config = tool_config(effect.activity_id, _summary(call, None if use.name == call.name else call.name), use)
    given = effect.args if effect.spec_sha256 is None else {**effect.args, ALLOWED_SPEC: effect.spec_sha256}
    asks = use.process or effect.context is not None
    how = [CallOptions(process=use.process, context=effect.context)] if asks else []
    handle = workflow.start_activity(use.name, args=[given, *how], result_type=ToolOutput, **config)
    opened.ends_by(handle.cancel)
    try:
        return ToolEnded(call.call_id, await handle)
    except ActivityError as failure:
        return ToolEnded(call.call_id, as_data(failure, use))


async def call_server(effect: CallServer, opened: Opened) -> ToolEnded:
    call = effect.call
    # The activity's type does not name the tool of an MCP server.
    config = tool_config(effect.activity_id, _summary(call, effect.use.name), effect.use)
    handle = workflow.start_activity(call_mcp_tool, effect.request, **config)
    opened.ends_by(handle.cancel)
    try:
        outcome: ToolOutput | ServerAsks = await handle
    except ActivityError as failure:
        return ToolEnded(call.call_id, as_data(failure, effect.use))
    return ToolEnded(call.call_id, outcome)


async def run_remote(effect: RunRemote, opened: Opened) -> ToolEnded:
    use, call = effect.use, effect.call
    config = tool_config(effect.activity_id, _summary(call), use)
    given: list[object] = [call.args] if effect.context is None else [call.args, effect.context]
    # Undecoded: what is not JSON would fail the session's own task, again and again.
    handle = workflow.start_activity(use.name, args=given, result_type=RawValue, **config)
    opened.ends_by(handle.cancel)
    try:
        raw: RawValue | None = await handle
    except ActivityError as failure:
        return ToolEnded(call.call_id, as_data(failure, use))
    return ToolEnded(call.call_id, await _take(effect, raw))


async def _take(effect: RunRemote, raw: RawValue | None) -> ToolOutput | ToolError:
    """The result of another's worker, checked and, if it is big, put away."""
    call = effect.call
    try:
        # None: its function returns nothing.
        output = None if raw is None else workflow.payload_converter().from_payload(raw.payload)
        request = TakeResultInput(call_id=call.call_id, name=call.name, output=output, result_schema=effect.use.output)
    except Exception:
        # A converter fails in whatever way it likes.
        return ToolError(type=INVALID_RESULT, message=f"{call.name} ran, but what it returned is no JSON.")
    try:
        taken: ToolOutput = await workflow.execute_local_activity(take_result, request, **TAKE_RESULT)
    except FailureError as failure:
        return local_failure(failure)
    return taken


def _summary(call: ToolCall, tool: str | None = None) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in call.args.items())
    text = f"{tool}: {text}" if tool else text
    return text if len(text) <= 120 else f"{text[:119]}…"
