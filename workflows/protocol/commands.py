"""What goes into a session (signals) and what can be asked of it (queries): one frozen model each.

Every signal carries an id made by its caller; a repeated id does nothing. Every query that can grow is paged, and a
page is at most `PAGE_BYTES` of JSON: below the 256 KiB at which the SDK's external storage would write it to disk.
"""

import operator
from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from perdure.workflows.definition.agent import TOOL_OUTPUT_TOKENS, Limits, ModelDefinition
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import (
    BlobRef,
    Frozen,
    Id,
    Message,
    Part,
    SessionStatus,
    ToolSpec,
    Usage,
    absent,
)
from perdure.workflows.vocabulary.questions import Answerer, Question

PAGE_BYTES = 192 * 1024

# ---- signals


class SendMessage(Frozen):
    message_id: Id
    parts: tuple[Part, ...]
    #: sha256 of what the caller sent, to tell a repeat from another message under the same id.
    content_sha256: str
    #: The `seq` that the caller was given as cursor; a repeat is given the same.
    cursor: int
    #: The definition that the gateway sees; another than the session's is loaded before the next turn.
    digest: str | None = None


class Stop(Frozen):
    id: Id
    #: Only if this turn runs; None: whichever runs.
    turn_id: str | None = None


class Configure(Frozen):
    """What is None stays as it is."""

    id: Id
    model: str | None = None
    metadata: dict[str, JsonValue] | None = None
    #: Pins the session to this definition.
    digest: str | None = None
    limits: Limits | None = None


class Close(Frozen):
    id: Id
    reason: str = "closed"


class Answer(Frozen):
    """Answers a question; only the first answer counts."""

    id: Id
    question_id: str
    #: An approval, or False: no result will come.
    approved: bool = True
    reason: str | None = None
    #: In place of the arguments that the model gave.
    args: dict[str, JsonValue] | None = None
    #: Holds a tool call's part with those arguments where they are too long to travel; `args` are empty then.
    args_blob: BlobRef | None = Field(default=None, exclude_if=absent)
    #: Allows all further calls of the tool in this session, or those with the same arguments, as the definition says.
    remember: bool = False
    #: What an `input` question asked for; a big one is folded, see `perdure.workflows.vocabulary.parts`.
    result: JsonValue = None
    blob: BlobRef | None = None
    by: Answerer | None = None


class CancelTimer(Frozen):
    id: Id
    timer_id: str


class Parent(Frozen):
    """The call that a sub-agent's session answers."""

    session_id: str
    call_id: str
    #: Sessions above this one.
    depth: int
    #: Dollars that it may spend; None: its own limits alone hold.
    cap_usd: float | None = None


class ForkedFrom(Frozen):
    """The session, and the turn of it, up to which a fork has its past from there."""

    session_id: str
    turn_id: str


class NewSession(Frozen):
    """What the gateway, or a session that calls a sub-agent, starts a session with."""

    tenant: Id
    session_id: Id
    agent: str
    digest: str
    inputs: dict[str, JsonValue] = {}
    user: str | None = None
    metadata: dict[str, JsonValue] = {}
    message: SendMessage | None = None
    #: Set for a sub-agent's session, which closes by itself once it has answered.
    parent: Parent | None = None
    #: History events after which the session continues as new at its next rest point.
    continue_as_new_after: int = 1500
    forked_from: ForkedFrom | None = None


# ---- queries


class Receipt(Frozen):
    """Answer to `receipt(message_id)`."""

    seq: int
    closed: bool
    status: SessionStatus
    agent: str
    digest: str
    pinned: bool
    turn_id: str | None
    #: Messages that wait for a turn.
    queued: int = 0
    #: The agent that the session was started with; another may have taken it over.
    started_as: str = ""
    #: Of the message with this id, if the session has it.
    content_sha256: str | None = None
    cursor: int | None = None
    #: Where it waits for its turn, from 1; None where it does not wait.
    position: int | None = None
    #: Open questions, as many as fit.
    waiting_for: tuple[Question, ...] = ()
    more_questions: bool = False
    #: How many more messages may come; None: the session's worker does not tell yet.
    room: int | None = None


class Timer(Frozen):
    timer_id: str
    due: datetime
    note: str
    #: Its time has come, and its turn is next.
    fires: bool = False

    def saying(self, note: str) -> "Timer":
        return self.model_copy(update={"note": note})

    def firing(self) -> "Timer":
        return self.model_copy(update={"fires": True})


class TimersPage(Frozen):
    """Answer to `timers`: those that have not fired."""

    timers: tuple[Timer, ...]
    seq: int
    #: Closed, or told to close.
    closed: bool = False


class QuestionState(Frozen):
    """Answer to `question(question_id)`."""

    #: While it is open.
    question: Question | None
    open: bool
    #: False: the session has not asked this, or asked it long ago.
    known: bool
    #: `id` of the answer that counted; None while it is open, and where it was settled without one.
    answer_id: str | None = None
    #: JSON Schemas of the arguments and the result that it is about.
    input: dict[str, JsonValue] | None = None
    output: dict[str, JsonValue] | None = None
    #: These schemas are an MCP server's.
    foreign: bool = Field(default=False, exclude_if=operator.not_)
    #: Whoever runs the call takes its arguments only as they travel, `INLINE_LIMIT` bytes at most.
    inline_only: bool = Field(default=False, exclude_if=operator.not_)
    seq: int


class EventsPage(Frozen):
    """Answer to `events(after)`: the events greater than `after`, oldest first."""

    events: tuple[Event, ...]
    #: The session's highest `seq`.
    seq: int
    #: The lowest `seq` that is still kept.
    oldest: int
    closed: bool
    #: A turn runs or waits to run, so more is to come.
    working: bool
    #: The step that started last, and whether it is still open.
    last_step: str | None
    step_open: bool
    #: Tool calls that run.
    running: tuple[str, ...] = ()
    #: Of those, the sessions of sub-agents, by call id.
    sub_sessions: dict[str, str] = {}
    #: There is more after the last one of this page.
    more: bool
    #: What `receipt` tells of a message that the session has not seen; None unless the session rests, so that it takes one.
    rests: Receipt | None = Field(default=None, exclude_if=absent)


class SnapshotPage(Frozen):
    """Answer to `snapshot(after, until)`: the session in whole, its messages a page at a time.

    Ask for the first page with `until` None, for the others with the first page's `count`, so that what is put together
    is the session as of the first page's `seq`.
    """

    session_id: str
    workflow_id: str
    agent: str
    digest: str
    pinned: bool
    model: str
    use: str | None
    status: SessionStatus
    turn_id: str | None
    user: str | None
    metadata: dict[str, JsonValue]
    inputs: dict[str, JsonValue]
    limits: Limits
    usage: Usage
    cost_usd: float | None
    seq: int
    created_at: datetime
    #: None unless the session is a fork.
    forked_from: ForkedFrom | None = None
    demo: bool
    #: Messages that wait for a turn, long ones shortened; where they are very many, the first ones.
    queued: tuple[Message, ...]
    messages: tuple[Message, ...]
    #: Messages of the transcript in all.
    count: int
    #: Those that are open, the oldest first, as many as fit.
    questions: tuple[Question, ...] = ()
    more_questions: bool = Field(default=False, exclude_if=operator.not_)
    #: The session whose call this one answers.
    parent: Parent | None = None
    #: Sessions of sub-agents that run, by call id.
    sub_sessions: dict[str, str] = {}


class PageRequest(Frozen):
    after: int = 0
    until: int | None = None
    #: Open questions that are known already, which are left out.
    questions: int = Field(default=0, exclude_if=operator.not_)


class View(Frozen):
    """What a step's model call sees of the transcript, frozen at `step.started`."""

    #: Grows when what was said before changes its meaning: rewind, compaction, another definition.
    epoch: int
    #: Messages of the transcript.
    count: int
    #: Chained hash of them.
    prefix: str


#: Why a request says something of its own at its end: the last answer was empty, also for all the thinking, or paused.
Nudge = Literal["empty", "thought", "pause"]


class Prompt(Frozen):
    """Everything a model is told beside the conversation."""

    model: ModelDefinition
    system: str
    #: Examples, as messages that come before the conversation.
    examples: tuple[Message, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    tool_output_tokens: int = TOOL_OUTPUT_TOKENS
    #: What comes after the conversation in this request alone; nobody else sees it.
    closing: tuple[Message, ...] = Field(default=(), exclude_if=operator.not_)

    def around(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The conversation `messages` as the model is shown it: after the examples, before what closes the request."""
        return self.examples + messages + self.closing


class ModelInputRequest(Frozen):
    """`after` messages of the same `epoch` with this `prefix` are known to the one who asks, and so is this prompt."""

    step_id: str
    epoch: int | None = None
    after: int = 0
    prefix: str = ""
    prompt_sha256: str | None = None
    #: A further page of the same answer: `after` counts what came before, and `prefix` is the step's own.
    paging: bool = False


class ModelInputPage(Frozen):
    #: False when the step is unknown or finished; the rest is then what it was.
    open: bool
    known: bool
    view: View | None = None
    #: None when the one who asks knows it already.
    prompt: Prompt | None = None
    prompt_sha256: str = ""
    #: `messages` start here; 0 when what was known does not match.
    start: int = 0
    messages: tuple[Message, ...] = ()


class StepRecord(Frozen):
    """What the trace keeps of a step beside its events."""

    step_id: str
    turn_id: str
    digest: str
    #: The role, a key of the definition's `models`.
    role: str
    #: `provider/model`
    model: str
    view: View
    #: Dollars reserved for one attempt; None when the price is unknown.
    reserved_usd: float | None
    #: What an attempt costs at worst that was sent, and of whose answer nothing is known.
    sent: Spent | None = Field(default=None, exclude_if=absent)
    #: What the request says at its end.
    nudge: Nudge | None = Field(default=None, exclude_if=absent)

    def seeing(self, prefix: str) -> "StepRecord":
        """The same step, whose view has this prefix."""
        view = View(epoch=self.view.epoch, count=self.view.count, prefix=prefix)
        return self.model_copy(update={"view": view})


class TraceStep(Frozen):
    record: StepRecord
    #: `step.started`, `step.finished` and the tools' events of this step, as far as they have happened; also what was
    #: asked about its calls, without the arguments, which its message has.
    events: tuple[Event, ...]


class TracePage(Frozen):
    """Answer to `trace(after)`: steps in order; `after` counts steps that are kept."""

    steps: tuple[TraceStep, ...]
    more: bool


class PastRequest(Frozen):
    """A part of the past up to the end of a turn, or up to its beginning."""

    #: None: the last turn that has ended.
    turn_id: str | None
    keep_turn: bool
    #: Bytes of the same answer that came before, whose `sha256` was this.
    after: int = 0
    sha256: str | None = None


class PastPage(Frozen):
    """Answer to `past(request)`: a piece of a state as JSON, compressed by zlib.

    Where the session has moved on meanwhile the answer is another one (`sha256`), and this its first page.
    """

    refused: Literal["unknown_turn", "turn_running"] | None = None
    #: Of all that is compressed.
    sha256: str = ""
    #: Bytes that come before this piece.
    start: int = 0
    #: In Base64.
    data: str = ""
    more: bool = False


#: Answer to `step_state(step_id)`, which a model call asks when it is told to look whether it was stopped.
StepState = Literal["running", "stopping", "finished"]
