"""The durable facts of a session: one frozen record a type, one closed union. The guide's page on events shows them.

An event is never taken back. `seq` starts at 1 and has no gaps, also across continue-as-new. An assistant message
comes only in `step.finished`, a tool result only in `tool.finished`.
"""

import operator
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.busy import Ahead
from perdure.workflows.vocabulary.context_events import ContextCompacted as ContextCompacted
from perdure.workflows.vocabulary.event_base import EventBase as EventBase
from perdure.workflows.vocabulary.event_base import TurnEnd as TurnEnd
from perdure.workflows.vocabulary.feedback import FeedbackGiven as FeedbackGiven
from perdure.workflows.vocabulary.parts import (
    BlobRef,
    Blocked,
    Frozen,
    Message,
    StopReason,
    Timing,
    ToolError,
    ToolResult,
    Usage,
    absent,
)
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)
from perdure.workflows.vocabulary.rewinds import TranscriptRewound
from perdure.workflows.vocabulary.todo import TodoUpdated as TodoUpdated


class SessionStarted(EventBase):
    """The session exists, and runs this definition."""

    type: Literal["session.started"] = "session.started"
    agent: str
    digest: str
    inputs: dict[str, JsonValue]


class SessionClosed(EventBase):
    """The last event of a session."""

    type: Literal["session.closed"] = "session.closed"
    reason: str


class MessageAdded(EventBase):
    """A user's message, the session's own note for a timer, or a text that a handler says is in the transcript."""

    type: Literal["message.added"] = "message.added"
    message: Message


class MessageQueued(EventBase):
    """A message, or a trigger by its id, waits while a turn runs; `position` 1 is next. The event comes again with `message`
    once the message is edited, and without `busy` once the turn that it was to join has ended."""

    type: Literal["message.queued"] = "message.queued"
    message_id: str
    position: int
    #: `steer`: it joins the running turn before its next step. `interrupt`: it has interrupted that turn, and is next.
    busy: Ahead | None = Field(default=None, exclude_if=absent)
    #: The message, once it was edited.
    message: Message | None = Field(default=None, exclude_if=absent)


class MessageRejected(EventBase):
    """A message, or a trigger, will have no turn; or no handler will have this event."""

    type: Literal["message.rejected"] = "message.rejected"
    message_id: str
    reason: str


class TurnStarted(EventBase):
    """The agent begins to work."""

    type: Literal["turn.started"] = "turn.started"
    cause: Literal["message", "trigger", "timer", "answer"]
    #: The handler that the turn carries out; without one, the agent responds.
    handler: str | None = Field(default=None, exclude_if=absent)
    #: The trigger that began it, or the event that its handler goes on with.
    trigger_id: str | None = Field(default=None, exclude_if=absent)
    #: The turn that this one runs on, or whose answer it gives again: it has no message of its own.
    continues: str | None = Field(default=None, exclude_if=absent)


class TurnFinished(EventBase):
    """The agent rests."""

    type: Literal["turn.finished"] = "turn.finished"
    reason: TurnEnd
    error: ToolError | None = None
    usage: Usage
    #: Dollars; null when a price is unknown.
    cost_usd: float | None
    #: The answer as a checked value, where the definition says its form (`answer:`) and the turn is done.
    result: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)


class StepStarted(EventBase):
    """The model is called."""

    type: Literal["step.started"] = "step.started"
    step_id: str
    model: str
    #: The block of a handler that the step belongs to.
    block: Block | None = Field(default=None, exclude_if=absent)


class StepFinished(EventBase):
    """The model has answered; `message` is its whole answer, with its tool calls. It is empty where a handler's block keeps
    the answer to itself, which the trace shows."""

    type: Literal["step.finished"] = "step.finished"
    step_id: str
    message: Message
    model: str
    usage: Usage
    cost_usd: float | None
    timing: Timing
    stop: StopReason
    attempt: int
    #: Of the JSON body that was sent to the provider; null when none was.
    request_sha256: str | None
    #: The provider's own word for an end that `stop` has no name for.
    stop_raw: str | None = Field(default=None, exclude_if=absent)
    #: What of the request was left out or renamed because its server refused it, in words.
    adapted: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Pieces of the answer whose shape was not known, and which were passed over.
    skipped: int = Field(default=0, exclude_if=operator.not_)
    #: The block of a handler that the step belongs to.
    block: Block | None = Field(default=None, exclude_if=absent)
    #: Why the answer is not of the form that the definition asks for (`answer:`), in words.
    misfit: str | None = Field(default=None, exclude_if=absent)


class ToolStarted(EventBase):
    """A tool call runs."""

    type: Literal["tool.started"] = "tool.started"
    call_id: str
    name: str
    args: dict[str, JsonValue]
    #: Of the session in which a sub-agent answers this call.
    session_id: str | None = None
    #: Holds the call's part where the arguments are too long to travel; `args` are empty then.
    blob: BlobRef | None = Field(default=None, exclude_if=absent)
    #: The call that this one takes back, for a rewind.
    undoes: str | None = Field(default=None, exclude_if=absent)
    #: The block of a handler that makes the call, in place of a model.
    block: Block | None = Field(default=None, exclude_if=absent)


class ToolFinished(EventBase):
    """A tool call has its result."""

    type: Literal["tool.finished"] = "tool.finished"
    call_id: str
    name: str
    result: ToolResult
    attempts: int | None = None
    duration_ms: float
    #: What a sub-agent spent, which counts as this session's; None: the call ran no model.
    usage: Usage | None = None
    #: Dollars; with `usage`, None when a price is unknown.
    cost_usd: float | None = None
    #: The tool held up others on its worker. For the trace; viewers are not told.
    blocked: Blocked | None = Field(default=None, exclude_if=absent)
    #: The call that this one took back, for a rewind; the model is not shown its result.
    undoes: str | None = Field(default=None, exclude_if=absent)
    #: The block of a handler that made the call; no model is shown its result.
    block: Block | None = Field(default=None, exclude_if=absent)


class TimerSet(EventBase):
    """The agent wakes up by itself when the timer fires, or when it next comes to rest after that."""

    type: Literal["timer.set"] = "timer.set"
    timer_id: str
    due: datetime
    note: str


class TimerFired(EventBase):
    """A timer's time has come; its turn is next."""

    type: Literal["timer.fired"] = "timer.fired"
    timer_id: str


class AgentUpdated(EventBase):
    """The session runs another definition from now on."""

    type: Literal["agent.updated"] = "agent.updated"
    old: str
    new: str
    #: The agent that has taken the session over.
    agent: str | None = None


class ModelSwitched(EventBase):
    """Another model answers: from this step on, or the rest of this step, whose model could not."""

    type: Literal["model.switched"] = "model.switched"
    step_id: str
    from_: str = Field(alias="from")
    to: str
    #: What the session was told: `configured`, `message`, `definition`. Or why the model before gave no answer: `overloaded`,
    #: `rate_limited`, `unavailable`, `server_error`, `connection`, `timeout`, `truncated`, `aborted`, `unexpected`, `quota`,
    #: `key`, `not_found`, `refusal`, `content_filter`. Or `budget`: the model before did not fit below a limit.
    reason: str

    model_config = Frozen.model_config | {"populate_by_name": True, "serialize_by_alias": True}


Event = Annotated[
    SessionStarted
    | SessionClosed
    | MessageAdded
    | MessageQueued
    | MessageRejected
    | TurnStarted
    | TurnFinished
    | StepStarted
    | StepFinished
    | ToolStarted
    | ToolFinished
    | ApprovalRequested
    | ApprovalResolved
    | InputRequested
    | InputReceived
    | TimerSet
    | TimerFired
    | BudgetPaused
    | BudgetRaised
    | AgentUpdated
    | ModelSwitched
    | TranscriptRewound
    | ContextCompacted
    | TodoUpdated
    | FeedbackGiven,
    Field(discriminator="type"),
]

Events: TypeAdapter[Event] = TypeAdapter(Event)
