"""What events that are sent make of a session's state. Pure."""

from typing import assert_never

from perdure.workflows.core.event_changes import EventCame, EventChange, EventLeft, KeptLeft
from perdure.workflows.core.state.inbox import Seen
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState


def changed(state: SessionState, note: EventChange) -> SessionState:
    match note:
        case EventCame():
            return _came(state, note)
        case EventLeft():
            return replace(state, handlers=state.handlers.leaving(note.event_id))
        case KeptLeft():
            return replace(state, handlers=state.handlers.having_looked(note.run))
        case _:
            assert_never(note)


def _came(state: SessionState, note: EventCame) -> SessionState:
    """An event is taken in, and kept. Its id is one of those by which a repeat is known."""
    seen = Seen(content_sha256=note.content_sha256, cursor=note.cursor)
    handlers = replace(state.handlers, events=(*state.handlers.events, note.event))
    return replace(state, inbox=state.inbox.knowing(note.event.event_id, seen), handlers=handlers)
