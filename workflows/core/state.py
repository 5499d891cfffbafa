"""What a session is at a moment: the frozen model that `workflows/core/fold.py` folds changes into.

Rule: it survives JSON, so a session can continue as new wherever no activity is open. A field that is added has a
default, for runs that began without it.
"""

import operator
from datetime import datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, JsonValue

from perdure.workflows.core.binding import Allowed, read_allowed
from perdure.workflows.core.endings import Odd
from perdure.workflows.core.plan import Plans, open_questions
from perdure.workflows.core.private_changes import Handoff
from perdure.workflows.definition.agent import Limits, LoadedAgent, ModelDefinition, SessionLimits
from perdure.workflows.protocol.commands import NewSession, StepRecord, Timer, View
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import (
    Frozen,
    Message,
    Question,
    SessionStatus,
    StopReason,
    ToolCall,
    ToolError,
    Usage,
    absent,
)

#: Messages that wait in one session, beyond the one whose turn runs.
MAX_QUEUED: Final = 100


class Seen(Frozen):
    """A message id that was handled, so that a repeat is known and answered alike."""

    content_sha256: str
    cursor: int


class Turn(Frozen):
    turn_id: str
    number: int
    #: Steps that have started.
    steps: int = 0
    usage: Usage = Usage()
    #: Dollars; None once a step's price was unknown.
    cost_usd: float | None = 0.0
    #: The model call that is open.
    step: StepRecord | None = None
    #: Tool calls of the last step that have no result yet, in the model's order.
    calls: tuple[ToolCall, ...] = ()
    #: Of those calls, by id.
    plans: Plans = {}
    #: How the last step ended.
    stop: StopReason | None = None
    #: The provider's own word for it, where it is unknown.
    stop_raw: str | None = Field(default=None, exclude_if=absent)
    #: The odd answers in a row that the last step's is the last of; none: it was not odd.
    odd: tuple[Odd, ...] = Field(default=(), exclude_if=operator.not_)
    stopping: bool = False
    error: ToolError | None = None
    handoff: Handoff | None = None


class Answered(Frozen):
    """A question that is settled, so that whoever comes late is told so."""

    question_id: str
    #: Of the answer that counted; None where it was settled without one.
    answer_id: str | None


class SessionState(Frozen):
    new: NewSession
    created_at: datetime
    seq: int = 0
    #: The last `KEPT_TURNS` turns' events, without gaps.
    events: tuple[Event, ...] = ()
    #: `seq` of `turn.started` of the turns whose events are kept.
    turn_starts: tuple[int, ...] = ()
    transcript: tuple[Message, ...] = ()
    #: Bytes of the transcript as JSON, folded parts counted in full.
    transcript_bytes: int = 0
    #: Chained hash of the transcript.
    prefix: str = ""
    epoch: int = 0
    #: Messages that wait for a turn.
    inbox: tuple[Message, ...] = ()
    seen: dict[str, Seen] = {}
    command_ids: tuple[str, ...] = ()
    metadata: dict[str, JsonValue] = {}
    #: The definition that the next turn shall run.
    digest: str
    pinned: bool = False
    #: The definition that runs.
    loaded: LoadedAgent | None = None
    #: Those that kept steps ran with, by digest, the newest last.
    agents: dict[str, LoadedAgent] = {}
    #: The definition has to be loaded again: a worker describes its tools otherwise.
    stale: bool = False
    load_error: ToolError | None = None
    #: The role asked for by `configure`; None: the definition's own.
    role: str | None = None
    #: `provider/model` of the last step.
    last_model: str | None = None
    limits: Limits | None = None
    turn: Turn | None = None
    turns: int = 0
    steps: tuple[StepRecord, ...] = ()
    usage: Usage = Usage()
    cost_usd: float = 0.0
    cost_known: bool = True
    closing: str | None = None
    closed: bool = False
    #: The last questions that were settled.
    answered: tuple[Answered, ...] = ()
    #: What a person allowed for the rest of the session.
    allowed: tuple[Annotated[Allowed, BeforeValidator(read_allowed)], ...] = ()
    #: Those that have not fired, in the order in which they were set.
    timers: tuple[Timer, ...] = ()
    #: The agent that took the session over last.
    taken_by: str | None = None
    #: Inputs of agents that took it over, by name.
    taken_inputs: dict[str, dict[str, JsonValue]] = {}
    #: `seq` of when that was; what callers knew of the session before does not tell its definition.
    taken_at: int = 0

    @property
    def oldest(self) -> int:
        """The lowest `seq` that is kept, or the next one where none is."""
        return self.events[0].seq if self.events else self.seq + 1

    @property
    def status(self) -> SessionStatus:
        if self.closed:
            return "closed"
        if self.questions:
            return "waiting"
        return "working" if self.turn or self.inbox else "idle"

    @property
    def room(self) -> int:
        """How many more messages may come. One whose turn is next does not wait."""
        return MAX_QUEUED + (0 if self.turn else 1) - len(self.inbox)

    @property
    def questions(self) -> tuple[Question, ...]:
        """Those that are open."""
        return open_questions(self.turn.plans) if self.turn else ()

    @property
    def stopping(self) -> bool:
        """The turn that runs is being stopped."""
        return self.turn is not None and self.turn.stopping

    @property
    def agent(self) -> str:
        """Name of the agent that runs."""
        return self.taken_by or self.new.agent

    def inputs_of(self, agent: str) -> dict[str, JsonValue]:
        """What the agent of this name is given."""
        return self.taken_inputs.get(agent, self.new.inputs)

    @property
    def sub_sessions(self) -> dict[str, str]:
        """Sessions of sub-agents that run, by call id."""
        plans = self.turn.plans if self.turn else {}
        return {call_id: plan.session_id for call_id, plan in plans.items() if plan.session_id is not None}

    @property
    def model_role(self) -> str:
        """The role that answers; `configure`'s, unless a newer definition has no such role."""
        if self.loaded is None:
            return self.role or ""
        models = self.loaded.definition.models
        return self.role if self.role in models else self.loaded.definition.model

    @property
    def model(self) -> ModelDefinition | None:
        return self.loaded.definition.models[self.model_role] if self.loaded else None

    @property
    def effective_limits(self) -> Limits:
        limits = self.limits or (self.loaded.definition.limits if self.loaded else Limits())
        most = self.new.parent.cap_usd if self.new.parent else None
        if most is None:
            return limits
        own = limits.session.cost_usd
        capped: SessionLimits = limits.session.model_copy(update={"cost_usd": most if own is None else min(own, most)})
        return limits.model_copy(update={"session": capped})

    @property
    def view(self) -> View:
        return View(epoch=self.epoch, count=len(self.transcript), prefix=self.prefix)

    def step_record(self, step_id: str) -> StepRecord | None:
        return next((step for step in reversed(self.steps) if step.step_id == step_id), None)


def begin(new: NewSession, at: datetime) -> SessionState:
    """The state of a session before its first event."""
    return SessionState(new=new, created_at=at, digest=new.digest, metadata=new.metadata)
