"""A tool call that has no result yet: one discriminated stage at a time.

`table.py` says which stage may follow which; `README.md` here is the picture of it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.activities import OpenedAgent
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.elicitation import ServerInput
from perdure.workflows.vocabulary.parts import BlobRef, Part, ToolCall, ToolError
from perdure.workflows.vocabulary.questions import Again, Binding

#: Why a call asks: may it run; what is its result; what became of it; what its server wants to know.
Asks = Literal["approval", "input", "outcome", "server"]


@dataclass(frozen=True)
class Begin(Record):
    """What a call of its tool does first."""

    kind: Literal["begin"] = "begin"


@dataclass(frozen=True)
class FallBack(Record):
    """The fallback of a tool that failed."""

    failed: ToolError
    kind: Literal["fallback"] = "fallback"


@dataclass(frozen=True)
class RunChild(Record):
    """The session of a sub-agent."""

    opened: OpenedAgent
    #: Dollars that it may spend; None: its own limits alone hold.
    cap_usd: float | None
    kind: Literal["child"] = "child"
    #: The same in tokens and tool calls.
    cap_tokens: int | None = None
    cap_tool_calls: int | None = None


@dataclass(frozen=True)
class PutAway(Record):
    """A sub-agent's answer that is too long to travel."""

    parts: tuple[Part, ...]
    kind: Literal["put_away"] = "put_away"


@dataclass(frozen=True)
class Adopt(Record):
    """The definition of an agent that takes the session over."""

    opened: OpenedAgent
    kind: Literal["adopt"] = "adopt"


#: What an effect of a call carries out.
Work = Annotated[Begin | FallBack | RunChild | PutAway | Adopt, Field(discriminator="kind")]


@dataclass(frozen=True)
class Undecided(Record):
    """The model, or a handler, has asked for it."""

    at: Literal["undecided"] = "undecided"


@dataclass(frozen=True)
class Ready(Record):
    """Runs as soon as there is room."""

    work: Work = Begin()
    #: When the call began to run, where this goes on with it at once.
    began: datetime | None = None
    at: Literal["ready"] = "ready"


@dataclass(frozen=True)
class Refused(Record):
    """Does not run; this is its result."""

    error: ToolError
    at: Literal["refused"] = "refused"


@dataclass(frozen=True)
class Here(Record):
    """The session carries it out itself."""

    at: Literal["here"] = "here"


@dataclass(frozen=True)
class Asking(Record):
    """A question has to be put."""

    asks: Asks
    at: Literal["asking"] = "asking"


@dataclass(frozen=True)
class Asked(Record):
    """Its question is open."""

    asks: Asks
    question_id: str
    at: Literal["asked"] = "asked"


@dataclass(frozen=True)
class Answered(Record):
    """Its question is settled; what follows from it comes next."""

    asks: Asks
    at: Literal["answered"] = "answered"


@dataclass(frozen=True)
class Running(Record):
    """An effect is open."""

    work: Work
    began: datetime
    #: When it has to be done; None: it may take for ever, or Temporal sees to it.
    until: datetime | None = None
    #: Its time is over.
    overdue: bool = False
    at: Literal["running"] = "running"


@dataclass(frozen=True)
class Ending(Record):
    """An effect is open that was told to end."""

    work: Work
    began: datetime
    #: It is given up then.
    until: datetime
    #: It was told to because its time was over.
    late: bool = False
    at: Literal["ending"] = "ending"


Stage = Annotated[
    Undecided | Ready | Refused | Here | Asking | Asked | Answered | Running | Ending, Field(discriminator="at")
]
StageName = Literal["undecided", "ready", "refused", "here", "asking", "asked", "answered", "running", "ending"]


@dataclass(frozen=True)
class Given(Record):
    """Arguments that a person gave in place of the model's."""

    args: dict[str, JsonValue]
    #: Holds a part with those arguments where they are too long to travel; `args` are empty then.
    blob: BlobRef | None = None


@dataclass(frozen=True)
class Call(Record):
    #: As the model made it, or the handler.
    made: ToolCall
    stage: Stage = Undecided()
    #: `tool.started` is in the log.
    started: bool = False
    #: Of the sub-agent's session that answers.
    session_id: str | None = None
    given: Given | None = None
    #: What an approval of the call counts for; it runs as nothing else.
    bound: Binding | None = None
    #: Why it asks for an approval again.
    again: Again | None = None
    #: It did not run, because the tool was another one than was allowed; that is asked about once.
    changed: bool = False
    #: Where it stands, once its server has asked something.
    server: ServerInput | None = None
    #: Its sub-agent was told that nobody will answer it.
    told: bool = False
    #: What a sub-agent has spent; until its session says, what was set aside for it.
    spent: Spent | None = None
    #: The handler's block that makes it; None: a model does.
    block: Block | None = None

    @property
    def call_id(self) -> str:
        return self.made.call_id

    @property
    def name(self) -> str:
        return self.made.name

    @property
    def as_run(self) -> ToolCall:
        """With the arguments that it runs with."""
        return self.made if self.given is None else self.made.with_args(self.given.args, self.given.blob)

    @property
    def is_open(self) -> bool:
        """An effect is open for it."""
        return isinstance(self.stage, Running | Ending)


def changed(calls: tuple[Call, ...], call: Call) -> tuple[Call, ...]:
    """`calls` with this one in place of the one with its id."""
    return tuple(call if one.call_id == call.call_id else one for one in calls)


def at(call: Call, stage: Stage) -> Call:
    return replace(call, stage=stage)
