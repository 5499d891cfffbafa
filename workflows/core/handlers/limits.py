"""Limits of a handler's turn and of one of its blocks. Pure.

Rule: a block is not asked about. What it needs beyond its own limits is an error that names it.
"""

from typing import Literal

from perdure.workflows.core.limit_words import dollars
from perdure.workflows.core.state.allotment import Allotment
from perdure.workflows.core.state.handlers import Asking, HandlerRun, Responding
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.definition.handlers import BlockLimits, Do, Program, RespondLimits
from perdure.workflows.vocabulary.errors import BUDGET_EXCEEDED, MAX_STEPS
from perdure.workflows.vocabulary.parts import ToolError


def allotted(run: HandlerRun, program: Program, turn: Turn) -> HandlerRun:
    """`run`, which has come to a block, with what this block may use, counted from now on."""
    doing = run.doing
    if not isinstance(doing, Responding | Asking):
        return run
    instruction = program[run.at]
    limits = getattr(instruction.block, "limits", None) if isinstance(instruction, Do) else None
    if not isinstance(limits, BlockLimits):
        return run
    allotment = Allotment(
        steps=limits.steps if isinstance(limits, RespondLimits) else None,
        cost_usd=limits.cost_usd,
        tokens=limits.tokens,
        steps_before=turn.steps - turn.undone,
        cost_usd_before=turn.books.known_usd,
        tokens_before=turn.books.tokens,
    )
    return replace(run, doing=replace(doing, allotment=allotment))


def begun_anew(doing: Responding | Asking) -> Responding | Asking:
    """The block as another turn takes it up, which has used nothing yet."""
    if doing.allotment is None:
        return doing
    fresh = replace(doing.allotment, steps_before=0, cost_usd_before=0, tokens_before=0)
    return replace(doing, allotment=fresh)


def allotment_of(state: SessionState) -> Allotment | None:
    """Of the block that asks a model now; None: it has no limits of its own."""
    doing = _doing(state)
    return doing.allotment if doing is not None else None


def counted_by_block(
    state: SessionState, name: Literal["cost_usd", "tokens", "tool_calls"], spent: float
) -> tuple[float, float] | None:
    """How far the block may go, and what it has used of that, where the turn has `spent` so much; None: it has no such
    limit."""
    allotment = allotment_of(state)
    if allotment is None or name == "tool_calls":
        return None
    money = name == "cost_usd"
    cap: float | None = allotment.cost_usd if money else allotment.tokens
    before: float = allotment.cost_usd_before if money else allotment.tokens_before
    return None if cap is None else (cap, max(spent - before, 0))


def beyond_block(state: SessionState, name: str, cap: float, spent: float, needs: float) -> ToolError:
    """The error of a block that needs more than its limit leaves."""
    if name == "cost_usd":
        told = f"The next model call may cost up to ${needs:.4f}; with ${spent:.4f} spent, that"
        limit = dollars(cap)
    else:
        told = f"The next model call may use up to {needs:,.0f} tokens; with {spent:,.0f} used, that"
        limit = f"{cap:,.0f} tokens"
    message = f"{_place(state)}: {told} would exceed the block's limit of {limit}."
    return ToolError(type=BUDGET_EXCEEDED, message=message)


def narrowed_by(state: SessionState, limit: str) -> str | None:
    """The handler whose own limit of a turn is lower than the session's; None: none is."""
    limits, turn = state.handler_limits, state.turn
    if limits is None or turn is None or turn.run is None or limit not in limits.below(state.lasting_limits.turn):
        return None
    return turn.run.handler


def out_of_steps(state: SessionState, turn: Turn) -> ToolError | None:
    """Why the turn can have no further step; None: it can."""
    taken, allotment = turn.steps - turn.undone, allotment_of(state)
    steps = state.effective_limits.turn.steps
    if allotment is not None and allotment.steps is not None and taken - allotment.steps_before >= allotment.steps:
        message = f"{_place(state)}: The block reached its limit of {_steps(allotment.steps)}."
    elif taken < steps:
        return None
    elif (handler := narrowed_by(state, "steps")) is not None:
        message = f"The turn reached the limit of {_steps(steps)} that the handler {handler} has."
    else:
        message = f"The turn reached its limit of {steps} steps."
    if turn.misfit is not None:
        message += f" Its last answer is not of the form that `answer` asks for: {turn.misfit}."
    return ToolError(type=MAX_STEPS, message=message)


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _place(state: SessionState) -> str:
    doing = _doing(state)
    return doing.block.at if doing is not None else ""


def _doing(state: SessionState) -> Responding | Asking | None:
    run = state.turn.run if state.turn is not None else None
    return run.doing if run is not None and isinstance(run.doing, Responding | Asking) else None
