"""For how long a turn has worked: its clock is turned on and off with what is open. Pure."""

from perdure.workflows.core.draft import Draft
from perdure.workflows.core.limit_changes import ClockTurned


def keep_time(draft: Draft) -> None:
    """Turns the clock where something began to work for a turn with a cap on that, or nothing does any more."""
    state, turn = draft.state, draft.state.turn
    if turn is None or (turn.clock.since is None and state.effective_limits.turn.working_time is None):
        return
    if turn.is_working != (turn.clock.since is not None):
        draft.add(ClockTurned(at=draft.now))
