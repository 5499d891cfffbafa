"""What a session's model is told of the date.

Rule: what was told stays as it is. The instructions end with the day on which the session began, for ever; another day is
told before the first message of that day. So a request only grows at its end, a provider's cache of its beginning stays
good, and what a model has signed of its thinking stays bound to the same beginning.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.vocabulary.parts import Message


@dataclass(frozen=True, kw_only=True)
class Dates(Record):
    #: The day on which the session began; empty: an older version began it, and tells none.
    first: str = ""
    #: The days that were told since, by the id of the message that each comes before. A message that is said once more, on
    #: another day, goes by its id and its turn (`m1@t7`), which is no id that a caller can make.
    later: dict[str, str] = field(default_factory=dict)
    #: The day that the model knows on the branch that goes on; empty: the last one that was told.
    known: str = ""

    def told(self, message: Message, day: str) -> "Dates":
        """With this day told before the message, unless the model knows it."""
        known = self.known or next(reversed(self.later.values()), self.first)
        if not self.first or day == known:
            return self
        key = message.id if self.later.get(message.id, day) == day else _again(message)
        return replace(self, later={**self.later, key: day}, known=day if self.known else "")

    def before(self, message: Message) -> str | None:
        """The day that is told before the message; None: none is."""
        return self.later.get(_again(message), self.later.get(message.id))

    def until(self, day: str | None) -> "Dates":
        """As they are on a branch whose last message is of this day; None: it has none."""
        if not self.first:
            return self
        told = [one for one in (self.first, *self.later.values()) if day is not None and one <= day]
        return replace(self, known=max(told, default=self.first))

    def of(self, message_ids: Iterable[str]) -> "Dates":
        """With what was told before these messages alone."""
        kept = set(message_ids)
        return replace(self, later={one: day for one, day in self.later.items() if one.partition("@")[0] in kept})


def _again(message: Message) -> str:
    return f"{message.id}@{message.turn_id}"
