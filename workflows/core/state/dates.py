"""What a session's model is told of the date.

Rule: what was told stays as it is. The instructions end with the day on which the session began, for ever; another day is
told before the first message of that day. So a request only grows at its end, a provider's cache of its beginning stays
good, and what a model has signed of its thinking stays bound to the same beginning.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from perdure.workflows.core.state.record import Record, replace


@dataclass(frozen=True, kw_only=True)
class Dates(Record):
    #: The day on which the session began; empty: an older version began it, and tells none.
    first: str = ""
    #: The days that were told since, by the id of the message that each comes before.
    later: dict[str, str] = field(default_factory=dict)

    def told(self, message_id: str, day: str) -> "Dates":
        """With this day told before the message, unless the model knows it."""
        known = next(reversed(self.later.values()), self.first)
        return self if not self.first or day == known else replace(self, later={**self.later, message_id: day})

    def of(self, message_ids: Iterable[str]) -> "Dates":
        """With what was told before these messages alone."""
        kept = set(message_ids)
        return replace(self, later={one: day for one, day in self.later.items() if one in kept})
