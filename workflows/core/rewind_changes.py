"""What changes a session because a conversation goes back, or its last turn is run on."""

from dataclasses import dataclass, field

from perdure.workflows.core.state.rewinding import Rewinding, TakenRewind, Undoing
from perdure.workflows.vocabulary.rewinds import Standing


@dataclass(frozen=True, kw_only=True)
class RewindTaken:
    """A rewind, or a retry, was taken in."""

    rewinding: Rewinding
    taken: TakenRewind
    #: The definition that the caller knows.
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class UndoBegun:
    """The turn is there to ask about the rewind and to take calls back."""

    undoing: Undoing
    #: What of the part that leaves cannot be taken back.
    stands: tuple[Standing, ...]
    #: Further ones, by tool.
    more: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class UndoStarted:
    """The next call is being taken back."""


@dataclass(frozen=True)
class RewindDropped:
    """The rewind does not happen."""
