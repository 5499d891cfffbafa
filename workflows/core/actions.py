"""What a session can do next: one frozen record each, one closed union. `next_action` chooses, `begin` says what it means."""

from dataclasses import dataclass, field
from datetime import datetime

from perdure.workflows.core.context_actions import (
    AskNextSummarizer,
    Compact,
    DropOldest,
    EndCompaction,
    TrimResults,
)
from perdure.workflows.core.handler_actions import HandlerAction
from perdure.workflows.core.state.sealing import Cut
from perdure.workflows.core.state.turn import Handoff
from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.protocol.queries import Timer
from perdure.workflows.protocol.steps import Nudge
from perdure.workflows.vocabulary.events import TurnEnd
from perdure.workflows.vocabulary.parts import Message, ToolCall, ToolError
from perdure.workflows.vocabulary.questions import Shortfall


@dataclass(frozen=True)
class LoadAgent:
    """Load the definition `digest`, before a turn or between steps."""

    digest: str


@dataclass(frozen=True)
class RenewAgent:
    """Look up which definition the agent has now: a message brings that along, a timer does not."""

    timer: Timer


@dataclass(frozen=True)
class StartTurn:
    message: Message


@dataclass(frozen=True)
class Join:
    """These messages, which steer the turn, are in it from its next step on."""

    messages: tuple[Message, ...]


@dataclass(frozen=True)
class WakeUp:
    """Start the turn of a timer whose time has come."""

    timer: Timer


@dataclass(frozen=True)
class LookForTools:
    """Ask the agent's MCP servers whether they list other tools than the session knows."""


@dataclass(frozen=True)
class DrawLeases:
    """Ask the purses of the session's user and tenant for what comes next; for nothing: leave those that refused."""

    needs: Amounts


@dataclass(frozen=True)
class ReturnLeases:
    """Give back to them what is left, for the session closes."""


@dataclass(frozen=True)
class CallModel:
    step_id: str
    role: str
    #: Dollars that one attempt costs at worst; None when the price is unknown.
    reserved_usd: float | None
    #: Tokens of input and output that one attempt uses at worst.
    reserved_tokens: int = field(default=0, kw_only=True, compare=False)
    #: What its request says at its end.
    nudge: Nudge | None = None
    #: Tokens of output at most, where no more fit below a limit.
    bound: int | None = None
    #: The role stands in at a limit.
    cheaper: bool = False


@dataclass(frozen=True)
class AskNextModel:
    """The open step goes on with the next model of its route."""

    step_id: str


@dataclass(frozen=True)
class EndStep:
    """The turn is stopped, and nothing is open for the step: it ends as it is."""

    step_id: str


@dataclass(frozen=True)
class EndModelCall:
    """The model call that is open shall end."""

    step_id: str


@dataclass(frozen=True)
class PlanCalls:
    """Decide which of these calls run and which have to ask."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class Ask:
    """Put the questions of these calls."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class LeaveUnasked:
    """These calls would have to ask, but people have said something else meanwhile."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class TellBelow:
    """Tell the sub-agents of these calls that nobody will answer what they ask."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class RunHere:
    """Carry these calls out in the session itself."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class RunTools:
    """Start these calls, or go on with them, with the arguments that they have here."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class EndCalls:
    """These calls, which run, shall end."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class AbandonTools:
    """Give these calls a result that says they were stopped: each call has exactly one."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class TakeOver:
    """Let the agent go on to which a call has handed the session over."""

    handoff: Handoff


@dataclass(frozen=True)
class PauseTurn:
    """Ask what shall happen at a limit."""

    short: Shortfall


@dataclass(frozen=True)
class TakeBack:
    """Start the turn that asks about a rewind, and takes calls back."""


@dataclass(frozen=True)
class UndoNext:
    """Take the next call back."""

    undo_call_id: str


@dataclass(frozen=True)
class GoOn:
    """Let another branch go on, or run a turn on."""

    branch: str


@dataclass(frozen=True)
class FinishTurn:
    reason: TurnEnd
    error: ToolError | None = None


@dataclass(frozen=True)
class CloseSession:
    reason: str


@dataclass(frozen=True)
class Seal:
    """Put what comes before the cut into the blob store, beside whatever else is done."""

    cut: Cut


@dataclass(frozen=True)
class Wait:
    """Effects are open, or questions, or both."""

    #: Keys of the effects.
    running: frozenset[str] = frozenset()
    questions: tuple[str, ...] = ()
    #: When time itself changes something: a question expires, or what runs has had its time.
    until: datetime | None = None
    #: When the turn's working time is used up, if what runs has not ended by then.
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Rest:
    """Nothing to do until a signal comes, or a timer's time."""

    until: datetime | None = None
    #: When the session closes, if nothing happens before.
    closes_at: datetime | None = None


@dataclass(frozen=True)
class Exit:
    """The session is closed and the workflow ends."""


#: Nothing is done meanwhile.
Idle = Wait | Rest | Exit
Work = (
    LoadAgent
    | RenewAgent
    | StartTurn
    | Join
    | WakeUp
    | LookForTools
    | DrawLeases
    | ReturnLeases
    | CallModel
    | AskNextModel
    | EndStep
    | EndModelCall
    | PlanCalls
    | Ask
    | LeaveUnasked
    | TellBelow
    | RunHere
    | RunTools
    | EndCalls
    | AbandonTools
    | TakeOver
    | PauseTurn
    | TakeBack
    | UndoNext
    | GoOn
    | FinishTurn
    | CloseSession
    | TrimResults
    | Compact
    | AskNextSummarizer
    | EndCompaction
    | DropOldest
    | HandlerAction
    | Seal
)
Action = Work | Idle
