"""The turn that runs: data, not a call stack."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.endings import Odd
from perdure.workflows.core.state.books import Books
from perdure.workflows.core.state.clock import Clock
from perdure.workflows.core.state.context import Overflow
from perdure.workflows.core.state.handlers import NAMING, HandlerRun
from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.core.state.repeated import Repeated
from perdure.workflows.core.state.rewinding import Undoing
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.parts import StopReason, ToolError, absent
from perdure.workflows.vocabulary.questions import Shortfall

#: Callers that a turn's trace is linked to.
MOST_CALLERS: Final = 32


@dataclass(frozen=True, kw_only=True)
class Handoff(Record):
    """Another agent takes the session over as soon as the calls of the step have their results."""

    agent: LoadedAgent
    inputs: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class Pause(Record):
    """The turn waits until a person decides about a limit."""

    question_id: str
    short: Shortfall


@dataclass(frozen=True, kw_only=True)
class Turn(Record):
    turn_id: str
    number: int
    #: None: an older version started it.
    started_at: datetime | None = None
    #: Steps that have started.
    steps: int = 0
    books: Books = field(default_factory=Books)
    #: The model call that is open.
    step: StepRecord | None = None
    #: That call was told to end.
    step_ending: bool = False
    #: The model of that step was given up, and the next one has not been asked: nothing is open for the step.
    between_models: bool = False
    #: Tool calls of the last step that have no result yet, in the model's order.
    calls: tuple[Call, ...] = ()
    #: How the last step ended.
    stop: StopReason | None = None
    #: The provider's own word for it, where it is unknown.
    stop_raw: str | None = None
    #: Tokens that its output was bounded to, because of a limit.
    bound: int | None = None
    #: The odd answers in a row that the last step's is the last of; none: it was not odd.
    odd: tuple[Odd, ...] = ()
    #: Whether MCP servers list other tools than the session knows: has to be asked, is being asked, or is settled.
    tools: Literal["unknown", "asking", "known"] = "known"
    stopping: bool = False
    #: It is stopped for a message that is next.
    interrupted: bool = False
    error: ToolError | None = None
    #: Its last request was too long; the next one has to show less.
    overflow: Overflow | None = None
    handoff: Handoff | None = None
    #: The role that its message asked for; None: the session's.
    role: str | None = None
    #: How far its counters may go beyond the caps, as people allowed: by `scope.limit`, in the unit of the limit.
    ceilings: dict[str, float] = field(default_factory=dict)
    #: It waits for an answer to a budget question.
    pause: Pause | None = None
    #: Budget questions that it has asked.
    pauses: int = 0
    #: The provider's own quota was reached, and nobody has been asked about that yet.
    quota: ToolError | None = None
    #: Steps that gave no answer and were gone back on, so that they do not count against the limit.
    undone: int = 0
    #: The role that stands in at a limit goes on with it.
    cheaper: bool = False
    clock: Clock = field(default_factory=Clock)
    #: Its working time is used up: what works for it now has to end.
    overtime: bool = False
    #: Its last tool calls and what came of them, by name and arguments.
    repeated: dict[str, Repeated] = field(default_factory=dict)
    #: It asks about a rewind, and takes calls back; nothing else.
    undoing: Undoing | None = None
    #: Messages of the branch as of the last answer that ended well, or of the turn's beginning.
    sound: int = 0
    #: Its last answer as a checked value, where the definition says its form.
    result: Annotated[dict[str, JsonValue] | None, Field(exclude_if=absent)] = None
    #: Why its last answer is not of that form.
    misfit: Annotated[str | None, Field(exclude_if=absent)] = None
    #: Spans of the callers whose messages and answers it works on.
    callers: tuple[str, ...] = ()
    #: The handler that it carries out; None: the agent responds.
    run: HandlerRun | None = None
    #: The definition that the session goes on with, where its handler rests on an older one.
    lent: str | None = None

    def traced(self, traceparent: str) -> "Turn":
        return replace(self, callers=(*self.callers, traceparent)[-MOST_CALLERS:])

    def ceiling(self, scope: str, limit: str) -> float:
        """How far a counter may go whatever its cap is."""
        return self.ceilings.get(f"{scope}.{limit}", 0)

    @property
    def is_working(self) -> bool:
        """A model or a tool works for it now."""
        return (self.step is not None and not self.between_models) or bool(self.open_calls)

    @property
    def names_session(self) -> bool:
        """All that is left to do is to name the session."""
        return self.run is not None and self.run.handler == NAMING

    def joined(self) -> "Turn":
        """With a message at its end that its next step answers, however the last one ended."""
        return replace(self, stop=None, stop_raw=None, odd=(), result=None, misfit=None)

    def call(self, call_id: str) -> Call | None:
        return next((call for call in self.calls if call.call_id == call_id), None)

    @property
    def undoes(self) -> str | None:
        """The call that the turn's call takes back, in the turn of a rewind."""
        return self.undoing.now.call_id if self.undoing is not None and self.undoing.now is not None else None

    @property
    def open_calls(self) -> frozenset[str]:
        """Ids of the calls that an effect is open for."""
        return frozenset(call.call_id for call in self.calls if call.is_open)
