"""What a session's model is told of the date.

Rule: what was told stays as it is. The instructions end with the day on which the session began, for ever; another day is
told before the first message of that day. So a request only grows at its end, a provider's cache of its beginning stays
good, and what a model has signed of its thinking stays bound to the same beginning.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from perdure.workflows.core.state.record import Record, replace

#: Days that are kept in mind where more have been told, which takes a year of daily talk.
KEPT_DAYS: Final = 200


@dataclass(frozen=True, kw_only=True)
class Dates(Record):
    #: The day on which the session began; empty: an older version began it, and tells none.
    first: str = ""
    #: The days that were told since, by the id of the message that each comes before.
    later: dict[str, str] = field(default_factory=dict)
    #: The numbers of these messages; an older version kept none.
    numbers: dict[str, int] = field(default_factory=dict)

    def told(self, message_id: str, day: str, number: int) -> "Dates":
        """With this day told before the message of this number, unless the model knows it."""
        known = next(reversed(self.later.values()), self.first)
        if not self.first or day == known:
            return self
        return replace(self, later={**self.later, message_id: day}, numbers={**self.numbers, message_id: number})

    def of(self, message_ids: Iterable[str]) -> "Dates":
        """With what was told before these messages alone."""
        kept = set(message_ids)
        return replace(
            self,
            later={one: day for one, day in self.later.items() if one in kept},
            numbers={one: number for one, number in self.numbers.items() if one in kept},
        )

    def numbered(self, numbers: dict[str, int]) -> "Dates":
        """With the numbers of its messages, by their ids."""
        return replace(self, numbers={one: numbers[one] for one in self.later if one in numbers} | self.numbers)

    def bounded(self, base: int) -> "Dates":
        """Without the oldest of those that were told before messages of numbers below `base`, where there are many."""
        old = [one for one in self.later if self.numbers.get(one, base) < base]
        gone = set(old[: max(len(self.later) - KEPT_DAYS, 0)])
        return self if not gone else self.of(one for one in self.later if one not in gone)
