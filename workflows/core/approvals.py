"""Who has to be asked before a tool call runs: the policies of a definition, decided once for each call. Pure.

Rule 1: where a condition cannot be decided, a person decides; so too where nothing has validated the arguments that it
names. A call that could not run anyway is not asked about.
Rule 2: an approval counts for what it is bound to (`workflows/core/binding.py`), and the call runs as nothing else.
"""

from perdure.workflows.core.binding import binding, has_changed, is_allowed
from perdure.workflows.core.conditions import ConditionError, is_true
from perdure.workflows.core.endings import not_run
from perdure.workflows.core.plan import Plan, Plans
from perdure.workflows.core.prompt import names_in
from perdure.workflows.core.state import SessionState, Turn
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.tools import AgentTool, ClientTool, SessionTool, ToolUse
from perdure.workflows.vocabulary.errors import (
    DENIED,
    EXPIRED,
    INVALID_ARGUMENTS,
    OUTCOME_UNKNOWN,
    TOO_MANY_CALLS,
    TOOL_STOPPED,
)
from perdure.workflows.vocabulary.parts import Again, ToolCall, ToolError

Use = ToolUse | ClientTool | AgentTool | SessionTool

STOPPED = ToolError(type=TOOL_STOPPED, message="The turn was stopped before this call had a result.")
UNKNOWN = ToolError(
    type=OUTCOME_UNKNOWN,
    message="The connection to this call was lost after it had begun. It may have taken effect or not, and it was not "
    "repeated. Do not say that it succeeded, and do not call it again before you have found out.",
)


def plan_calls(state: SessionState, calls: tuple[ToolCall, ...]) -> Plans:
    """The plan of each of `calls`, which are those of a step that has none yet."""
    assert state.turn is not None
    refused = not_run(state.turn.stop)
    if refused is not None:
        return {call.call_id: Plan(do="run", refused=refused) for call in calls}
    limit = state.effective_limits.turn.calls_per_step
    plans: Plans = {}
    for number, call in enumerate(calls, 1):
        if number > limit:
            message = f"One step may ask for {limit} calls, and this was number {number}: it did not run. Ask again."
            plans[call.call_id] = Plan(do="run", refused=ToolError(type=TOO_MANY_CALLS, message=message))
        else:
            plans[call.call_id] = _plan(state, state.turn, call)
    return plans


def denied(reason: str | None) -> ToolError:
    """The result of a call that a person did not allow."""
    told = f" The reason given: {reason}" if reason else ""
    return ToolError(type=DENIED, message=f"A person did not allow this call, and it did not run.{told}")


def expired(what: str) -> ToolError:
    """The result of a call whose question nobody answered. `what` did not come: `approval`, `answer`."""
    return ToolError(type=EXPIRED, message=f"No {what} came in time, so this call has no result.")


def declined(reason: str | None) -> ToolError:
    """The result of a call that the app or a person would not carry out."""
    told = f" The reason given: {reason}" if reason else ""
    return ToolError(type=DENIED, message=f"This was declined, so there is no result.{told}")


def _plan(state: SessionState, turn: Turn, call: ToolCall) -> Plan:
    agent = state.loaded
    use = agent.use(call.name) if agent else None
    if agent is None or use is None or call.args_raw is not None:
        return Plan(do="run")
    if call.misfit is not None and (_goes_by_schema(agent, use, call) or _is_validated(agent, use, call)):
        return Plan(do="run", refused=ToolError(type=INVALID_ARGUMENTS, message=call.misfit))
    if isinstance(use, SessionTool):
        return Plan(do="here")
    if isinstance(use, ClientTool):
        return Plan(do="ask", asks="input")
    if use.approval is None:
        return Plan(do="run")
    bound = binding(agent, call.name, use)
    known = is_allowed(state.allowed, call, bound, validated=_is_validated(agent, use, call))
    if known or not _asks(use, state, agent, turn, call):
        return Plan(do="run", bound=bound)
    again: Again | None = "tool_changed" if has_changed(state.allowed, call.name, bound) else None
    return Plan(do="ask", asks="approval", bound=bound, again=again)


def _goes_by_schema(agent: LoadedAgent, use: Use, call: ToolCall) -> bool:
    """Whether the schema alone says which arguments are right. A Python function and the session look by themselves,
    and more kindly: what takes 5 may take "5", too."""
    if isinstance(use, ToolUse):
        return use.task_queue is not None or agent.mcp_tool(call.name) is not None
    return isinstance(use, ClientTool | AgentTool)


def _is_validated(agent: LoadedAgent, use: Use, call: ToolCall) -> bool:
    """Whether what is known of the arguments is what the tool will find."""
    return call.checked == ("schema" if _goes_by_schema(agent, use, call) else "tool")


def _asks(use: ToolUse | AgentTool, state: SessionState, agent: LoadedAgent, turn: Turn, call: ToolCall) -> bool:
    assert use.approval is not None
    # Arguments that are too big to be here cannot be looked at.
    if use.approval.when is None or call.blob is not None:
        return True
    if not _is_validated(agent, use, call):
        return True
    names = names_in(state, turn.turn_id, agent)
    spent = {"session": state.cost_usd, "turn": turn.cost_usd}
    for name, cost in spent.items():
        part = names[name]
        assert isinstance(part, dict)
        names[name] = {**part, "cost_usd": cost}
    try:
        return is_true(use.approval.when, {**names, "args": call.args})
    except ConditionError:
        return True
