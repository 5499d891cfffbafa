"""What a session does next: a pure function of its state. A turn is data, not a call stack.

`next_action` is asked whenever nothing is open; `workflows/session.py` carries the action out and appends the events.
Because the answer depends on the state alone, a session can continue as new between any two actions.
"""

from dataclasses import dataclass

from workflows.errors import BUDGET_EXCEEDED, MAX_STEPS, PRICE_UNKNOWN
from workflows.events import TurnEnd
from workflows.pricing import worst_case
from workflows.state import SessionState, Turn
from workflows.types import Message, ToolCall, ToolError

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
class CallModel:
    step_id: str
    role: str
    #: Dollars that one attempt costs at worst; None when the price is unknown.
    reserved_usd: float | None


@dataclass(frozen=True)
class RunTools:
    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class AbandonTools:
    """Give these calls a result that says they were stopped: each call has exactly one."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class FinishTurn:
    reason: TurnEnd
    error: ToolError | None = None


@dataclass(frozen=True)
class CloseSession:
    reason: str


@dataclass(frozen=True)
class Rest:
    """Nothing to do until a signal comes."""


@dataclass(frozen=True)
class Exit:
    """The session is closed and the workflow ends."""


Action = LoadAgent | StartTurn | CallModel | RunTools | AbandonTools | FinishTurn | CloseSession | Rest | Exit


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
    return Rest()


def _next_in_turn(state: SessionState, turn: Turn) -> Action:
    if turn.stopping:
        return AbandonTools(turn.calls) if turn.calls else FinishTurn("stopped")
    if turn.error is not None:
        return AbandonTools(turn.calls) if turn.calls else FinishTurn("failed", turn.error)
    if state.load_error is not None:
        return FinishTurn("failed", state.load_error)
    if turn.calls:
        return RunTools(turn.calls)
    if turn.stop not in (None, "tool_calls", "pause"):
        return FinishTurn("done")
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
        step_id=f"{turn.turn_id}.s{turn.steps + 1}", role=state.model_role, reserved_usd=reserved
    )


def needs_agent(state: SessionState) -> bool:
    if state.load_error is not None:
        return False
    return state.loaded is None or state.stale or state.loaded.digest != state.digest


def reserve(state: SessionState) -> float | None:
    """Dollars that the next model call costs at worst, or None where the price is unknown."""
    if state.loaded is None or state.model is None:
        return None
    price = state.loaded.prices.get(state.model_role)
    if price is None:
        return None
    # The inputs, too: instructions hold them where they are rendered.
    prompt_bytes = len(state.loaded.model_dump_json().encode()) + len(state.new.model_dump_json().encode())
    tokens = (state.transcript_bytes + prompt_bytes) // BYTES_PER_TOKEN
    return worst_case(price, tokens, state.model.max_output_tokens)


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
