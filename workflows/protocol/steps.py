"""What can be asked of a step: what its model was sent, and how it went."""

import operator
from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from perdure.workflows.definition.agent import TOOL_OUTPUT_TOKENS, LoadedAgent, ModelDefinition
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.blocks import StepBlock
from perdure.workflows.protocol.compacted import Retelling, Summary, Trim, introduced, shape_of, trimmed
from perdure.workflows.protocol.left_out import LeftOut, without
from perdure.workflows.protocol.paths import Path, Stretch, is_whole
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.vocabulary.ids import day_id
from perdure.workflows.vocabulary.parts import (
    Frozen,
    Message,
    Text,
    ToolSpec,
    absent,
)


class View(Frozen):
    """What a step's model call sees of the transcript, frozen at `step.started`."""

    #: Grows when what was said before changes its meaning: rewind, compaction, another definition.
    epoch: int
    #: Messages of the branch.
    count: int
    #: Chained hash of them.
    prefix: str
    #: The branch.
    path: Path = Field(default=Path(), exclude_if=is_whole)
    #: The position of the first message that the request has: those before it are given in a summary.
    start: int = Field(default=0, exclude_if=operator.not_)
    #: The compaction that made the summary.
    fold: str | None = Field(default=None, exclude_if=absent)
    #: Long results that give way to a note.
    trim: Trim | None = Field(default=None, exclude_if=absent)

    @property
    def shape(self) -> str:
        """Changes with what the request shows of a conversation that only grows."""
        return shape_of(self.fold, self.trim)


#: Why a request says something of its own at its end: the last answer was empty, also for all the thinking, paused, cut
#: because it filled the window, because it repeated itself without end, because the turn's working time was used up, or did
#: not have the form that is asked for.
Nudge = Literal["empty", "thought", "pause", "window", "repetition", "time", "misfit"]


class Prompt(Frozen):
    """Everything a model is told beside the conversation."""

    model: ModelDefinition
    system: str
    #: The line on the date with which `system` ends; empty: there is none.
    date: str = Field(default="", exclude_if=operator.not_)
    #: Lines on later days, by the id of the message that each comes before.
    dates: dict[str, str] = Field(default={}, exclude_if=operator.not_)
    #: Examples, as messages that come before the conversation.
    examples: tuple[Message, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    tool_output_tokens: int = TOOL_OUTPUT_TOKENS
    #: What comes after the conversation in this request alone; nobody else sees it.
    closing: tuple[Message, ...] = Field(default=(), exclude_if=operator.not_)
    #: What of the conversation is left out, because a provider declined it.
    left_out: tuple[LeftOut, ...] = Field(default=(), exclude_if=operator.not_)
    #: The position of the first message of the conversation that is given.
    start: int = Field(default=0, exclude_if=operator.not_)
    #: What stands in for the messages before that.
    summary: Summary | None = Field(default=None, exclude_if=absent)
    trim: Trim | None = Field(default=None, exclude_if=absent)
    #: The conversation is told as one text, to a model that summarises it.
    retelling: Retelling | None = Field(default=None, exclude_if=absent)
    #: JSON Schema, with `type: object`, of the answer that ends without tool calls. None: it is text.
    output: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)

    @property
    def instructions(self) -> str:
        """The system text without the line on the date, so the same on every day."""
        return self.system.removesuffix(self.date).rstrip() if self.date else self.system

    def around(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The conversation `messages` as the model is shown it: after the examples, before what closes the request."""
        return self.examples + self.seen(messages) + self.closing

    def seen(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """`messages`, which begin at `start`, as the model is shown them: behind the summary of those before, with notes in
        place of long results, without what is left out, and with the lines on the days."""
        shown = without(self._dated(trimmed(messages, self.start, self.trim)), self.left_out)
        if self.retelling is not None:
            return self.retelling.of(self.summary, shown)
        return introduced(self.summary, shown)

    def _dated(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        if not self.dates:
            return messages
        return tuple(shown for message in messages for shown in (*self._day_before(message), message))

    def _day_before(self, message: Message) -> tuple[Message, ...]:
        line = self.dates.get(message.id)
        if line is None:
            return ()
        # Of no turn, so that it is told also where the message is left out.
        return (Message(id=day_id(message.id), role="user", parts=(Text(text=line),), at=message.at),)


class ModelInputRequest(Frozen):
    """`after` messages of the same `epoch` with this `prefix` are known to the one who asks, and so is this prompt."""

    step_id: str
    epoch: int | None = None
    after: int = 0
    prefix: str = ""
    prompt_sha256: str | None = None
    #: A further page of the same answer: `after` counts what came before, and `prefix` is the step's own.
    paging: bool = False
    #: The step, and the definition that it ran with, where the session may keep them no longer.
    record: "StepRecord | None" = Field(default=None, exclude_if=absent)
    agent: LoadedAgent | None = Field(default=None, exclude_if=absent)
    #: The same of the summary that its request began with.
    summary: Summary | None = Field(default=None, exclude_if=absent)


class ModelInputPage(Frozen):
    #: False when the step is unknown or finished; the rest is then what it was.
    open: bool
    known: bool
    view: View | None = None
    #: None when the one who asks knows it already.
    prompt: Prompt | None = None
    prompt_sha256: str = ""
    #: What follows begins at this position; 0 when what was known does not match.
    start: int = 0
    #: Numbers of the messages that come first and are sealed, and the refs of the segments that hold them
    #: (`SegmentRef`; the blob store has them).
    sealed: tuple[Stretch, ...] = Field(default=(), exclude_if=operator.not_)
    segments: tuple[SegmentRef, ...] = Field(default=(), exclude_if=operator.not_)
    #: Those that come then.
    messages: tuple[Message, ...] = ()


class Tried(Frozen):
    """A model of a step's route that gave no answer, so that the next one was asked."""

    #: `provider/model`
    model: str
    #: As `model.switched` says it.
    reason: str
    #: In words, as its failure had them.
    message: str
    #: Attempts that it had at most.
    attempts: int
    #: What they cost.
    spent: Spent


class Left(Frozen):
    """What is left below the limits. What is None has no cap."""

    #: Dollars.
    usd: float | None = None
    #: Input and output together.
    tokens: int | None = None


class Compaction(Frozen):
    """What a model call that summarises is to do."""

    #: Characters of the conversation that its model is given at most.
    room: int
    #: Words of the summary at most.
    words: int


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
    #: What was wrong with the answer before, where the nudge is about that.
    misfit: str | None = Field(default=None, exclude_if=absent)
    #: When its turn started, and the session's time zone then; None: an older version opened it, and told no date.
    turn_at: datetime | None = Field(default=None, exclude_if=absent)
    timezone: str | None = Field(default=None, exclude_if=absent)
    #: The place of `model` in the route of `role`, from 0.
    hop: int = Field(default=0, exclude_if=operator.not_)
    #: Models of the route behind it.
    ahead: int = Field(default=0, exclude_if=operator.not_)
    #: Tokens of output at most, where a limit left less than the model's own bound.
    bound: int | None = Field(default=None, exclude_if=absent)
    #: What all its attempts may take together; None: as much as they like.
    left: Left | None = Field(default=None, exclude_if=absent)
    #: The models before it that this step was given up by.
    tried: tuple[Tried, ...] = Field(default=(), exclude_if=operator.not_)
    #: Tokens of the request, as they were estimated from its bytes.
    estimate: int = Field(default=0, exclude_if=operator.not_)
    #: It summarises the conversation that its view shows, beside the turns. None: it answers in a turn.
    compaction: Compaction | None = Field(default=None, exclude_if=absent)
    #: What session variables held that its instructions read; None: they read none.
    variables: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)
    #: The block of a handler that it carries out.
    block: StepBlock | None = Field(default=None, exclude_if=absent)

    @property
    def purpose(self) -> Literal["answer", "compact", "generate"]:
        if self.compaction is not None:
            return "compact"
        return "generate" if self.asks else "answer"

    @property
    def asks(self) -> bool:
        """Its answer goes to a variable of a handler."""
        return self.block is not None and self.block.asks

    @property
    def hides(self) -> bool:
        """Its answer is no message of the conversation."""
        return self.block is not None and self.block.hides

    @property
    def attempts_before(self) -> int:
        """Attempts that other models had, so that the numbers of this one's are higher."""
        return sum(one.attempts for one in self.tried)


#: Answer to `step_state(step_id)`, which a model call asks when it is told to look whether it was stopped.
StepState = Literal["running", "stopping", "finished"]
