"""How much of a conversation its next request shows: summaries of the older part, and the sizes by which they are made.

Positions are those of the branch that goes on. All of it is bounded, however long the session is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from perdure.workflows.core.media_tokens import Medium
from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.protocol.compacted import Summary, Trim, shape_of
from perdure.workflows.protocol.paths import Path
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.parts import Message, ToolError

#: Summaries that are kept, so that a rewind can go back to an earlier one.
KEPT_FOLDS: Final = 4
KEPT_MARKS: Final = 192
KEPT_RESULTS: Final = 256
#: Messages of the user's that a turn keeps word for word.
KEPT_ASKED: Final = 8
KEPT_WINDOWS: Final = 16
#: Bytes of the tasks of other branches, which may be sealed there; the last one that was left is kept whatever its size.
KEPT_TASKS: Final = 32 * 1024


@dataclass(frozen=True, kw_only=True)
class Mark(Record):
    """A place where a conversation can be cut: no call has its result behind it."""

    position: int
    #: Of the messages before it: tokens as they are shown, without files, and bytes in full.
    tokens: int
    size: int
    #: The event that said the message at this position.
    seq: int
    #: The last day that was told before it.
    day: str = ""


@dataclass(frozen=True, kw_only=True)
class LongResult(Record):
    """A tool's result that can give way to a note."""

    position: int
    name: str
    tokens: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Placed(Record):
    """A file that the message at a position shows."""

    position: int
    medium: Medium
    #: A tool gave it.
    result: bool = False


@dataclass(frozen=True, kw_only=True)
class Said(Record):
    position: int
    message: Message


@dataclass(frozen=True, kw_only=True)
class Task(Record):
    """The user's first message on branches that were left."""

    #: Among all messages that were ever said.
    number: int
    message: Message


@dataclass(frozen=True, kw_only=True)
class Fold(Record):
    """A summary that stands in for the messages before a mark."""

    until: Mark
    summary: Summary
    #: What the summary takes itself.
    tokens: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Measured(Record):
    """The last request whose tokens its server counted."""

    #: Of the model, and of what the request showed beside the conversation.
    model: str
    digest: str
    #: `Context.shape` of the request.
    shape: str
    #: Tokens of the request, of its answer, and what bytes said of the request.
    input: int
    output: int
    estimate: int
    #: `Context.tokens` after the answer.
    at: int
    #: Messages of the branch after the answer.
    count: int


@dataclass(frozen=True, kw_only=True)
class OpenCompaction(Record):
    """A summary that is being written, beside the turns."""

    record: StepRecord
    #: Which of the models that could write it is asked, from 0.
    candidate: int
    #: Where the summary will end.
    until: Mark
    #: The model of `record` gave no summary, and the next one has not been asked.
    between: bool = False
    #: It was told to end, or its messages are no longer on the branch.
    ending: bool = False
    stale: bool = False


@dataclass(frozen=True, kw_only=True)
class Overflow(Record):
    """The last request of the turn was too long for its model."""

    error: ToolError
    #: How often in a row.
    times: int
    #: `Transcript.epoch` of the request: another one shows less.
    epoch: int
    #: Tokens that the request had, as far as is known.
    tokens: int
    #: For each token that its bytes said.
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Context(Record):
    #: The branch that the rest is of, and how many of its messages.
    path: Path = field(default_factory=Path)
    count: int = 0
    #: Of these messages: tokens as they are shown, without files, and bytes in full.
    tokens: int = 0
    size: int = 0
    #: The last day that was told in them, beside the first.
    day: str = ""
    #: Calls that have no result yet.
    waiting: tuple[str, ...] = ()
    #: At least so many tokens lie between two marks.
    grain: int = 0
    marks: tuple[Mark, ...] = ()
    results: tuple[LongResult, ...] = ()
    media: tuple[Placed, ...] = ()
    #: The first message of the user's, and those of the turn that runs.
    task: Said | None = None
    #: The first messages of other branches; the last one that was left comes last.
    tasks: tuple[Task, ...] = ()
    #: The position of the last answer; 0: there is none.
    answer: int = 0
    asked: tuple[Said, ...] = ()
    #: The oldest first; the last one counts.
    folds: tuple[Fold, ...] = ()
    trim: Trim | None = None
    measured: Measured | None = None
    #: What errors said of the windows of models, by `provider/model`.
    windows: dict[str, int] = field(default_factory=dict)
    #: Compactions that were begun.
    number: int = 0
    open: OpenCompaction | None = None
    #: A compaction beside the turns came to nothing when a request had this size; it is tried again well above that.
    gave_up_at: int = 0

    def with_messages(self, how: Callable[[Message], Message]) -> "Context":
        """With each message that it holds as `how` has it."""
        return replace(
            self,
            task=None if self.task is None else replace(self.task, message=how(self.task.message)),
            tasks=tuple(replace(one, message=how(one.message)) for one in self.tasks),
            asked=tuple(replace(one, message=how(one.message)) for one in self.asked),
            folds=tuple(
                replace(one, summary=one.summary.with_pinned(tuple(map(how, one.summary.pinned)))) for one in self.folds
            ),
        )

    @property
    def fold(self) -> Fold | None:
        return self.folds[-1] if self.folds else None

    @property
    def start(self) -> int:
        """The position of the first message that requests show."""
        return self.folds[-1].until.position if self.folds else 0

    @property
    def shape(self) -> str:
        """Changes with what requests show of the messages so far."""
        return shape_of(self.folds[-1].summary.fold if self.folds else None, self.trim)
