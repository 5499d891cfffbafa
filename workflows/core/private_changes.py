"""What changes a session without being an event: facts that viewers do not see. One frozen record each, one closed union.

They are applied by `workflows/core/fold.py` and, like events, are never taken back.
"""

from pydantic import JsonValue

from perdure.workflows.core.binding import Allowed
from perdure.workflows.core.plan import Plans
from perdure.workflows.definition.agent import Limits, LoadedAgent
from perdure.workflows.protocol.commands import StepRecord
from perdure.workflows.vocabulary.parts import BlobRef, Frozen, Message, ToolError


class Accepted(Frozen):
    """A user message was taken in; it is in the inbox now."""

    message: Message
    content_sha256: str
    cursor: int
    digest: str | None


class StopRequested(Frozen):
    pass


class CloseRequested(Frozen):
    reason: str


class Configured(Frozen):
    model: str | None = None
    metadata: dict[str, JsonValue] | None = None
    digest: str | None = None
    limits: Limits | None = None


class CommandSeen(Frozen):
    id: str


class AgentLoaded(Frozen):
    agent: LoadedAgent


class AgentFailed(Frozen):
    """The definition could not be loaded; a session that has one goes on with it."""

    error: ToolError


class AgentRenewed(Frozen):
    """The agent has another definition now than the session last heard of."""

    digest: str


class ToolsChanged(Frozen):
    pass


class CallsPlanned(Frozen):
    """What becomes of these calls, by id."""

    plans: Plans


class QuestionSettled(Frozen):
    question_id: str
    #: None where it was settled without an answer.
    answer_id: str | None = None
    #: In place of the model's own.
    args: dict[str, JsonValue] | None = None
    args_blob: BlobRef | None = None
    #: What is allowed from now on.
    allow: Allowed | None = None


class TimerDue(Frozen):
    timer_id: str


class TimerCancelled(Frozen):
    timer_id: str


class Handoff(Frozen):
    """Another agent takes the session over as soon as the calls of the step have their results."""

    agent: LoadedAgent
    inputs: dict[str, JsonValue]


class HandoffAgreed(Frozen):
    handoff: Handoff


class StepOpened(Frozen):
    record: StepRecord


class TurnBroken(Frozen):
    """The turn cannot go on and ends `failed`."""

    error: ToolError


Note = (
    Accepted
    | StopRequested
    | CloseRequested
    | Configured
    | CommandSeen
    | AgentLoaded
    | AgentFailed
    | AgentRenewed
    | ToolsChanged
    | CallsPlanned
    | QuestionSettled
    | TimerDue
    | TimerCancelled
    | HandoffAgreed
    | StepOpened
    | TurnBroken
)
