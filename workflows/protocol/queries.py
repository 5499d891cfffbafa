"""What can be asked of a session: one frozen model for each answer.

Every query that can grow is paged, and a page is at most `PAGE_BYTES` of JSON: below the 256 KiB at which the SDK's external
storage would write it to disk.
"""

import operator
from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from perdure.workflows.definition.agent import Limits
from perdure.workflows.protocol.feedback import TurnScore
from perdure.workflows.protocol.paths import Path, is_whole
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.signals import ForkedFrom, Parent
from perdure.workflows.vocabulary.busy import Ahead, Busy
from perdure.workflows.vocabulary.event_base import TurnEnd
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import (
    Frozen,
    Message,
    SessionStatus,
    ToolError,
    Usage,
    absent,
)
from perdure.workflows.vocabulary.questions import Question
from perdure.workflows.vocabulary.rewinds import FIRST_BRANCH
from perdure.workflows.vocabulary.todo import TodoItem

PAGE_BYTES = 192 * 1024


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
    #: Of the message with this id, if the session has it; the mark of one that it took in long ago (`content_marks`).
    content_sha256: str | None = None
    cursor: int | None = None
    #: Where it waits for its turn, from 1; None where it does not wait.
    position: int | None = None
    #: Open questions, as many as fit.
    waiting_for: tuple[Question, ...] = ()
    more_questions: bool = False
    #: Sessions of the sub-agents that run, which may have questions of their own, by call id.
    sub_sessions: dict[str, str] = Field(default={}, exclude_if=operator.not_)
    #: How many more messages may come; None: the session's worker does not tell yet.
    room: int | None = None
    #: It is an event that no handler has taken yet.
    kept: bool = Field(default=False, exclude_if=operator.not_)
    #: How many more events may come; None: none are kept.
    event_room: int | None = Field(default=None, exclude_if=absent)
    #: The model's role that was asked for; None: the definition's own.
    role: str | None = None
    user: str | None = Field(default=None, exclude_if=absent)
    #: What becomes of a message that comes while the session works, and does not say so itself.
    busy: Busy = Field(default="queue", exclude_if=lambda busy: busy == "queue")
    #: Why the message with this id goes before others that wait; None: it does not, or does not wait.
    ahead: Ahead | None = Field(default=None, exclude_if=absent)
    #: It is to join the turn that runs.
    steers: bool = Field(default=False, exclude_if=operator.not_)
    #: The command by which it was edited last, and whether it was withdrawn; for the last of such messages.
    edited_by: str | None = Field(default=None, exclude_if=absent)
    withdrawn: bool = Field(default=False, exclude_if=operator.not_)


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


class VariablesPage(Frozen):
    """Answer to `variables`: what each session variable holds, in the definition's order."""

    variables: dict[str, JsonValue]


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

    #: Of those that come before `events` and are sealed.
    sealed: tuple[SegmentRef, ...] = Field(default=(), exclude_if=operator.not_)
    events: tuple[Event, ...]
    #: The session's highest `seq`.
    seq: int
    #: The lowest `seq` that is still kept, sealed or not.
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


class EndedTurn(Frozen):
    """How a turn ended."""

    turn_id: str
    reason: TurnEnd
    error: ToolError | None = Field(default=None, exclude_if=absent)


class Answered(Frozen):
    """The last question that somebody answered, and the id of the answer."""

    question_id: str
    answer_id: str


class SnapshotPage(Frozen):
    """Answer to `snapshot(after, until)`: the session in whole, its messages a page at a time.

    Ask for the first page with `until` None, for the others with the first page's `count` and `path`, so that what is put
    together is the session as of the first page's `seq`.
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
    #: Those of them that were changed since the session began.
    limit_changes: dict[str, JsonValue] = Field(default={}, exclude_if=operator.not_)
    usage: Usage
    cost_usd: float | None
    seq: int
    created_at: datetime
    #: What a person or a model has called it.
    title: str = Field(default="", exclude_if=operator.not_)
    #: None unless the session is a fork.
    forked_from: ForkedFrom | None = None
    demo: bool
    #: The agent's to-do list.
    todo: tuple[TodoItem, ...] = Field(default=(), exclude_if=operator.not_)
    #: The latest feedback on each turn that has some, of the 200 turns that were rated last.
    feedback: tuple[TurnScore, ...] = Field(default=(), exclude_if=operator.not_)
    #: Messages that wait for a turn, long ones shortened; where they are very many, the first ones.
    queued: tuple[Message, ...]
    messages: tuple[Message, ...]
    #: The position of the first of `messages`, or of the first one after those that were asked for.
    start: int = Field(default=0, exclude_if=operator.not_)
    #: Where messages before `start` were asked for, or `since` is not held: of all that is sealed.
    sealed: tuple[SegmentRef, ...] = Field(default=(), exclude_if=operator.not_)
    #: The cursor from which on the events tell the turn of the first of `messages` in whole, where the session holds them.
    since: int | None = Field(default=None, exclude_if=absent)
    #: Messages of the branch in all.
    count: int
    #: The branch.
    path: Path = Field(default=Path(), exclude_if=is_whole)
    #: The branch that goes on.
    branch: str = FIRST_BRANCH
    #: How many branches there have been.
    branches: int = 1
    #: Those that are open, the oldest first, as many as fit.
    questions: tuple[Question, ...] = ()
    more_questions: bool = Field(default=False, exclude_if=operator.not_)
    #: The session whose call this one answers.
    parent: Parent | None = None
    #: Sessions of sub-agents that run, by call id.
    sub_sessions: dict[str, str] = {}
    #: The last turn of the branch that goes on; None: none has ended.
    ended: EndedTurn | None = Field(default=None, exclude_if=absent)
    #: Its answer as a checked value, where the definition says the form of answers (`answer:`) and the turn is done.
    result: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)
    #: None: the last answer was none that a run of a client gave, or nobody has answered lately.
    answered: Answered | None = Field(default=None, exclude_if=absent)


class PageRequest(Frozen):
    after: int = 0
    until: int | None = None
    #: Only so many messages, the last ones before `until`, whatever `after` is.
    last: int | None = Field(default=None, exclude_if=absent)
    #: The branch of the first page; None: the one that goes on.
    path: Path | None = Field(default=None, exclude_if=absent)
    #: Open questions that are known already, which are left out.
    questions: int = Field(default=0, exclude_if=operator.not_)


class PastRequest(Frozen):
    """A part of the past up to the end of a turn, or up to its beginning."""

    #: None: the last turn that has ended.
    turn_id: str | None
    keep_turn: bool
    #: Bytes of the same answer that came before, whose `sha256` was this.
    after: int = 0
    sha256: str | None = None


class PastPage(Frozen):
    """Answer to `past(request)`: a piece of a state as JSON, compressed by zlib. Where parts of the past are sealed
    (`sealed`), it is the state that the session has now, without what it is at.

    Where the session has moved on meanwhile the answer is another one (`sha256`), and this its first page.
    """

    refused: Literal["unknown_turn", "turn_running"] | None = None
    sealed: bool = Field(default=False, exclude_if=operator.not_)
    #: Of all that is compressed.
    sha256: str = ""
    #: Bytes that come before this piece.
    start: int = 0
    #: In Base64.
    data: str = ""
    more: bool = False
