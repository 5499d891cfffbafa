"""What a session is at a moment: records that `core/fold.py` folds changes into.

Rule: a state survives JSON, so a session can continue as new wherever no effect is open. A field that is added has a
default, for runs that began without it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ConfigDict, JsonValue, RootModel

from perdure.workflows.core.state.agent_slot import AgentSlot
from perdure.workflows.core.state.books import Books
from perdure.workflows.core.state.branches import Branches, Ended
from perdure.workflows.core.state.context import Context
from perdure.workflows.core.state.dates import Dates
from perdure.workflows.core.state.feedback import Feedback
from perdure.workflows.core.state.handlers import Handlers
from perdure.workflows.core.state.inbox import MAX_QUEUED, Inbox
from perdure.workflows.core.state.leases import Leases
from perdure.workflows.core.state.log import Log
from perdure.workflows.core.state.questions import Questions
from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.core.state.rewinding import Rewinding, TakenRewinds
from perdure.workflows.core.state.sealing import Sealing
from perdure.workflows.core.state.timers import Timers
from perdure.workflows.core.state.todo import Todo
from perdure.workflows.core.state.transcript import Transcript
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.core.state.variables_before import VariablesBefore
from perdure.workflows.definition.agent import Limits
from perdure.workflows.definition.handlers import HandlerLimits
from perdure.workflows.definition.tools import Policy
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.parts import SessionStatus
from perdure.workflows.vocabulary.zones import day_of


@dataclass(frozen=True, kw_only=True)
class SessionState(Record):
    new: NewSession
    created_at: datetime
    slot: AgentSlot
    log: Log = field(default_factory=Log)
    transcript: Transcript = field(default_factory=Transcript)
    sealing: Sealing = field(default_factory=Sealing)
    inbox: Inbox = field(default_factory=Inbox)
    books: Books = field(default_factory=Books)
    questions: Questions = field(default_factory=Questions)
    leases: Leases = field(default_factory=Leases)
    timers: Timers = field(default_factory=Timers)
    todo: Todo = field(default_factory=Todo)
    feedback: Feedback = field(default_factory=Feedback)
    handlers: Handlers = field(default_factory=Handlers)
    #: Values of session variables that were set; see `core/session_variables.py`.
    variables: dict[str, JsonValue] = field(default_factory=dict)
    variables_before: VariablesBefore = field(default_factory=VariablesBefore)
    turn: Turn | None = None
    #: Turns that have started.
    turns: int = 0
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    #: IANA name of the time zone that the metadata name; None: UTC.
    timezone: str | None = None
    dates: Dates = field(default_factory=Dates)
    branches: Branches = field(default_factory=Branches)
    #: The last turn of the branch that goes on.
    ended: Ended | None = None
    #: A rewind that waits for the turn that runs, or for a person.
    rewinding: Rewinding | None = None
    rewinds: TakenRewinds = field(default_factory=TakenRewinds)
    context: Context = field(default_factory=Context)
    #: Subjects who asked it for something, the last ones; see `core/approvers.py`.
    requesters: tuple[str, ...] = ()
    #: The version of what the session does by itself; see `BEHAVIOR`.
    behavior: int = 0
    #: Set by `configure`; None: the definition's.
    limits: Limits | None = None
    #: What sets them apart from those of the definition, so that they are taken anew from another version; empty: nothing, or
    #: all of them were set together.
    limit_changes: dict[str, JsonValue] = field(default_factory=dict)
    #: Nothing is asked and no tool runs: whoever drives the session has the results of its calls already.
    rehearsal: bool = False
    #: What a model called it; empty: none has.
    title: str = ""
    #: Why the session is being closed.
    closing: str | None = None
    closed: bool = False

    @property
    def status(self) -> SessionStatus:
        if self.closed:
            return "closed"
        if self.questions.open:
            return "waiting"
        return "working" if self.is_busy else "idle"

    @property
    def seals(self) -> bool:
        """Its past goes to the blob store; sessions of older behavior dropped the oldest events, and held the rest."""
        return self.behavior >= 1 and not self.rehearsal

    @property
    def recalls_tasks(self) -> bool:
        """A branch that is gone back to has its first message as its task; sessions of older behavior took another one
        where that is sealed."""
        return self.behavior >= 2

    @property
    def is_busy(self) -> bool:
        """Whether a message that comes now finds the session at work."""
        return self.turn is not None or bool(self.inbox.messages) or self.rewinding is not None

    @property
    def busy(self) -> Busy:
        """What becomes of a message that comes while the session works, and does not say so itself."""
        return self.slot.loaded.definition.busy if self.slot.loaded else "queue"

    @property
    def room(self) -> int:
        """How many more messages may come. One whose turn is next does not wait."""
        return MAX_QUEUED + (0 if self.turn else 1) - len(self.inbox.messages)

    @property
    def turn_id(self) -> str | None:
        return self.turn.turn_id if self.turn else None

    @property
    def foreign_compaction(self) -> str | None:
        """The id of an open compaction that the turn which runs did not begin, and does not pay for; with older behavior, the
        turn that ran when it ended did."""
        compaction = self.context.open
        if self.behavior < 2 or self.turn is None or compaction is None:
            return None
        if compaction.record.turn_id == self.turn.turn_id:
            return None
        return compaction.record.step_id

    @property
    def agent(self) -> str:
        """Name of the agent that runs."""
        return self.slot.taken.by if self.slot.taken else self.new.agent

    def inputs_of(self, agent: str) -> dict[str, JsonValue]:
        """What the agent of this name is given."""
        taken = self.slot.taken
        return taken.inputs.get(agent, self.new.inputs) if taken else self.new.inputs

    def policy(self, tool: str) -> Policy | None:
        """How calls of this tool are carried out; None: the agent has no such tool."""
        return self.slot.loaded.policy(tool) if self.slot.loaded else None

    @property
    def sub_sessions(self) -> dict[str, str]:
        """Sessions of sub-agents that run, by call id."""
        calls = self.turn.calls if self.turn else ()
        return {call.call_id: call.session_id for call in calls if call.session_id is not None}

    @property
    def effective_limits(self) -> Limits:
        """Those that hold now: the lower of the session's and those of the handler that its turn carries out."""
        limits, own = self.lasting_limits, self.handler_limits
        return limits if own is None else limits.model_copy(update={"turn": own.narrowing(limits.turn)})

    @property
    def handler_limits(self) -> HandlerLimits | None:
        """Of the handler that the turn carries out."""
        run, loaded = self.turn.run if self.turn is not None else None, self.slot.loaded
        handler = loaded.definition.handlers.get(run.handler) if run is not None and loaded is not None else None
        return handler.limits if handler is not None else None

    @property
    def lasting_limits(self) -> Limits:
        """Those of the session, whatever its turn carries out."""
        loaded = self.slot.loaded
        limits = self.limits or (loaded.definition.limits if loaded else Limits())
        parent, own = self.new.parent, limits.session
        if parent is None:
            return limits
        session = own.model_copy(
            update={
                "cost_usd": _lower(own.cost_usd, parent.cap_usd),
                "tokens": _lower(own.tokens, parent.cap_tokens),
                "tool_calls": _lower(own.tool_calls, parent.cap_tool_calls),
            }
        )
        return limits.model_copy(update={"session": session})


def _lower(own: float | None, most: float | None) -> float | None:
    return most if own is None else own if most is None else min(own, most)


class _AsJson(RootModel[SessionState]):
    # The outermost schema's configuration counts for all that is within.
    model_config = ConfigDict(ser_json_inf_nan="strings")


def new_state(new: NewSession, at: datetime) -> SessionState:
    """The state of a session before its first event."""
    return SessionState(
        new=new,
        created_at=at,
        slot=AgentSlot(digest=new.digest),
        metadata=new.metadata,
        timezone=new.timezone,
        requesters=new.parent.requesters if new.parent is not None else (),
        behavior=new.behavior,
        sealing=Sealing(counted=new.behavior >= 1),
        dates=Dates(first=day_of(at, new.timezone) if new.dated else ""),
        leases=Leases().announcing(tuple(new.purses)).inheriting(new.purses),
    )


def dump_state(state: SessionState) -> bytes:
    """As JSON."""
    return _AsJson(state).model_dump_json().encode()


def read_state(data: bytes | str) -> SessionState:
    """What `dump_state` wrote. Raises pydantic's ValidationError."""
    return _AsJson.model_validate_json(data).root


def in_turn(state: SessionState) -> Turn:
    """The turn that runs. Raises ValueError where none does."""
    if state.turn is None:
        raise ValueError("this does not fit a session without a turn")
    return state.turn


def with_turn(state: SessionState, turn: Turn) -> SessionState:
    return replace(state, turn=turn)
