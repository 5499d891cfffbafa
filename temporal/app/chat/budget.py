"""A budget question at the prompt of `perdure chat`: allow this turn, raise the cap, or decline. What is read there becomes
the body of `answers`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import JsonValue

from perdure.temporal.app.chat.declining import declined
from perdure.workflows.core.raising import read_raise
from perdure.workflows.vocabulary.questions import Shortfall

#: What a cap is given in, by the name of its limit.
_UNITS: Final = {
    "cost_usd": "dollars",
    "tokens": "tokens",
    "tool_calls": "tool calls",
    "working_time": "time, as in 10m",
}


def budget_question(event: Mapping[str, Any]) -> dict[str, Any]:
    """The question that a `budget.paused` asks."""
    short = {name: event[name] for name in Shortfall.model_fields if name in event}
    return {**event, "kind": "budget", "budget": short}


def decision(short: Mapping[str, Any], read: Callable[[str], str], tell: Callable[[str], None]) -> dict[str, Any]:
    """Asks until somebody has decided about `short`, the `budget` of a question. The body for `answers` without
    `question_id`."""
    read_short = Shortfall.model_validate(dict(short))
    unit = _UNITS.get(read_short.limit) if read_short.scope in ("turn", "session") else None
    what = "try the step again" if read_short.limit == "provider" else "allow it for this turn"
    choices = f"y(es), n(o){', r(aise the cap)' if unit else ''}"
    while True:
        word, _, rest = read(f"{what}? {choices} > ").strip().partition(" ")
        match word.lower():
            case "y" | "yes":
                return {"approved": True}
            case "n" | "no":
                return declined(rest or read("reason (or none) > "))
            case "/decline":
                return declined(rest)
            case "r" | "raise" if unit:
                typed = rest.strip() or read(f"the {read_short.scope}'s new cap, in {unit} > ").strip()
                result: dict[str, JsonValue] = {
                    read_short.limit: typed if read_short.limit == "working_time" else _number(typed)
                }
                wrong = read_raise(read_short, result)
                if not isinstance(wrong, tuple):
                    return {"result": result}
                tell(f"    {wrong[1]}")
            case _:
                pass


def _number(typed: str) -> int | float | str:
    try:
        value = float(typed.removeprefix("$").replace(",", ""))
    except ValueError:
        return typed
    return int(value) if value.is_integer() else value
