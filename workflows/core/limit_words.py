"""What does not fit below a limit, in words for people. Pure."""

from datetime import timedelta
from typing import Final

from perdure.workflows.vocabulary.durations import format_duration
from perdure.workflows.vocabulary.errors import ANSWER_CUT, BUDGET_EXCEEDED, MODEL_QUOTA, PURSE_FAILED, WORKING_TIME
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.questions import Scope, Shortfall

_WHOSE: Final[dict[Scope, str]] = {
    "turn": "the turn's",
    "session": "the session's",
    "user": "the user's",
    "tenant": "the tenant's",
}
_PERIODS: Final = {"day": " a day", "month": " a month", "total": ""}


def dollars(amount: float) -> str:
    """To the cent, and more exactly where it is no round number of them."""
    whole, _, cents = f"{amount:.6f}".rstrip("0").partition(".")
    return f"${whole}.{cents.ljust(2, '0')}"


def told(short: Shortfall) -> str:
    """One sentence or two: what is needed, what was spent, and which cap that would exceed."""
    period, _, name = short.limit.rpartition(".")
    whose = _WHOSE[short.scope] if short.handler is None else f"the handler {short.handler}'s"
    cap = f"{whose} cap of"
    each = _PERIODS.get(period, "")
    match name:
        case "cost_usd":
            return (
                f"The next model call may cost up to ${short.needs:.4f}; with ${short.spent:.4f} spent, that would exceed "
                f"{cap} {dollars(short.cap or 0)}{each}."
            )
        case "tokens":
            return (
                f"The next model call may use up to {short.needs:,.0f} tokens; with {short.spent:,.0f} used, that would "
                f"exceed {cap} {short.cap or 0:,.0f} tokens{each}."
            )
        case "tool_calls":
            calls = "One more tool call is" if short.needs == 1 else f"{short.needs:,.0f} more tool calls are"
            return (
                f"{calls} wanted; with {short.spent:,.0f} made, that would exceed {cap} {short.cap or 0:,.0f} tool "
                f"calls{each}."
            )
        case "working_time":
            worked = format_duration(timedelta(seconds=round(short.spent)))
            return (
                f"Models and tools have worked for {worked} in this turn, which reaches {cap} "
                f"{format_duration(timedelta(seconds=short.cap or 0))}."
            )
        case _:
            words = short.words or "The provider's quota is used up"
            return words if words.endswith((".", "!", "?")) else f"{words}."


def asked(short: Shortfall) -> str:
    """The same as a question."""
    if short.limit == "provider":
        return f"{told(short)} Approve to try the step again once that is mended, or decline to end the turn."
    if short.scope in ("user", "tenant"):
        return f"{told(short)} Allow it for this turn, raise the cap in that budget, or decline to end the turn."
    raised = "raise the cap" if short.handler is None else "set another cap for this turn"
    return f"{told(short)} Allow it for this turn, {raised}, or decline to end the turn."


def cut_short(bound: int) -> ToolError:
    """The error of an answer that came to the tighter bound which a limit had left it, in tokens."""
    message = f"The answer was cut at {bound} tokens, for a limit left no room for more."
    return ToolError(type=ANSWER_CUT, message=f"{message} Raise the limit, and ask for the rest.", retryable=True)


def exceeded(short: Shortfall) -> ToolError:
    """The error that a turn ends with at a limit."""
    match short.limit:
        case "provider":
            return ToolError(type=MODEL_QUOTA, message=told(short))
        case "fault":
            return ToolError(type=PURSE_FAILED, message=told(short))
        case "working_time":
            return ToolError(type=WORKING_TIME, message=told(short))
        case _:
            return ToolError(type=BUDGET_EXCEEDED, message=told(short))
