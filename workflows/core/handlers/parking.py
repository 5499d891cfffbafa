"""How a handler waits for a time without a turn, and goes on in another one; for a person see `asking.py`, for an event
`events.py`. Pure.

Rule: what a handler waits for is an absolute time in the state, as any timer of the session.
"""

from datetime import UTC, datetime

from perdure.workflows.core.changes import TurnBroken
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.handler_changes import HandlerMoved, HandlerResumed
from perdure.workflows.core.handlers import events
from perdure.workflows.core.handlers.asking import ask
from perdure.workflows.core.handlers.interpreter import advanced
from perdure.workflows.core.session_tools import LONGEST, MAX_TIMERS
from perdure.workflows.core.state.handlers import AskingPerson, Waiting
from perdure.workflows.core.state.record import replace
from perdure.workflows.protocol.queries import Timer
from perdure.workflows.vocabulary.durations import parse_duration
from perdure.workflows.vocabulary.errors import HANDLER_INVALID
from perdure.workflows.vocabulary.events import TimerFired, TimerSet, TurnStarted
from perdure.workflows.vocabulary.ids import turn_id, wait_id
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.zones import from_local


def park(draft: Draft) -> bool:
    """Whether the turn ends because its handler waits. It does not where the time has come already, or is none."""
    run = draft.turn.run
    assert run is not None
    if isinstance(run.doing, AskingPerson):
        return ask(draft, run, run.doing)
    waiting = run.doing
    assert isinstance(waiting, Waiting)
    if waiting.event is not None and events.too_many_wait(draft, waiting):
        return False
    if waiting.event is not None and waiting.length is None:
        return True
    try:
        due = _due(waiting, draft.now, draft.state.timezone)
        if due - draft.now > LONGEST:
            raise ValueError("is more than ten years away")
        if len(draft.state.timers.pending) >= MAX_TIMERS:
            raise ValueError(f"this session has {MAX_TIMERS} timers already")
    except (ValueError, OverflowError) as error:
        draft.add(TurnBroken(error=ToolError(type=HANDLER_INVALID, message=f"{waiting.at}: {error}")))
        return False
    if due <= draft.now and waiting.event is None:
        draft.add(HandlerMoved(run=advanced(run)))
        return False
    timer = wait_id(draft.turn.turn_id)
    note = f"{waiting.at} of the handler {run.handler}"
    if waiting.event is not None:
        note += f", which waits until then for the event {waiting.event}"
    draft.add(TimerSet(**draft.stamp, timer_id=timer, due=due, note=note))
    draft.add(HandlerMoved(run=replace(run, doing=replace(waiting, timer_id=timer))))
    return True


def resume(draft: Draft, timer: Timer) -> None:
    """Begins the turn in which the handler goes on that waited for this timer."""
    run = draft.state.handlers.waiting_for(timer.timer_id)
    assert run is not None
    draft.add(TimerFired(**draft.stamp, timer_id=timer.timer_id))
    turn = turn_id(draft.state.turns + 1)
    draft.add(TurnStarted(**(draft.stamp | {"turn_id": turn}), cause="timer", handler=run.handler))
    if isinstance(run.doing, Waiting) and run.doing.event is not None:
        events.expire(draft, run)
    else:
        draft.add(HandlerResumed(run=run))


def _due(waiting: Waiting, now: datetime, timezone: str | None) -> datetime:
    """Raises ValueError where the block gives no time."""
    if waiting.until is None:
        made: datetime = now + parse_duration(waiting.length)
        return made
    read = datetime.fromisoformat(waiting.until)
    return from_local(read, timezone) if read.tzinfo is None else read.astimezone(UTC)
