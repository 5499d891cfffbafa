"""What a session does next: a pure function of its state. A turn is data, not a call stack.

`next_action` is asked whenever nothing is open; `workflows/session.py` carries the action out and appends the events.
Because the answer depends on the state alone, a session can continue as new between any two actions.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from pydantic_core import to_json

from perdure.workflows.core.endings import NUDGES, fault, goes_on, nudge_after
from perdure.workflows.core.plan import as_run, open_questions, running
from perdure.workflows.core.private_changes import Handoff
from perdure.workflows.core.state import SessionState, Turn
from perdure.workflows.definition.pricing import Spent, worst_case
from perdure.workflows.definition.tools import ToolUse
from perdure.workflows.protocol.commands import Nudge, Timer
from perdure.workflows.vocabulary.errors import BUDGET_EXCEEDED, MAX_STEPS, PRICE_UNKNOWN
from perdure.workflows.vocabulary.events import TurnEnd
from perdure.workflows.vocabulary.parts import Message, ToolCall, ToolError, Usage

#: Bytes of JSON a token is worth, low on purpose: an estimate that decides over money errs upwards.
BYTES_PER_TOKEN = 3


@dataclass(frozen=True)
class LoadAgent:
    """Load the definition `digest`, before a turn or between steps."""

    digest: str


@dataclass(frozen=True)
class StartTurn:
    message: Message


@dataclass(frozen=True)
class WakeUp:
    """Start the turn of a timer whose time has come."""

    timer: Timer


@dataclass(frozen=True)
class CallModel:
    step_id: str
    role: str
    #: Dollars that one attempt costs at worst; None when the price is unknown.
    reserved_usd: float | None
    #: What its request says at its end.
    nudge: Nudge | None = None


@dataclass(frozen=True)
class PlanCalls:
    """Decide which of these calls run and which have to ask."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class Ask:
    """Put the questions of these calls."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class RunHere:
    """Carry these calls out in the session itself."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class RunTools:
    """Start these calls, with the arguments that they have here."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class Wait:
    """Calls run, or questions are open, or both."""

    running: frozenset[str]
    questions: tuple[str, ...] = ()
    #: When the first of the questions is answered by itself.
    until: datetime | None = None
    #: The running calls shall end.
    cancel: bool = False


@dataclass(frozen=True)
class AbandonTools:
    """Give these calls a result that says they were stopped: each call has exactly one."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class TakeOver:
    """Let the agent go on to which a call has handed the session over."""

    handoff: Handoff


@dataclass(frozen=True)
class FinishTurn:
    reason: TurnEnd
    error: ToolError | None = None


@dataclass(frozen=True)
class CloseSession:
    reason: str


@dataclass(frozen=True)
class Rest:
    """Nothing to do until a signal comes, or a timer's time."""

    until: datetime | None = None


@dataclass(frozen=True)
class Exit:
    """The session is closed and the workflow ends."""


Action = (
    LoadAgent
    | StartTurn
    | WakeUp
    | CallModel
    | PlanCalls
    | Ask
    | RunHere
    | RunTools
    | Wait
    | AbandonTools
    | TakeOver
    | FinishTurn
    | CloseSession
    | Rest
    | Exit
)


def next_action(state: SessionState) -> Action:
    if state.closed:
        return Exit()
    if state.turn is not None:
        return _next_in_turn(state, state.turn)
    if state.closing is not None:
        return CloseSession(state.closing)
    if needs_agent(state):
        return LoadAgent(state.digest)
    if state.inbox:
        return StartTurn(state.inbox[0])
    due = min((timer for timer in state.timers if timer.fires), key=lambda timer: timer.due, default=None)
    if due is not None:
        return WakeUp(due)
    if state.new.parent is not None and state.turns and not state.timers:
        return CloseSession("answered")
    return Rest(min((timer.due for timer in state.timers), default=None))


def _next_in_turn(state: SessionState, turn: Turn) -> Action:
    if turn.handoff is not None and not turn.calls:
        # Also where the turn is being stopped: its call has been told that the other agent takes over.
        return TakeOver(turn.handoff)
    if turn.stopping:
        return _give_up(turn) or FinishTurn("stopped")
    if turn.error is not None:
        return _give_up(turn) or FinishTurn("failed", turn.error)
    if state.load_error is not None:
        return FinishTurn("failed", state.load_error)
    if turn.calls:
        return _next_of_calls(state, turn)
    if not goes_on(turn.stop, turn.odd):
        return _after_last_answer(state, turn)
    if state.stale and state.loaded is not None:
        # The same definition with other tools; a newer one waits for the next turn.
        return LoadAgent(state.loaded.digest)
    limits = state.effective_limits
    if turn.steps >= limits.turn.steps:
        steps = limits.turn.steps
        return FinishTurn(
            "max_steps", ToolError(type=MAX_STEPS, message=f"The turn reached its limit of {steps} steps.")
        )
    reserved = reserve(state)
    return _over_budget(state, turn, reserved) or CallModel(
        step_id=f"{turn.turn_id}.s{turn.steps + 1}",
        role=state.model_role,
        reserved_usd=reserved,
        nudge=_nudge(state),
    )


def _after_last_answer(state: SessionState, turn: Turn) -> FinishTurn:
    limit = state.model.max_output_tokens if state.model else None
    error = fault(turn.stop or "end", turn.odd, role=state.model_role, limit=limit, word=turn.stop_raw)
    return FinishTurn("done") if error is None else FinishTurn("failed", error)


def _nudge(state: SessionState) -> Nudge | None:
    turn = state.turn
    return nudge_after(turn.stop, turn.odd) if turn is not None else None


def _give_up(turn: Turn) -> Action | None:
    """What is left to do before a turn can end early; None where each call has its result."""
    open_calls = running(turn.plans)
    idle = tuple(call for call in turn.calls if call.call_id not in open_calls)
    if idle:
        return AbandonTools(idle)
    return Wait(open_calls, cancel=True) if open_calls else None


def _next_of_calls(state: SessionState, turn: Turn) -> Action:
    undecided = tuple(call for call in turn.calls if call.call_id not in turn.plans)
    if undecided:
        return PlanCalls(undecided)
    asking = tuple(call for call in turn.calls if turn.plans[call.call_id].do == "ask")
    outdated = tuple(call for call in asking if state.stale and turn.plans[call.call_id].changed)
    if asking != outdated:
        return Ask(tuple(call for call in asking if call not in outdated))
    if outdated and state.loaded is not None and not running(turn.plans):
        # A person has to see the tool that it is now. What runs goes on as what it was.
        return LoadAgent(state.loaded.digest)
    here = tuple(call for call in turn.calls if turn.plans[call.call_id].do == "here")
    if here:
        return RunHere(here)
    open_calls = running(turn.plans)
    ready = _with_room(state, turn, open_calls)
    if ready:
        return RunTools(ready)
    questions = open_questions(turn.plans)
    times = [question.expires_at for question in questions if question.expires_at is not None]
    return Wait(open_calls, tuple(question.question_id for question in questions), min(times, default=None))


def _with_room(state: SessionState, turn: Turn, open_calls: frozenset[str]) -> tuple[ToolCall, ...]:
    """The calls that may start now: in the model's order, as many as the limits let run at the same time."""
    room = state.effective_limits.session.parallel_calls - len(open_calls)
    by_tool = Counter(call.name for call in turn.calls if call.call_id in open_calls)
    ready: list[ToolCall] = []
    for call in turn.calls:
        plan = turn.plans[call.call_id]
        if plan.do != "run" or len(ready) >= room:
            continue
        use = state.loaded.use(call.name) if state.loaded else None
        most = use.parallel if isinstance(use, ToolUse) else None
        if most is not None and by_tool[call.name] >= most:
            continue
        by_tool[call.name] += 1
        ready.append(as_run(call, plan))
    return tuple(ready)


def needs_agent(state: SessionState) -> bool:
    if state.load_error is not None:
        return False
    return state.loaded is None or state.stale or state.loaded.digest != state.digest


def reserve(state: SessionState) -> float | None:
    """Dollars that the next model call costs at worst, or None where the price is unknown."""
    if state.loaded is None or state.model is None:
        return None
    price = state.loaded.prices.get(state.model_role)
    return None if price is None else worst_case(price, input_tokens(state), state.model.max_output_tokens)


def sent(state: SessionState) -> Spent:
    """What the next model call costs at worst if it is sent, and nothing comes of it."""
    tokens = input_tokens(state)
    price = state.loaded.prices.get(state.model_role) if state.loaded else None
    return Spent(usage=Usage(input_tokens=tokens), cost_usd=worst_case(price, tokens, 0) if price else None)


def input_tokens(state: SessionState) -> int:
    """Tokens that the next model call's request holds at most."""
    # The inputs, too: instructions hold them where they are rendered.
    prompt_bytes = len(state.new.model_dump_json().encode())
    prompt_bytes += len(state.loaded.model_dump_json().encode()) if state.loaded else 0
    prompt_bytes += sum(len(to_json(inputs)) for inputs in state.taken_inputs.values())
    nudge = _nudge(state)
    prompt_bytes += len(NUDGES[nudge]) if nudge else 0
    return (state.transcript_bytes + prompt_bytes) // BYTES_PER_TOKEN


def _over_budget(state: SessionState, turn: Turn, reserved: float | None) -> FinishTurn | None:
    limits = state.effective_limits
    if not limits.cap_costs:
        return None
    if reserved is None or turn.cost_usd is None:
        name = state.model.use if state.model else "the model"
        error = ToolError(
            type=PRICE_UNKNOWN,
            message=f"A cost cap is set, but the price of {name} is unknown; give it a `price:` in the definition.",
        )
        return FinishTurn("failed", error)
    for what, cap, spent in (
        ("turn", limits.turn.cost_usd, turn.cost_usd),
        ("session", limits.session.cost_usd, state.cost_usd),
    ):
        if cap is not None and spent + reserved > cap:
            message = (
                f"The next model call may cost up to ${reserved:.4f}; with ${spent:.4f} spent, that would exceed "
                f"the {what}'s cap of ${cap:.2f}."
            )
            return FinishTurn("budget", ToolError(type=BUDGET_EXCEEDED, message=message))
    return None
