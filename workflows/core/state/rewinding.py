"""A rewind that was asked for and has not happened yet: the turn that runs ends first, and a person may have to agree."""

from dataclasses import dataclass, field
from typing import Final

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.protocol.signals import CutCall
from perdure.workflows.vocabulary.parts import Message
from perdure.workflows.vocabulary.questions import By
from perdure.workflows.vocabulary.rewinds import PlannedUndo, RewindCause, Standing, Undone

KEPT_REWINDS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Rewinding(Record):
    #: Of the command.
    id: str
    cause: RewindCause
    #: The branch that will go on.
    branch: str
    #: Messages that stay.
    kept: int
    #: The first message that leaves, or, where none does, the first that comes back.
    message_id: str
    #: What begins the turn that follows; None: the turn before is run on, or, gone back to a branch, none follows.
    message: Message | None = None
    #: `message` is the one that leaves, once more.
    again: bool = False
    #: The turn that is run on.
    continues: str | None = None
    #: The role that answers; None: the session's.
    role: str | None = None
    traceparent: str | None = None
    #: Whether calls are taken back; None: a person is asked.
    undo: bool | None = None
    #: Whoever asked for it; None: of versions that did not say, which asked nobody in particular.
    by: By | None = None
    #: Calls of the part that leaves, as whoever asked for the rewind found them.
    calls: tuple[CutCall, ...] = ()
    #: Further ones that may stand, by tool.
    more: dict[str, int] = field(default_factory=dict)
    #: What was to be asked and taken back was.
    settled: bool = False
    undone: tuple[Undone, ...] = ()
    stands: tuple[Standing, ...] = ()
    #: What stands besides, by tool.
    stands_more: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Undoing(Record):
    """The turn in which a person is asked about a rewind, and calls are taken back."""

    #: What is still to be taken back, in this order.
    left: tuple[PlannedUndo, ...]
    #: What is being taken back.
    now: PlannedUndo | None = None
    #: The question; None: nobody has to be asked.
    question_id: str | None = None
    #: None: the question is open.
    agreed: bool | None = None


@dataclass(frozen=True, kw_only=True)
class TakenRewind(Record):
    """A command that was taken in, so that a repeat is answered alike."""

    content_sha256: str
    cursor: int
    #: The branch that goes on by it.
    branch: str
    #: The message or the turn that follows.
    message_id: str | None = None
    turn_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class TakenRewinds(Record):
    #: The last ones, by the id of their command.
    by_id: dict[str, TakenRewind] = field(default_factory=dict)

    def with_one(self, command_id: str, taken: TakenRewind) -> "TakenRewinds":
        known = {**self.by_id, command_id: taken}
        if len(known) > KEPT_REWINDS:
            del known[next(iter(known))]
        return replace(self, by_id=known)
