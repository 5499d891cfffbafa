"""Events that a session was sent and that no handler has taken yet; see `core/handlers/events.py`."""

from dataclasses import dataclass, field

from pydantic import JsonValue
from pydantic_core import to_json

from perdure.workflows.core.state.record import Record


@dataclass(frozen=True, kw_only=True)
class KeptEvent(Record):
    #: Made by the caller, as the id of a trigger.
    event_id: str
    name: str
    inputs: dict[str, JsonValue] = field(default_factory=dict)
    #: The caller's span.
    traceparent: str | None = None
    #: It has not been offered to the handlers that wait yet.
    fresh: bool = True

    @property
    def size(self) -> int:
        """Bytes of what it says."""
        return len(to_json(self.inputs))
