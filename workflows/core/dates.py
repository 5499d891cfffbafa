"""When a turn started: what the session calls the date until the turn ends. Pure."""

from datetime import datetime

from perdure.workflows.core.state.session import SessionState


def turn_start(state: SessionState, turn_id: str) -> datetime | None:
    """When a turn started that runs, or whose events the session holds; None: it does not."""
    turn, log = state.turn, state.log
    if turn is not None and turn.turn_id == turn_id and turn.started_at is not None:
        return turn.started_at
    starts = (log.events[seq - log.oldest] for seq in reversed(log.turn_starts) if seq >= log.oldest)
    return next((event.at for event in starts if event.turn_id == turn_id), None)
