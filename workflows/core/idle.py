"""When a session that rests closes itself. Pure.

Rule: a session rests that has nothing to do and waits for nobody: neither for a person, nor for a timer of its agent's.
"""

from datetime import datetime
from typing import Final

from perdure.workflows.core.changes import CloseRequested
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.state.session import SessionState

IDLE_TIMEOUT: Final = "idle_timeout"


def closes_at(state: SessionState) -> datetime | None:
    """When the session closes itself, if nothing happens before; None: it stays open."""
    loaded = state.slot.loaded
    timeout = loaded.definition.idle_timeout if loaded is not None else None
    if timeout is None or state.behavior < 1 or state.new.parent is not None or state.closing is not None:
        return None
    if state.is_busy or state.timers.pending or state.handlers.parked:
        return None
    log = state.log
    # A state that an older version carried tells it by its events.
    last = log.last_at or (log.events[-1].at if log.events else state.created_at)
    return last + timeout


def close_idle(draft: Draft) -> None:
    """Closes a session that has rested for as long as its definition lets it."""
    at = closes_at(draft.state)
    if at is not None and at <= draft.now:
        draft.add(CloseRequested(reason=IDLE_TIMEOUT))
