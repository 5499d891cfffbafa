"""Who has to be asked before a tool call runs: the policies of a definition, decided once for each call. Pure.

Rule 1: where a condition cannot be decided, a person decides; so too where nothing has validated the arguments that it
names. A call that could not run anyway is not asked about.
Rule 2: an approval counts for what it is bound to (`core/binding.py`), and the call runs as nothing else.
"""

from perdure.workflows.core.binding import binding, has_changed, is_allowed
from perdure.workflows.core.calls.call import Asking, Call, Here, Ready, Refused, at
from perdure.workflows.core.conditions import ConditionError, is_true
from perdure.workflows.core.endings import not_run
from perdure.workflows.core.loops import refused
from perdure.workflows.core.prompt import names_in
from perdure.workflows.core.spending import calls_left
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.tools import Approval
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.vocabulary.errors import BUDGET_EXCEEDED, INVALID_ARGUMENTS, TOO_MANY_CALLS, UNKNOWN_TOOL
from perdure.workflows.vocabulary.parts import ToolCall, ToolError


def decide(state: SessionState, calls: tuple[Call, ...]) -> tuple[Call, ...]:
    """`calls`, which are all those of a step, each with what becomes of it."""
    turn = in_turn(state)
    error = not_run(turn.stop)
    if error is not None:
        return tuple(at(call, Refused(error)) for call in calls)
    limit, budget = state.effective_limits.turn.calls_per_step, calls_left(state)
    made: list[Call] = []
    for number, call in enumerate(calls, 1):
        # A model has to be bounded; how many calls a handler makes, its definition says.
        within = number <= limit or call.block is not None
        decided = _decided(state, turn, call) if within else at(call, Refused(_too_many(number, limit)))
        if budget is not None and not isinstance(decided.stage, Refused):
            budget -= 1
            decided = at(call, Refused(_over(call.name))) if budget < 0 else decided
        made.append(decided)
    return tuple(made)


def _decided(state: SessionState, turn: Turn, call: Call) -> Call:
    agent, made = state.slot.loaded, call.made
    policy = agent.policy(call.name) if agent else None
    if agent is None or policy is None:
        return at(call, Refused(_unknown(call.name, agent)))
    if made.args_raw is not None:
        return at(call, Refused(_no_object(made.name, made.args_raw)))
    if made.misfit is not None and (policy.checked_by == "schema" or _is_validated(policy, made)):
        return at(call, Refused(ToolError(type=INVALID_ARGUMENTS, message=made.misfit)))
    if state.rehearsal:
        return at(call, Ready())
    repeated = refused(state, call)
    if repeated is not None:
        return at(call, Refused(repeated))
    if policy.runner == "session":
        return at(call, Here())
    if policy.runner == "person":
        return at(call, Asking("input"))
    if policy.approval is None:
        return at(call, Ready())
    bound = binding(agent, policy)
    allowed = state.questions.allowed
    known = is_allowed(allowed, made, bound, validated=_is_validated(policy, made))
    if known or not _asks(policy.approval, policy, state, agent, turn, made):
        return replace(call, stage=Ready(), bound=bound)
    again = has_changed(allowed, call.name, bound)
    return replace(call, stage=Asking("approval"), bound=bound, again="tool_changed" if again else None)


def _is_validated(policy: Policy, call: ToolCall) -> bool:
    """Whether what is known of the arguments is what the tool will find."""
    return call.checked == policy.checked_by


def _asks(
    approval: Approval, policy: Policy, state: SessionState, agent: LoadedAgent, turn: Turn, call: ToolCall
) -> bool:
    # Arguments that are too big to be here cannot be looked at.
    if approval.when is None or call.blob is not None or not _is_validated(policy, call):
        return True
    names = names_in(state, turn.turn_id, agent)
    for name, cost in (("session", state.books.known_usd), ("turn", turn.books.cost_usd)):
        part = names[name]
        assert isinstance(part, dict)
        names[name] = {**part, "cost_usd": cost}
    try:
        return is_true(approval.when, {**names, "args": call.args})
    except ConditionError:
        return True


def _too_many(number: int, limit: int) -> ToolError:
    message = f"One step may ask for {limit} calls, and this was number {number}: it did not run. Ask again."
    return ToolError(type=TOO_MANY_CALLS, message=message)


def _over(name: str) -> ToolError:
    message = f"{name} was not run: no further tool call is left under the limits. Answer with what you have."
    return ToolError(type=BUDGET_EXCEEDED, message=message)


def _unknown(name: str, agent: LoadedAgent | None) -> ToolError:
    known = ", ".join(tool.name for tool in agent.tools) if agent else ""
    return ToolError(type=UNKNOWN_TOOL, message=f"There is no tool {name!r}. Tools: {known or 'none'}.")


def _no_object(name: str, raw: str) -> ToolError:
    if not raw.strip():
        message = f"{name} was not called, because its arguments are missing. Write a JSON object, {{}} for none."
    else:
        message = f"The arguments are not a JSON object: {raw[:200]}"
    return ToolError(type=INVALID_ARGUMENTS, message=message)
