"""On whose behalf a call is made: what its tool, or its MCP server, can be told of the session. Pure."""

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.vocabulary.tool_context import ToolContext


def context_of(state: SessionState, call: Call) -> ToolContext:
    """The context of a call that begins now."""
    return ToolContext(
        tenant=state.new.tenant,
        user=state.new.user,
        session_id=state.new.session_id,
        agent=state.agent,
        turn_id=in_turn(state).turn_id,
        call_id=call.call_id,
        inputs=state.inputs_of(state.agent),
        metadata=state.metadata,
        timezone=state.timezone or "UTC",
    )
