"""What an answer to a budget question sets in place of a cap. Pure."""

from datetime import timedelta
from math import isfinite

from pydantic import JsonValue

from perdure.workflows.definition.limits import MOST_COUNTED
from perdure.workflows.definition.tools.options import YEAR
from perdure.workflows.vocabulary.durations import format_duration, parse_duration
from perdure.workflows.vocabulary.questions import Shortfall


def read_raise(short: Shortfall, result: JsonValue) -> float | tuple[str, str]:
    """The new cap that `result` gives, in the unit of the limit; or which field of it is wrong (empty: `result` itself), and
    what about it."""
    if short.limit == "provider":
        return "", "sets no cap here: the quota is the provider's. Give approved: true once it is mended, or false"
    if short.scope in ("user", "tenant"):
        return "", (
            f"sets no cap here: PUT /v1/budgets/{short.scope}/{{id}} does, and PATCH …/limits one that the definition gives. "
            "approved: true lets this turn go on"
        )
    if not isinstance(result, dict) or not result:
        return "", f"is an object that sets the cap, as in {{{_example(short)}}}"
    wrong = next((name for name in result if name != short.limit), None)
    if wrong is not None:
        return wrong, f"is not the limit that was reached; set {short.limit}"
    value = _number(short.limit, result[short.limit])
    if isinstance(value, str):
        return short.limit, value
    if value <= short.spent:
        return short.limit, f"is no more than what was spent already: {_shown(short.limit, short.spent)}"
    if short.cap is not None and value <= short.cap:
        return short.limit, f"is no more than the cap that was reached: {_shown(short.limit, short.cap)}"
    if short.limit == "working_time" and value > YEAR.total_seconds():
        return short.limit, "must be at most 365d"
    return value


def raised(short: Shortfall, value: float) -> dict[str, JsonValue]:
    """The change of the session's limits that sets `value` in place of the cap that was reached."""
    cap: JsonValue = value
    if short.limit == "working_time":
        cap = format_duration(timedelta(seconds=value))
    elif short.limit in ("tokens", "tool_calls"):
        cap = int(value)
    return {short.scope: {short.limit: cap}}


def _number(limit: str, given: JsonValue) -> float | str:
    if limit == "working_time" and isinstance(given, str):
        try:
            length: timedelta = parse_duration(given)
        except ValueError as error:
            return str(error)
        return length.total_seconds()
    whole = limit in ("tokens", "tool_calls")
    if isinstance(given, bool) or not isinstance(given, int if whole else int | float):
        return "is a duration, as in 10m" if limit == "working_time" else f"is a {'whole ' if whole else ''}number"
    if whole and given > MOST_COUNTED:
        return f"must be at most {MOST_COUNTED:,}"
    try:
        value = float(given)
    except OverflowError:
        return "is too large"
    return value if isfinite(value) else "is a number"


def _example(short: Shortfall) -> str:
    match short.limit:
        case "working_time":
            return '"working_time": "10m"'
        case "cost_usd":
            return f'"cost_usd": {short.spent + 2 * short.needs:.2f}'
        case _:
            return f'"{short.limit}": {short.spent + 2 * short.needs:.0f}'


def _shown(limit: str, amount: float) -> str:
    match limit:
        case "cost_usd":
            return f"${amount:.4f}"
        case "working_time":
            return f"{amount:g}s"
        case _:
            return f"{amount:,.0f}"
