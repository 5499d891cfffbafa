"""Where a handler stands that a turn carries out: data, so that it goes on at the very block after a restart."""

import operator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue

from perdure.workflows.core.state.allotment import Allotment
from perdure.workflows.core.state.compensating import Compensating, Kept
from perdure.workflows.core.state.events import KeptEvent
from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.core.state.together import CallingMany
from perdure.workflows.definition.providers.dialect import Thinking
from perdure.workflows.protocol.blocks import Misfit
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.parts import ToolError


@dataclass(frozen=True, kw_only=True)
class Loop(Record):
    """A loop that is being gone round."""

    items: tuple[JsonValue, ...]
    #: The variable that holds the item.
    name: str
    #: How many of them have been taken.
    taken: int = 0
    kind: Literal["loop"] = "loop"


@dataclass(frozen=True, kw_only=True)
class Trying(Record):
    """Blocks that are carried out under a `try`."""

    #: Types of errors, None being any, and the instructions that they go on at.
    catches: tuple[tuple[str | None, int], ...]
    kind: Literal["trying"] = "trying"


#: In place of a handler's name, which has no brackets: the run that only names the session.
NAMING: Final = "(title)"

Frame = Annotated[Loop | Trying, Field(discriminator="kind")]


@dataclass(frozen=True, kw_only=True)
class Responding(Record):
    """The agent answers in the conversation."""

    block: Block
    role: str | None = None
    thinking: Thinking | None = None
    instructions: str = ""
    allotment: Allotment | None = None
    kind: Literal["responding"] = "responding"


@dataclass(frozen=True, kw_only=True)
class Asking(Record):
    """A model is asked for what goes to a variable."""

    block: Block
    role: str | None = None
    thinking: Thinking | None = None
    prompt: str
    #: JSON Schema of the answer.
    output: dict[str, JsonValue] | None = None
    #: The answer has to be one of them. Without both, it is a text.
    options: tuple[str, ...] = ()
    into: str
    #: Its answers that did not fit.
    misfits: tuple[Misfit, ...] = ()
    allotment: Allotment | None = None
    kind: Literal["asking"] = "asking"


@dataclass(frozen=True, kw_only=True)
class Calling(Record):
    """A tool is called."""

    block: Block
    tool: str
    args: dict[str, JsonValue]
    into: str | None = None
    #: Once the call has begun.
    call_id: str | None = None
    kind: Literal["calling"] = "calling"


@dataclass(frozen=True, kw_only=True)
class Saying(Record):
    """A text has to be said."""

    text: str
    kind: Literal["saying"] = "saying"


@dataclass(frozen=True, kw_only=True)
class Waiting(Record):
    """The handler waits for a time, or for an event."""

    at: str
    length: str | None = None
    until: str | None = None
    #: The timer, once it is set.
    timer_id: str | None = None
    #: The event, which events of this name are meant, and the variable that the event goes to.
    event: str | None = None
    when: str | None = None
    into: str | None = None
    #: The events that were kept when it began to wait have been offered to it.
    looked: bool = False
    kind: Literal["waiting"] = "waiting"


@dataclass(frozen=True, kw_only=True)
class Finishing(Record):
    """The handler ends with a result, once that is found to fit."""

    at: str
    result: dict[str, JsonValue]
    #: It is being checked.
    asked: bool = False
    kind: Literal["finishing"] = "finishing"


@dataclass(frozen=True, kw_only=True)
class Reply(Record):
    """What came of a question or of a wait for an event: the answer, or why there is none."""

    value: JsonValue = None
    error: ToolError | None = None
    #: The span of whoever answered.
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class AskingPerson(Record):
    """The handler waits for a person."""

    at: str
    prompt: str
    #: JSON Schema of the answer.
    form: dict[str, JsonValue]
    by: tuple[str, ...] = ()
    not_by: Literal["requester"] | None = None
    expires: timedelta | None = None
    into: str
    #: Once the question is put.
    question_id: str | None = None
    #: Once it is settled.
    reply: Reply | None = None
    kind: Literal["asking_person"] = "asking_person"


#: What a block does that is carried out, with all its templates filled in.
Doing = Annotated[
    Responding | Asking | Calling | CallingMany | Compensating | Saying | Waiting | AskingPerson | Finishing,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, kw_only=True)
class HandlerRun(Record):
    handler: str
    #: Of the definition that it began with.
    digest: str
    #: The number of the first message of its turn: where a rewind cuts that off, it ends.
    began: int = 0
    variables: dict[str, JsonValue] = field(default_factory=dict)
    #: The instruction of its program that is next, or being carried out.
    at: int = 0
    #: The loops and tries that it is in, the innermost last.
    frames: tuple[Frame, ...] = ()
    #: None: nothing has been begun.
    doing: Doing | None = None
    #: Instructions that it has carried out.
    count: int = 0
    #: Calls and texts of its own.
    calls: int = 0
    said: int = 0
    #: What takes back calls that have succeeded, the latest last.
    kept: Annotated[tuple[Kept, ...], Field(exclude_if=operator.not_)] = ()
    #: It has come to its end.
    over: bool = False


@dataclass(frozen=True, kw_only=True)
class Handlers(Record):
    #: Runs whose turns have ended, and that go on later.
    parked: tuple[HandlerRun, ...] = ()
    #: What came and no run has taken yet, the oldest first.
    events: tuple[KeptEvent, ...] = ()

    def waiting_for(self, timer_id: str) -> HandlerRun | None:
        """The run that this timer goes on with."""
        found = (run for run in self.parked if isinstance(run.doing, Waiting) and run.doing.timer_id == timer_id)
        return next(found, None)

    def asking(self, question_id: str) -> HandlerRun | None:
        """The run that waits for the answer to this question."""
        found = (
            run
            for run in self.parked
            if isinstance(run.doing, AskingPerson) and run.doing.question_id == question_id and run.doing.reply is None
        )
        return next(found, None)

    @property
    def replied(self) -> HandlerRun | None:
        """The first run whose question is settled."""
        found = (run for run in self.parked if isinstance(run.doing, AskingPerson) and run.doing.reply is not None)
        return next(found, None)

    def with_reply(self, question_id: str, reply: Reply) -> "Handlers":
        """What came of this question goes to the run that asked it, which goes on behind those that were settled before."""
        run = self.asking(question_id)
        if run is None or not isinstance(run.doing, AskingPerson):
            return self
        settled = replace(run, doing=replace(run.doing, reply=reply))
        others = self.without(run)
        return replace(others, parked=(*others.parked, settled))

    def keeps(self, event_id: str) -> bool:
        """Whether an event of this id is kept."""
        return any(one.event_id == event_id for one in self.events)

    def giving(self, event_id: str) -> "Handlers":
        """Without this event, which a run has, or which was taken back."""
        return replace(self, events=tuple(one for one in self.events if one.event_id != event_id))

    @property
    def looking(self) -> HandlerRun | None:
        """The first run that waits for an event and has not looked through those that are kept."""
        found = (
            run for run in self.parked if isinstance(run.doing, Waiting) and run.doing.event and not run.doing.looked
        )
        return next(found, None)

    def having_looked(self, run: HandlerRun) -> "Handlers":
        assert isinstance(run.doing, Waiting)
        looked = replace(run, doing=replace(run.doing, looked=True))
        return replace(self, parked=tuple(looked if one is run else one for one in self.parked))

    def leaving(self, event_id: str) -> "Handlers":
        """None of those who wait takes this event."""
        events = tuple(replace(one, fresh=False) if one.event_id == event_id else one for one in self.events)
        return replace(self, events=events)

    def without(self, run: HandlerRun | None) -> "Handlers":
        return replace(self, parked=tuple(one for one in self.parked if one is not run))

    @property
    def digests(self) -> frozenset[str]:
        """Of the definitions that they rest on."""
        return frozenset(run.digest for run in self.parked)
