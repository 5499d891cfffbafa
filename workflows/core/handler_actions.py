"""What a session can do so that its turn's handler goes on; see `actions.py`."""

from dataclasses import dataclass

from perdure.workflows.core.state.handlers import HandlerRun
from perdure.workflows.protocol.queries import Timer
from perdure.workflows.vocabulary.parts import ToolError


@dataclass(frozen=True)
class CarryOn:
    """Carry the handler on to a block that needs the world, or for a batch of its instructions."""


@dataclass(frozen=True)
class LeaveBlock:
    """The agent has responded: the handler goes on behind its block."""


@dataclass(frozen=True)
class CallTool:
    """Make the call of the handler's block."""


@dataclass(frozen=True)
class BeginBranches:
    """Make the next of the calls that the handler's block makes at the same time."""


@dataclass(frozen=True)
class EndBranches:
    """All of them have ended: the handler goes on behind its block, or fails."""


@dataclass(frozen=True)
class TakeBack:
    """Make the call that takes the latest one back; where none is left, the handler goes on, or fails."""


@dataclass(frozen=True)
class CheckResult:
    """Have the result checked that the handler ends with."""


@dataclass(frozen=True)
class CatchError:
    """The handler goes on where it catches this error, which would have ended its turn."""

    error: ToolError


@dataclass(frozen=True)
class ParkHandler:
    """The handler waits for a time, an event or a person, and its turn ends."""


@dataclass(frozen=True)
class ResumeHandler:
    """A handler goes on that waited for this timer, in a turn of its own."""

    timer: Timer


@dataclass(frozen=True)
class ResumeAnswered:
    """A handler goes on whose question is settled, in a turn of its own."""

    question_id: str


@dataclass(frozen=True)
class OfferEvent:
    """A handler goes on that waits for this event, in a turn of its own; where none does, the event is kept."""

    event_id: str


@dataclass(frozen=True)
class OfferKept:
    """The handler that has begun to wait goes on with one of the events that are kept, or goes on waiting."""


@dataclass(frozen=True)
class NameSession:
    """Ask a model what the session is to be called, before its turn ends."""

    run: HandlerRun


HandlerAction = (
    NameSession
    | CarryOn
    | LeaveBlock
    | CallTool
    | BeginBranches
    | EndBranches
    | TakeBack
    | CheckResult
    | CatchError
    | ParkHandler
    | ResumeHandler
    | ResumeAnswered
    | OfferEvent
    | OfferKept
)
