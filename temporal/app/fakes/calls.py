"""What the fake provider writes down of each request."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from perdure.temporal.app.fakes.dialect import FakeDialect
from perdure.temporal.app.fakes.refusals import Refusal
from perdure.temporal.app.fakes.replies import Api


@dataclass(slots=True)
class Call:
    """One request and its outcome. Times are `time.time()`."""

    api: Api
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    dialect: FakeDialect = field(repr=False)
    #: Each token with the time at which it was written.
    tokens: list[tuple[str, float]] = field(default_factory=list)
    #: When the client disconnected mid-stream.
    closed_at: float | None = None
    #: The answer was written completely.
    whole: bool = False
    #: Why it got no answer.
    refused: Refusal | None = None

    def told(self) -> dict[str, Any]:
        """The call as JSON."""
        told = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return told | {"dialect": self.dialect.name, "refused": asdict(self.refused) if self.refused else None}
