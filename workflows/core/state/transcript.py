"""What was said in a session, and what a model call sees of it."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from pydantic import model_validator

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.protocol.left_out import LeftOut
from perdure.workflows.protocol.paths import Path
from perdure.workflows.protocol.segment_refs import SegmentRef, bytes_of
from perdure.workflows.protocol.steps import View
from perdure.workflows.vocabulary.parts import Message


@dataclass(frozen=True, kw_only=True)
class Transcript(Record):
    """Messages are numbered, and branches are paths over the numbers; see `protocol/paths.py`."""

    #: Those that the state holds, in the order in which they were said: the last ones of all branches.
    messages: tuple[Message, ...] = ()
    #: The number of the first of `messages`.
    base: int = 0
    #: The branch that goes on.
    path: Path = field(default_factory=Path)
    #: Bytes of the messages of the branch as JSON, folded parts counted in full.
    size: int = 0
    #: Chained hash of the messages of the branch.
    prefix: str = ""
    #: Grows when what was said before changes its meaning.
    epoch: int = 0
    #: What a provider declined, so that later requests leave it out.
    left_out: tuple[LeftOut, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _without_files(cls, data: Any) -> Any:
        """States that older versions carried list the files of the messages, which nobody asks for."""
        return {name: value for name, value in data.items() if name != "media"} if isinstance(data, dict) else data

    @property
    def total(self) -> int:
        """Messages that were ever said, on all branches."""
        return self.base + len(self.messages)

    @property
    def count(self) -> int:
        """Messages of the branch that goes on."""
        return self.path.count(self.total)

    @property
    def view(self) -> View:
        return View(epoch=self.epoch, count=self.count, prefix=self.prefix, path=self.path)

    def on(self, path: Path, start: int, stop: int) -> tuple[Message, ...]:
        """The messages of a branch at the positions from `start` to `stop`, as far as the state holds them."""
        found: tuple[Message, ...] = ()
        for stretch in path.between(start, min(stop, path.count(self.total))):
            found += self.messages[max(stretch.start - self.base, 0) : max(stretch.stop - self.base, 0)]
        return found

    def seen(self, view: View) -> tuple[Message, ...]:
        """The messages of a view, as far as the state holds them."""
        return self.on(view.path, view.start, view.count)

    def measured(self, sealed: tuple[SegmentRef, ...] = ()) -> "Transcript":
        """With the size and the hash of the messages that its branch has now; of those that are sealed about the size."""
        size = bytes_of(sealed, self.path.between(0, self.path.reached(self.base)))
        whole = replace(self, size=size, prefix="")
        for message in self.on(self.path, 0, self.count):
            whole = whole.counting(message)
        return whole

    def leaving_out(self, left_out: tuple[LeftOut, ...]) -> "Transcript":
        """As later requests have it, which leave this out, too."""
        return replace(self, left_out=(*self.left_out, *left_out), epoch=self.epoch + 1)

    def said(self, message: Message) -> "Transcript":
        """With `message` at its end."""
        return replace(self.counting(message), messages=(*self.messages, message))

    def counting(self, message: Message) -> "Transcript":
        """With the message in its size and its hash."""
        dumped = message.model_dump_json().encode()
        return replace(
            self,
            size=self.size + len(dumped) + _folded(message),
            prefix=hashlib.sha256(self.prefix.encode() + dumped).hexdigest()[:32],
        )


def _folded(message: Message) -> int:
    return sum(part.blob.size for part in message.parts if part.blob)
