"""What the routes answer. Most routes encode their answer by hand: there the record is for the schema alone.

A field with `exclude_if` is left out where there is nothing to say; all others are always there.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from perdure.workflows.definition.agent import Limits
from perdure.workflows.definition.schedules import Schedule
from perdure.workflows.protocol.queries import SnapshotPage
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import TurnEnd
from perdure.workflows.vocabulary.parts import Frozen, Message, SessionStatus, ToolError, Usage, absent
from perdure.workflows.vocabulary.questions import By, Question
from perdure.workflows.vocabulary.rewinds import RewindCause


class SessionCreated(Frozen):
    session_id: str
    #: The id of its workflow in Temporal.
    workflow_id: str
    #: A cursor from before the session's first new event.
    seq: int


class SessionNamed(Frozen):
    session_id: str


class FileUploaded(Frozen):
    #: For `file` parts of messages.
    uri: str
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


class RewindTaken(Frozen):
    session_id: str
    rewind_id: str
    #: A cursor from before the rewind's first event.
    seq: int
    #: The branch that goes on once it has happened.
    branch: str
    #: The message that begins the turn that follows; absent where none does.
    message_id: str | None = Field(default=None, exclude_if=absent)


class TurnRetried(Frozen):
    session_id: str
    retry_id: str
    #: A cursor from before the first event of the try.
    seq: int
    #: The branch that goes on.
    branch: str
    #: The new turn.
    turn_id: str


class BranchEntry(Frozen):
    #: Its id, such as `b2`. Every session begins on `b1`.
    branch: str
    #: The branch that it parted from; null for the first.
    parent: str | None
    #: Why it was begun: a message was said or answered anew (`rewind`), or a failed turn was run on (`retry`). Null for the
    #: first.
    cause: RewindCause | None
    #: The parent's message in whose place its own ones stand; null for the first.
    message_id: str | None
    #: Messages that it shares with its parent.
    position: int
    #: How many messages it has.
    messages: int
    #: When it was begun.
    created_at: datetime
    #: One line of its last message.
    words: str


class BranchPlace(Frozen):
    """Where others part from the branch that goes on."""

    #: Messages before it.
    position: int
    #: The message there, on the branch that goes on; null where there is none, or it is long ago.
    message_id: str | None
    #: For each of what was said there, in order, the branch that went on with it last: `2/3` shows the second of three.
    siblings: tuple[str, ...]
    #: Which of them is the branch that goes on, from 0.
    current: int


class BranchList(Frozen):
    session_id: str
    #: The branch that goes on.
    current: str
    #: In the order of their making.
    branches: tuple[BranchEntry, ...]
    #: Where others part from the branch that goes on. A message that was said once more is the same message: there, the
    #: branches part at its answer.
    places: tuple[BranchPlace, ...]


class BranchMessages(Frozen):
    """Answer to `GET …/branches/{branch}`."""

    session_id: str
    branch: str
    messages: tuple[Message, ...]
    #: Messages of the branch that come before these.
    before: int


class SubQuestion(Question):
    """A question of a sub-agent."""

    #: The session at which it is answered.
    session_id: str


class MessageAccepted(Frozen):
    session_id: str
    message_id: str
    #: A cursor from before the message's first event.
    seq: int
    #: The session's with the message in it; or `steering`, where the message is to join the turn that runs, and
    #: `interrupting`, where that turn is being stopped for it.
    status: SessionStatus | Literal["steering", "interrupting"]
    #: Where the message waits, from 1; absent where it does not wait.
    position: int | None = Field(default=None, exclude_if=absent)
    #: Open questions; absent where there are none.
    waiting_for: tuple[Question, ...] | None = Field(default=None, exclude_if=absent)


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
    #: The beginning of its first message.
    title: str
    #: The demo model answers.
    demo: bool
    #: The session whose call this one answers.
    parent: str | None = Field(default=None, exclude_if=absent)


class SessionList(Frozen):
    sessions: tuple[SessionEntry, ...]
    #: For the next page; null on the last.
    next_cursor: str | None


class AgentToolEntry(Frozen):
    name: str
    description: str


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
    #: JSON Schema properties by name.
    inputs: dict[str, dict[str, JsonValue]]
    tools: tuple[AgentToolEntry, ...]
    limits: Limits
    #: What becomes of a message that comes while a turn runs, unless the message says otherwise.
    busy: Busy
    schedules: tuple[ScheduleEntry, ...]
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


class TimerEntry(Frozen):
    timer_id: str
    #: When it fires.
    at: datetime
    note: str


class TimerList(Frozen):
    timers: tuple[TimerEntry, ...]


class Amounts(Frozen):
    #: Dollars of model calls.
    cost_usd: float
    #: Of model calls, input and output together.
    tokens: int
    #: Tool calls that ran.
    tool_calls: int


class PeriodCaps(Frozen):
    #: Dollars at most; null: as many as it likes.
    cost_usd: float | None
    #: Tokens at most, input and output together; null: as many as it likes.
    tokens: int | None
    #: Tool calls at most; null: as many as it likes.
    tool_calls: int | None


class AmountsByPeriod(Frozen):
    #: In the day of UTC.
    day: Amounts
    #: In the month of UTC.
    month: Amounts
    #: In all.
    total: Amounts


class CapsByPeriod(Frozen):
    #: In one day of UTC; null: there is no cap.
    day: PeriodCaps | None
    #: In one month of UTC; null: there is no cap.
    month: PeriodCaps | None
    #: In all; null: there is no cap.
    total: PeriodCaps | None


class Periods(Frozen):
    """The periods of UTC that are counted now."""

    #: As `2026-11-28`.
    day: str
    #: As `2026-11`.
    month: str


class AllowedTurn(Frozen):
    #: The question that was answered.
    question_id: str
    #: The session that asked.
    session_id: str
    #: When the purse granted it.
    at: datetime
    #: Who allowed it.
    by: By | None
    #: What was granted beyond the caps.
    amounts: Amounts


class Budget(Frozen):
    """What a user or a tenant may spend, and has spent."""

    #: Whose it is.
    scope: Literal["user", "tenant"]
    #: Of the user, or of the tenant.
    id: str
    #: Those that were set here; what definitions cap beside holds, too, and is not told.
    caps: CapsByPeriod
    #: What was spent.
    spent: AmountsByPeriod
    #: What sessions may spend without asking again, and have not spent. It counts in each period.
    leased: AmountsByPeriod
    #: Which day and month it is.
    periods: Periods
    #: Sessions that hold leases.
    sessions: int
    #: Sessions that wait because they were refused.
    waiting: int
    #: Turns that somebody let go on over the caps, the last ones.
    allowed: tuple[AllowedTurn, ...]


class BudgetList(Frozen):
    #: The newest first.
    budgets: tuple[Budget, ...]


class Health(Frozen):
    status: Literal["ok", "ready"]
