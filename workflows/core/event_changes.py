"""What changes a session because it is sent events, and handlers wait for them."""

from dataclasses import dataclass

from perdure.workflows.core.state.events import KeptEvent
from perdure.workflows.core.state.handlers import HandlerRun


@dataclass(frozen=True, kw_only=True)
class EventCame:
    """An event is taken in, and kept until a handler takes it."""

    event: KeptEvent
    content_sha256: str
    cursor: int


@dataclass(frozen=True, kw_only=True)
class EventLeft:
    """None of the handlers that wait takes this event."""

    event_id: str


@dataclass(frozen=True, kw_only=True)
class KeptLeft:
    """The run, which has begun to wait, takes none of the events that are kept."""

    run: HandlerRun


EventChange = EventCame | EventLeft | KeptLeft
