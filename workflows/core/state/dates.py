"""What a session's model is told of the date.

Rule: what was told stays as it is. The instructions end with the day on which the session began, for ever; another day is
told before the first message of that day. So a request only grows at its end, a provider's cache of its beginning stays
good, and what a model has signed of its thinking stays bound to the same beginning.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.protocol.paths import Path
from perdure.workflows.vocabulary.parts import Message

#: Days that are kept in mind where more have been told, which takes a year of daily talk.
KEPT_DAYS: Final = 200


@dataclass(frozen=True, kw_only=True)
class Dates(Record):
    #: The day on which the session began; empty: an older version began it, and tells none.
    first: str = ""
    #: The days that were told since, by the id of the message that each comes before. A message that is said once more, on
    #: another day, goes by its id and its turn (`m1@t7`), which is no id that a caller can make.
    later: dict[str, str] = field(default_factory=dict)
    #: The numbers of these messages; an older version kept none.
    numbers: dict[str, int] = field(default_factory=dict)
    #: The day that the model knows on the branch that goes on; empty: the last one that was told.
    known: str = ""

    def told(self, message: Message, day: str, number: int) -> "Dates":
        """With this day told before the message of this number, unless the model knows it."""
        known = self.known or next(reversed(self.later.values()), self.first)
        if not self.first or day == known:
            return self
        key = f"{message.id}@{message.turn_id}" if message.id in self.later else message.id
        return replace(
            self,
            later={**self.later, key: day},
            numbers={**self.numbers, key: number},
            known=day if self.known else "",
        )

    def on(self, path: Path, count: int) -> "Dates":
        """As the model of this branch knows them, which has so many messages."""
        return replace(self, known=self.last_on(path, count) or self.first) if self.first else self

    def last_on(self, path: Path, count: int) -> str:
        """The day that was told last before one of the first `count` messages of a branch; empty: only the first day was."""
        places = ((path.position(number), self.later[one]) for one, number in self.numbers.items() if one in self.later)
        told = [(place, day) for place, day in places if place is not None and place < count]
        return max(told)[1] if told else ""

    def of(self, message_ids: Iterable[str]) -> "Dates":
        """With what was told before these messages alone."""
        kept = set(message_ids)
        return replace(
            self,
            later={one: day for one, day in self.later.items() if one in kept or message_of(one) in kept},
            numbers={one: number for one, number in self.numbers.items() if one in kept or message_of(one) in kept},
        )

    def before(self, number: int) -> "Dates":
        """With what was told before messages of lower numbers alone: a message that was said once more, later, has its id."""
        gone = {one for one in self.later if self.numbers.get(one, -1) >= number}
        return replace(
            self,
            later={one: day for one, day in self.later.items() if one not in gone},
            numbers={one: known for one, known in self.numbers.items() if one not in gone},
        )

    def numbered(self, numbers: dict[str, int]) -> "Dates":
        """With the numbers of its messages, by their ids."""
        return replace(self, numbers={one: numbers[one] for one in self.later if one in numbers} | self.numbers)

    def bounded(self, base: int) -> "Dates":
        """Without the oldest of those that were told before messages of numbers below `base`, where there are many."""
        old = [one for one in self.later if self.numbers.get(one, base) < base]
        gone = set(old[: max(len(self.later) - KEPT_DAYS, 0)])
        if not gone:
            return self
        return replace(
            self,
            later={one: day for one, day in self.later.items() if one not in gone},
            numbers={one: number for one, number in self.numbers.items() if one not in gone},
        )


def message_of(key: str) -> str:
    """The id of the message that a day comes before."""
    return key.partition("@")[0]
