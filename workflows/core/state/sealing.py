"""How much of its past a session holds, and where that can be cut so that what comes before goes to the blob store."""

from dataclasses import dataclass
from typing import Final

from perdure.workflows.core.state.record import Record, replace

# By these numbers a session decides when to seal, so they change only behind a new behavior (`signals.BEHAVIOR`).

#: Bytes (`core/weights.py`) that a session holds before some are sealed, and that stay then: the recent past is asked for
#: most.
SEAL_ABOVE: Final = 48 * 1024
LEFT: Final = 16 * 1024
#: Bytes that are worth a segment, and that one holds at most, unless what may not be parted is longer.
LEAST: Final = 8 * 1024
MOST: Final = 96 * 1024
#: Bytes between two cuts that are kept in mind.
_GRAIN: Final = 4 * 1024
#: Bytes that are said until sealing is tried again: after the first failure, and at most.
_AGAIN: Final = 8 * 1024
_AGAIN_AT_MOST: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Cut(Record):
    """A place where a session's past can be cut: no step is open there, and every call has its result."""

    #: Of the last event before it.
    seq: int
    #: The number of the first message behind it.
    number: int
    #: Steps before it, all that there ever were.
    steps: int
    #: Bytes before it, counted as `Sealing.size`.
    size: int


@dataclass(frozen=True, kw_only=True)
class Sealing(Record):
    """Counters only grow; what they begin with does not matter."""

    #: Events, steps and messages have been counted. False: a state of older behavior, or the past that a fork begins with.
    counted: bool = False
    #: Bytes of events, steps, and messages that no event holds.
    size: int = 0
    #: Of these, those before what the session holds.
    before: int = 0
    #: Steps before what the session holds.
    steps_before: int = 0
    #: The oldest first.
    cuts: tuple[Cut, ...] = ()
    #: What comes before this one is being sealed.
    open: Cut | None = None
    #: Bytes above which some of what the session holds is sealed.
    due_above: int = SEAL_ABOVE
    #: How often in a row it has failed.
    failures: int = 0

    @property
    def held(self) -> int:
        """Bytes that the session holds."""
        return self.size - self.before

    def due(self, steps: int) -> Cut | None:
        """Where the past of a session that holds so many steps is to be cut next; None: nothing is to be sealed now."""
        if self.open is not None or self.held < self.due_above:
            return None
        found: Cut | None = None
        for cut in self.cuts:
            left = self.size - cut.size
            # Views of steps are compared with those of the last ones, so these stay where there is any choice.
            if left < LEFT or (self.steps_before + steps - cut.steps < 2 and left < 4 * LEFT):
                break
            if found is not None and cut.size - self.before > MOST:
                break
            found = cut
        return found if found is not None and found.size - self.before >= LEAST else None

    def grown(self, size: int) -> "Sealing":
        return replace(self, size=self.size + size)

    def cuttable(self, seq: int, number: int, steps: int) -> "Sealing":
        """With a cut behind all that there is; `steps` of them the session holds."""
        cuts = self.cuts
        while len(cuts) > 1 and self.size - cuts[-2].size < _GRAIN:
            cuts = cuts[:-1]
        return replace(self, cuts=(*cuts, Cut(seq=seq, number=number, steps=self.steps_before + steps, size=self.size)))

    def done(self) -> "Sealing":
        """With what was open sealed."""
        assert self.open is not None
        at = self.open.size
        cuts = tuple(cut for cut in self.cuts if cut.size > at)
        return replace(
            self, before=at, steps_before=self.open.steps, cuts=cuts, open=None, due_above=SEAL_ABOVE, failures=0
        )

    def failed(self) -> "Sealing":
        """With what was open not sealed; it is tried again once more has been said."""
        wait = min(_AGAIN << min(self.failures, 8), _AGAIN_AT_MOST)
        return replace(self, open=None, due_above=self.held + wait, failures=self.failures + 1)
