"""Which of all the messages that were ever said are on one branch of a conversation. Pure.

Messages are numbered from 0 in the order in which they were said, whichever branch goes on. A position counts the messages
of one branch, from 0. In a session that was never rewound the two are the same.
"""

import operator

from pydantic import Field

from perdure.workflows.vocabulary.parts import Frozen


class Stretch(Frozen):
    """Messages that were said one after the other, by number; `stop` is not one of them."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


class Path(Frozen):
    """The messages of a branch, in order: those of `closed`, then all from `opened` on."""

    closed: tuple[Stretch, ...] = Field(default=(), exclude_if=operator.not_)
    opened: int = 0

    @property
    def before(self) -> int:
        """Messages of the branch before `opened`."""
        return sum(stretch.length for stretch in self.closed)

    def count(self, total: int) -> int:
        """Messages of the branch where `total` have been said in all."""
        return self.before + total - self.opened

    def reached(self, number: int) -> int:
        """Messages of the branch with lower numbers."""
        before = sum(max(min(number, stretch.stop) - stretch.start, 0) for stretch in self.closed)
        return before + max(number - self.opened, 0)

    def number(self, position: int) -> int:
        """The number of the message at a position."""
        for stretch in self.closed:
            if position < stretch.length:
                return stretch.start + position
            position -= stretch.length
        return self.opened + position

    def position(self, number: int) -> int | None:
        """The position of a message; None where it is not on the branch."""
        before = 0
        for stretch in self.closed:
            if number < stretch.start:
                return None
            if number < stretch.stop:
                return before + number - stretch.start
            before += stretch.length
        return before + number - self.opened if number >= self.opened else None

    def between(self, start: int, stop: int) -> tuple[Stretch, ...]:
        """The numbers of the messages at the positions from `start` to `stop`, which is left out."""
        found: list[Stretch] = []
        before = 0
        for stretch in (*self.closed, Stretch(start=self.opened, stop=self.opened + max(stop - self.before, 0))):
            first, last = max(start - before, 0), min(stop - before, stretch.length)
            if first < last:
                found.append(Stretch(start=stretch.start + first, stop=stretch.start + last))
            before += stretch.length
        return tuple(found)

    def cut(self, position: int, total: int) -> "Path":
        """A branch that has the messages before `position`, and then those that are said after the first `total`."""
        return Path(closed=self.between(0, position), opened=total)


def is_whole(path: Path) -> bool:
    """The branch has all that was said."""
    return path == Path()


def shared_by(path: Path, count: int, other: Path, other_count: int) -> int:
    """How many messages two branches of so many messages have in common, from their beginning on."""
    shared = 0
    for one, two in zip(_joined(path.between(0, count)), _joined(other.between(0, other_count)), strict=False):
        if one.start != two.start:
            break
        shared += min(one.length, two.length)
        if one.stop != two.stop:
            break
    return shared


def _joined(stretches: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """With those that follow each other without a gap as one."""
    joined: list[Stretch] = []
    for stretch in stretches:
        if joined and joined[-1].stop == stretch.start:
            joined[-1] = Stretch(start=joined[-1].start, stop=stretch.stop)
        else:
            joined.append(stretch)
    return tuple(joined)
