"""What changes a session. An event is a numbered fact that viewers see; a note is a fact that they do not see.

Both are applied by `core/fold.py` and never taken back. Events bear what `stamp` gives; nothing else makes a `seq`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from pydantic import JsonValue

from perdure.workflows.core.agent_changes import (
    AgentFailed,
    AgentLoaded,
    AgentLoading,
    AgentRenewed,
    RenewalAsked,
    ToolsAsked,
    ToolsChanged,
    ToolsKnown,
)
from perdure.workflows.core.approvers import Requested
from perdure.workflows.core.binding import Allowed
from perdure.workflows.core.calls.call import Call, Given
from perdure.workflows.core.context_changes import (
    CompactionAbandoned,
    CompactionEnding,
    CompactionGivenUp,
    CompactionOpened,
    CompactionPassedOn,
    ContextMeasured,
    Overflowed,
)
from perdure.workflows.core.event_changes import EventChange
from perdure.workflows.core.handler_changes import (
    BlockAnswered,
    BlockCalled,
    BranchesCalled,
    ErrorCaught,
    HandlerAnswered,
    HandlerMoved,
    HandlerResumed,
    TriggerTaken,
    VariablesSet,
)
from perdure.workflows.core.lease_changes import LeaseChange
from perdure.workflows.core.limit_changes import (
    CallsCounted,
    ClockTurned,
    QuotaPassed,
    SetAside,
    StepUndone,
    TimeUsedUp,
    TurnCheapened,
)
from perdure.workflows.core.rewind_changes import RewindDropped, RewindTaken, UndoBegun, UndoStarted
from perdure.workflows.core.sealing_changes import PartSealed, SealingBegun, SealingFailed
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Handoff
from perdure.workflows.definition.agent import Limits
from perdure.workflows.protocol.left_out import LeftOut
from perdure.workflows.protocol.steps import StepRecord, Tried
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Message, Part, ToolError


class Stamp(TypedDict):
    """The fields that all events have."""

    seq: int
    at: datetime
    turn_id: str | None


def stamp(state: SessionState, at: datetime) -> Stamp:
    """Of the event that follows `state`, in the turn that runs."""
    return Stamp(seq=state.log.seq + 1, at=at, turn_id=state.turn_id)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A user message was taken in; it is in the inbox now."""

    message: Message
    content_sha256: str
    cursor: int
    digest: str | None
    #: The role that shall answer it; None: the session's.
    role: str | None = None
    #: The caller's span.
    traceparent: str | None = None
    #: What becomes of it where the session works.
    busy: Busy = "queue"


@dataclass(frozen=True, kw_only=True)
class MessageEdited:
    """A message that waits has other parts."""

    message_id: str
    parts: tuple[Part, ...]
    command_id: str


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """A message that waited was taken back."""

    message_id: str


@dataclass(frozen=True, kw_only=True)
class StopRequested:
    #: By a message that is next, and not by a stop.
    interrupted: bool = False


@dataclass(frozen=True)
class Muted:
    """Nobody is asked any more in this session."""


@dataclass(frozen=True, kw_only=True)
class CloseRequested:
    reason: str


@dataclass(frozen=True, kw_only=True)
class Configured:
    """What is None stays as it is."""

    model: str | None = None
    metadata: dict[str, JsonValue] | None = None
    #: Goes with the metadata.
    timezone: str | None = None
    digest: str | None = None
    title: str | None = None
    limits: Limits | None = None
    #: Those that change; see `perdure.workflows.definition.partial_limits`.
    limit_changes: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CommandSeen:
    id: str


@dataclass(frozen=True, kw_only=True)
class CallChanged:
    """In place of the call with its id; its stage follows the one before, see `core/calls/table.py`."""

    call: Call


@dataclass(frozen=True, kw_only=True)
class QuestionSettled:
    question_id: str
    #: None where it was settled without an answer.
    answer_id: str | None = None
    #: In place of the model's arguments.
    given: Given | None = None
    #: What is allowed from now on.
    allow: Allowed | None = None


@dataclass(frozen=True, kw_only=True)
class TimerDue:
    timer_id: str


@dataclass(frozen=True, kw_only=True)
class TimerCancelled:
    timer_id: str


@dataclass(frozen=True, kw_only=True)
class HandoffAgreed:
    handoff: Handoff


@dataclass(frozen=True, kw_only=True)
class StepOpened:
    record: StepRecord


@dataclass(frozen=True)
class StepEnding:
    """The model call that is open was told to end."""


@dataclass(frozen=True, kw_only=True)
class ModelGivenUp:
    """The model of the open step gave no answer; the next one of its route is to be asked."""

    tried: Tried


@dataclass(frozen=True, kw_only=True)
class StepPassedOn:
    """The next model of the route gets the open step."""

    record: StepRecord


@dataclass(frozen=True, kw_only=True)
class CallerTraced:
    """What the turn does is also of this caller's trace."""

    traceparent: str


@dataclass(frozen=True, kw_only=True)
class ExchangeDeclined:
    """A provider declined to answer; later requests leave out what it may have been for."""

    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, kw_only=True)
class AnswerRead:
    """The last answer is of the form that is asked for, and this is its value."""

    value: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class TurnBroken:
    """The turn cannot go on and ends `failed`."""

    error: ToolError


Note = (
    Accepted
    | MessageEdited
    | Withdrawn
    | StopRequested
    | Muted
    | CloseRequested
    | Configured
    | CommandSeen
    | AgentLoading
    | AgentLoaded
    | AgentFailed
    | RenewalAsked
    | AgentRenewed
    | ToolsAsked
    | ToolsKnown
    | ToolsChanged
    | CallChanged
    | QuestionSettled
    | SetAside
    | TimerDue
    | TimerCancelled
    | HandoffAgreed
    | StepOpened
    | StepEnding
    | ModelGivenUp
    | StepPassedOn
    | StepUndone
    | TurnCheapened
    | ClockTurned
    | TimeUsedUp
    | QuotaPassed
    | CallsCounted
    | CallerTraced
    | Requested
    | ExchangeDeclined
    | AnswerRead
    | RewindTaken
    | UndoBegun
    | UndoStarted
    | RewindDropped
    | TurnBroken
    | LeaseChange
    | ContextMeasured
    | Overflowed
    | CompactionOpened
    | CompactionGivenUp
    | CompactionPassedOn
    | CompactionEnding
    | CompactionAbandoned
    | SealingBegun
    | PartSealed
    | SealingFailed
    | HandlerMoved
    | BlockCalled
    | BranchesCalled
    | BlockAnswered
    | ErrorCaught
    | HandlerResumed
    | HandlerAnswered
    | TriggerTaken
    | VariablesSet
    | EventChange
)
Change = Event | Note
Changes = tuple[Change, ...]
