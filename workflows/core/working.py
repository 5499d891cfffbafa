"""For how long a turn has worked: its clock is turned on and off with what is open. Pure."""

from datetime import datetime, timedelta

from perdure.workflows.core.draft import Draft
from perdure.workflows.core.limit_changes import ClockTurned, TimeUsedUp
from perdure.workflows.core.state.session import SessionState

#: Sessions of older behavior look at the time only before something begins.
ENDS_WHAT_WORKS = 2
#: So that what a turn has worked by then is never a rounding error less than its limit.
_TICK = timedelta(microseconds=1)


def keep_time(draft: Draft) -> None:
    """Turns the clock where something began to work for a turn with a cap on that, or nothing does any more."""
    state, turn = draft.state, draft.state.turn
    if turn is None or (turn.clock.since is None and state.effective_limits.turn.working_time is None):
        return
    if turn.is_working != (turn.clock.since is not None):
        draft.add(ClockTurned(at=draft.now))


def ends_at(state: SessionState) -> datetime | None:
    """When what works for the turn has to end; None: nothing works, there is no limit, or it was told to end already."""
    turn, cap = state.turn, state.effective_limits.turn.working_time
    if turn is None or cap is None or turn.clock.since is None or state.behavior < ENDS_WHAT_WORKS or state.rehearsal:
        return None
    # Calls that take others back run to their end, whatever their rewind takes.
    if turn.overtime or turn.stopping or turn.error is not None or turn.undoing is not None:
        return None
    left = max(cap.total_seconds(), turn.ceiling("turn", "working_time")) - turn.clock.worked
    return turn.clock.since + timedelta(seconds=max(left, 0.0)) + _TICK


def use_up(draft: Draft) -> None:
    """Has what works for the turn end where its time has come."""
    at = ends_at(draft.state)
    if at is not None and at <= draft.now:
        draft.add(TimeUsedUp())
