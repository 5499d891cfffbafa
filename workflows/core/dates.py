"""When a turn started: what the session calls the date until the turn ends. Pure."""

from datetime import datetime

from perdure.workflows.core.state.session import SessionState


def turn_start(state: SessionState, turn_id: str) -> datetime | None:
    """When a turn started that the session still keeps; None: it does not."""
    log = state.log
    starts = (log.events[seq - log.oldest] for seq in reversed(log.turn_starts) if seq >= log.oldest)
    return next((event.at for event in starts if event.turn_id == turn_id), None)
