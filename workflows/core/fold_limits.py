"""What limits make of a session's state: questions about them, what people allow, time and calls that count."""

from datetime import datetime

from pydantic import JsonValue

from perdure.workflows.core import fold_leases
from perdure.workflows.core.lease_changes import LeaseAllowed
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, in_turn, with_turn
from perdure.workflows.core.state.turn import Pause
from perdure.workflows.definition.limits import Limits
from perdure.workflows.definition.partial_limits import joined, with_partial
from perdure.workflows.protocol.purses import SCOPES, Allowance
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised


def limits_changed(state: SessionState, changes: dict[str, JsonValue]) -> SessionState:
    """`state` with these limits in place of those that hold, whichever those are by now."""
    if not changes:
        return state
    if state.limits is not None and not state.limit_changes:
        # They were set all together, so none of them is the definition's any more.
        return replace(state, limits=with_partial(state.limits, changes))
    return with_definition_limits(replace(state, limit_changes=joined(state.limit_changes, changes)))


def with_definition_limits(state: SessionState) -> SessionState:
    """`state` with the limits of the definition that is loaded now, below those that were changed."""
    if not state.limit_changes:
        return state
    loaded = state.slot.loaded
    limits = loaded.definition.limits if loaded else Limits()
    return replace(state, limits=with_partial(limits, state.limit_changes))


def paused(state: SessionState, event: BudgetPaused) -> SessionState:
    turn = in_turn(state)
    pause = Pause(question_id=event.question_id, short=event.short)
    state = replace(state, questions=state.questions.asked(event.question))
    return with_turn(state, replace(turn, pause=pause, pauses=turn.pauses + 1))


def unpaused(state: SessionState, question_id: str) -> SessionState:
    """`state` once this question is settled, whatever it was about."""
    turn = state.turn
    if turn is None or turn.pause is None or turn.pause.question_id != question_id:
        return state
    return with_turn(state, replace(turn, pause=None))


def allowed(state: SessionState, event: BudgetRaised) -> SessionState:
    """More may be spent: a cap that was raised is in the limits already."""
    turn = in_turn(state)
    if event.limit == "provider":
        return with_turn(state, replace(turn, quota=None))
    own = state.handler_limits
    lower = event.scope == "turn" and own is not None and event.limit in own.below(state.lasting_limits.turn)
    if event.value is None or not (event.this_turn or lower):
        # What a handler of a lower limit is carried out for has to go as far, too.
        return state
    if event.scope in SCOPES and event.question_id is not None:
        allowance = Allowance(id=event.question_id, by=event.by)
        return fold_leases.changed(state, LeaseAllowed(scope=event.scope, allowance=allowance))
    key = f"{event.scope}.{event.limit}"
    return with_turn(state, replace(turn, ceilings={**turn.ceilings, key: event.value}))


def turned(state: SessionState, at: datetime) -> SessionState:
    turn = in_turn(state)
    clock = turn.clock.started(at) if turn.is_working else turn.clock.stopped(at)
    return with_turn(state, replace(turn, clock=clock, overtime=turn.overtime and turn.is_working))


def counted(state: SessionState, calls: int) -> SessionState:
    """`calls` more tool calls were allowed to run."""
    turn = in_turn(state)
    return replace(state, books=state.books.called(calls), turn=replace(turn, books=turn.books.called(calls)))
