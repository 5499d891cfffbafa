"""What the routes answer. Most routes encode their answer by hand: there the record is for the schema alone.

A field with `exclude_if` is left out where there is nothing to say; all others are always there.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from perdure.temporal.live.protocols import LiveState
from perdure.temporal.stores.health import StoreState
from perdure.workflows.definition.agent import Limits
from perdure.workflows.definition.schedules import Schedule
from perdure.workflows.protocol.queries import SnapshotPage
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import TurnEnd
from perdure.workflows.vocabulary.parts import Frozen, Message, SessionStatus, ToolError, Usage, absent
from perdure.workflows.vocabulary.questions import Question


class SessionCreated(Frozen):
    session_id: str
    #: The id of its workflow in Temporal.
    workflow_id: str
    #: A cursor from before the session's first new event.
    seq: int


class SessionNamed(Frozen):
    session_id: str


class TokenMade(Frozen):
    session_id: str
    #: For the header `Authorization: Bearer …`, or the cookie `perdure_token`. It is shown once.
    token: str
    #: By which it is revoked.
    jti: str
    #: What it allows.
    scopes: tuple[str, ...]
    expires_at: datetime


class TokenNamed(Frozen):
    session_id: str
    #: The token's id.
    jti: str


class LimitsChanged(Frozen):
    session_id: str
    #: Those that hold now.
    limits: Limits


class FileUploaded(Frozen):
    #: For `file` parts of messages.
    uri: str
    #: The same, as OpenAI's clients read it: their `file_id`.
    id: str
    #: As its content says.
    media_type: str
    name: str
    #: Its size.
    bytes: int


class QuestionAnswered(Frozen):
    session_id: str
    question_id: str
    #: A cursor from before the answer's first event.
    seq: int


class FeedbackTaken(Frozen):
    session_id: str
    turn_id: str
    #: A cursor from before `feedback.given`; where nothing new was given, from behind it.
    seq: int


class SubQuestion(Question):
    """A question of a sub-agent."""

    #: The session at which it is answered.
    session_id: str
    #: The agents from the session's own sub-agent down to the one that asks.
    agents: tuple[str, ...]


class MessageAccepted(Frozen):
    session_id: str
    message_id: str
    #: A cursor from before the message's first event.
    seq: int
    #: The session's status with the message in it; or `steering`, if the message is to join the running turn, or
    #: `interrupting`, if that turn is being stopped for it.
    status: SessionStatus | Literal["steering", "interrupting"]
    #: Where the message waits, from 1; absent where it does not wait.
    position: int | None = Field(default=None, exclude_if=absent)
    #: Open questions, those of sub-agents with the `session_id` at which they are answered; absent where there are none.
    waiting_for: tuple[Question | SubQuestion, ...] | None = Field(default=None, exclude_if=absent)


class MessageNamed(Frozen):
    session_id: str
    message_id: str


class MessageEdited(MessageNamed):
    #: Where the message waits, from 1; absent where its turn has just begun, with the new content.
    position: int | None = Field(default=None, exclude_if=absent)


class MessageWaits(Frozen):
    """Answer to `?wait=` where the session waits for a person."""

    session_id: str
    message_id: str
    seq: int
    status: Literal["waiting"]
    #: Where the message stood in the queue as it was taken, from 1; absent where its turn had begun.
    position: int | None = Field(default=None, exclude_if=absent)
    questions: tuple[Question, ...]
    #: Of sub-agents, each with the `session_id` at which it is answered; absent where there are none.
    sub_questions: tuple[SubQuestion, ...] | None = Field(default=None, exclude_if=absent)


class TurnOutcome(Frozen):
    """How a turn ended."""

    turn_id: str
    reason: TurnEnd
    error: ToolError | None = Field(default=None, exclude_if=absent)
    usage: Usage
    #: Dollars; null when a price is unknown.
    cost_usd: float | None
    #: The answer as a checked value, where the definition says its form (`answer:`) and the turn is done.
    result: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)


class FinishedTurn(Frozen):
    """Answer to `?wait=` where the turn has ended."""

    session_id: str
    message_id: str
    seq: int
    turn: TurnOutcome
    #: The turn's transcript.
    messages: tuple[Message, ...]


class FieldProblem(Frozen):
    #: Its place in the request, as in `message.parts[0].text`.
    field: str
    #: What is wrong with it.
    message: str


class ProblemBody(Frozen):
    """A refusal or a failure, as RFC 9457 has it."""

    #: The address of the code's description.
    type: str
    title: str
    #: HTTP's.
    status: int
    code: str
    detail: str
    errors: tuple[FieldProblem, ...] | None = Field(default=None, exclude_if=absent)


class Snapshot(SnapshotPage):
    """A session in whole, or with its last messages."""

    #: Messages that come before these; only where a number of messages was asked for.
    before: int | None = Field(default=None, exclude_if=absent)
    #: A cursor from before the turn of the first of these messages: the events greater than it tell them all. Absent where
    #: the branch was another one meanwhile, or where the events are no longer kept.
    since: int | None = Field(default=None, exclude_if=absent)

    #: Open questions of sub-agents.
    sub_questions: tuple[SubQuestion, ...] | None = Field(default=None, exclude_if=absent)


class MessagePage(Frozen):
    """Messages of a session, in order."""

    session_id: str
    messages: tuple[Message, ...]
    #: Messages that come before these: `before` of the page that precedes this one; 0 where there are none.
    before: int
    #: A cursor from before the turn of the first of these messages: the events greater than it tell them and all that
    #: followed. Absent where the branch was another one meanwhile, or where the events are no longer kept.
    since: int | None = Field(default=None, exclude_if=absent)


class SessionEntry(Frozen):
    """A session as the list shows it."""

    session_id: str
    #: The id of its workflow in Temporal.
    workflow_id: str
    agent: str
    status: SessionStatus
    user: str | None
    created_at: datetime
    #: Dollars.
    cost_usd: float
    #: When its status last changed, between work, waiting and rest; when it was created where it has had no turn.
    active_at: datetime
    #: How its last turn ended; null where none has, or where its worker does not tell.
    last_turn: TurnEnd | None
    #: What a person or a model has called it, or else the beginning of its first message.
    title: str
    #: The demo model answers.
    demo: bool
    #: The session whose call this one answers.
    parent: str | None = Field(default=None, exclude_if=absent)
    #: The session whose past it began with.
    forked_from: str | None = Field(default=None, exclude_if=absent)


class SessionList(Frozen):
    sessions: tuple[SessionEntry, ...]
    #: For the next page; null on the last.
    next_cursor: str | None


class AgentToolEntry(Frozen):
    name: str
    description: str
    #: JSON Schema of what a client tool gives; absent where any JSON is taken, and of other tools.
    output: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)


class ScheduleEntry(Schedule):
    """A schedule of an agent."""

    #: When it is due next; only for a single agent.
    next: tuple[datetime, ...] | None = Field(default=None, exclude_if=absent)


class AgentEntry(Frozen):
    """An agent that serves."""

    name: str
    description: str
    #: The role, one of `models`, that answers.
    model: str
    #: `provider/model` by role.
    models: dict[str, str]
    #: First messages that a new chat offers.
    starters: tuple[str, ...]
    #: JSON Schema properties by name.
    inputs: dict[str, dict[str, JsonValue]]
    tools: tuple[AgentToolEntry, ...]
    limits: Limits
    #: What happens to a message that arrives while a turn runs, unless the message says otherwise.
    busy: Busy
    schedules: tuple[ScheduleEntry, ...]
    #: JSON Schema of its final answers; absent where they are text.
    answer: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)
    #: The demo model answers in place of a provider without a key.
    demo: bool
    #: sha256 of the definition.
    digest: str


class DefinitionProblemEntry(Frozen):
    """What is wrong in a file of an agent, which is refused until that is mended."""

    #: The file, relative to where the gateway was started if it lies below that.
    file: str
    #: From 1.
    line: int
    #: From 1.
    column: int
    #: As in `tools[1].timeout`; empty where the whole file is meant.
    field: str
    #: What is wrong, and what would be right.
    message: str
    #: The agent that answers as this file had it before; null where none does.
    serving: str | None


class AgentList(Frozen):
    agents: tuple[AgentEntry, ...]
    #: Why other agents are missing.
    problems: tuple[DefinitionProblemEntry, ...]
    #: Where Temporal's Web UI is.
    temporal_ui: str | None
    #: Whether answers are shown as they are written: `ok`; not while Redis is away (`lost`); not without one (`missing`).
    live: LiveState


class TimerEntry(Frozen):
    timer_id: str
    #: When it fires.
    at: datetime
    note: str


class TimerList(Frozen):
    timers: tuple[TimerEntry, ...]


class Health(Frozen):
    status: Literal["ok"]


class Ready(Frozen):
    status: Literal["ready"]
    #: Whether answers are shown as they are written: `ok`; not while Redis is away (`lost`); not without one (`missing`).
    live: LiveState
    #: Of a bucket: `lost` while it cannot be used. A folder that cannot be used is an error.
    blobs: StoreState
