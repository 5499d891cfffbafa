"""What a turn does next about its tool calls. Pure."""

from collections import Counter
from datetime import datetime

from perdure.workflows.core.actions import (
    AbandonTools,
    Action,
    Ask,
    EndCalls,
    LeaveUnasked,
    LoadAgent,
    PauseTurn,
    PlanCalls,
    RunHere,
    RunTools,
    TellBelow,
    Wait,
)
from perdure.workflows.core.at_limit import asks, at_limit, leased
from perdure.workflows.core.calls.call import Asking, Call, Ending, Here, Ready, Refused, Running, Undecided
from perdure.workflows.core.calls.superseding import asks_nobody, untold
from perdure.workflows.core.endings import not_run
from perdure.workflows.core.need import Need
from perdure.workflows.core.spending import out_of_time, shortfall
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.core.working import ENDS_WHAT_WORKS, ends_at
from perdure.workflows.vocabulary.parts import ToolCall


def give_up(turn: Turn) -> Action | None:
    """What is left to do before a turn can end early; None where each call has its result."""
    idle = tuple(call.made for call in turn.calls if not call.is_open)
    if idle:
        return AbandonTools(idle)
    running = tuple(call.made for call in turn.calls if isinstance(call.stage, Running))
    if running:
        return EndCalls(running)
    return Wait(turn.open_calls, until=until_of(turn)) if turn.calls else None


def next_of_calls(state: SessionState, turn: Turn) -> Action:
    if turn.overtime:
        running = tuple(call.made for call in turn.calls if isinstance(call.stage, Running))
        return EndCalls(running) if running else Wait(turn.open_calls, until=until_of(turn))
    undecided = tuple(call.made for call in turn.calls if isinstance(call.stage, Undecided))
    if undecided:
        late = out_of_time(state)
        if late is not None and not asks(state, late):
            return AbandonTools(undecided)
        if late is not None:
            return PauseTurn(late)
        return _before_calls(state, turn, len(undecided)) or PlanCalls(undecided)
    overdue = tuple(call.made for call in turn.calls if isinstance(call.stage, Running) and call.stage.overdue)
    if overdue:
        return EndCalls(overdue)
    asking = tuple(call for call in turn.calls if isinstance(call.stage, Asking))
    if asks_nobody(state):
        if asking:
            return LeaveUnasked(made_of(asking))
        if below := untold(state):
            return TellBelow(made_of(below))
    outdated = tuple(call for call in asking if state.slot.stale and call.changed)
    if asking != outdated:
        return Ask(tuple(call.made for call in asking if call not in outdated))
    if outdated and state.slot.loaded is not None and not turn.open_calls:
        # A person must approve the changed tool. Calls that run already keep the old one.
        return LoadAgent(state.slot.loaded.digest)
    here = tuple(call.made for call in turn.calls if isinstance(call.stage, Here))
    if here:
        return RunHere(here)
    ready = _with_room(state, turn)
    if ready:
        return _too_late(state, turn, ready) or RunTools(ready)
    questions = tuple(one.question_id for one in state.questions.open if one.subject != "handler")
    return Wait(turn.open_calls, questions, until_of(turn, state), ends_at(state))


def _too_late(state: SessionState, turn: Turn, ready: tuple[ToolCall, ...]) -> Action | None:
    """What comes in place of calls that may run, where the turn's working time is used up."""
    if state.behavior < ENDS_WHAT_WORKS or turn.open_calls or turn.undoing is not None:
        return None
    wanted = {call.call_id for call in turn.calls if isinstance(call.stage, Ready)}
    late = tuple(call for call in ready if call.call_id in wanted)
    short = out_of_time(state) if late else None
    if short is None:
        return None
    return PauseTurn(short) if asks(state, short) else AbandonTools(late)


def _before_calls(state: SessionState, turn: Turn, count: int) -> Action | None:
    """What has to come before calls of a step are decided on: a lease, or a person is asked at a limit. Where nobody is
    asked, those above it do not run."""
    if not_run(turn.stop) is not None:
        return None
    own = all(call.block is not None for call in turn.calls)
    need = Need(tool_calls=count if own else min(count, state.effective_limits.turn.calls_per_step))
    short = shortfall(state, need)
    if short is None:
        return leased(state, need)
    return at_limit(state, short) if asks(state, short) else None


def made_of(calls: tuple[Call, ...]) -> tuple[ToolCall, ...]:
    return tuple(call.made for call in calls)


def _with_room(state: SessionState, turn: Turn) -> tuple[ToolCall, ...]:
    """The calls that may start now: in the model's order, as many as the limits let run at the same time."""
    room = state.effective_limits.session.parallel_calls - len(turn.open_calls)
    by_tool = Counter(call.name for call in turn.calls if call.is_open)
    ready: list[Call] = []
    for call in turn.calls:
        if not isinstance(call.stage, Ready | Refused) or len(ready) >= room:
            continue
        policy = state.policy(call.name)
        most = policy.parallel if policy else None
        if most is not None and by_tool[call.name] >= most:
            continue
        by_tool[call.name] += 1
        ready.append(call)
    return tuple(call.as_run for call in ready)


def until_of(turn: Turn, state: SessionState | None = None) -> datetime | None:
    """When time itself changes something in the turn: what runs has had its time, or an open question of `state` expires."""
    times: list[datetime | None] = [one.expires_at for one in state.questions.open] if state else []
    times += [call.stage.until for call in turn.calls if isinstance(call.stage, Running | Ending)]
    return min((one for one in times if one is not None), default=None)
