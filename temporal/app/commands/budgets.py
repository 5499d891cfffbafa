"""`perdure budgets`: list, show and set, by the gateway."""

from math import isfinite
from typing import Any, Final
from urllib.parse import quote

import httpx2
from rich.console import Console
from rich.table import Table

from perdure.temporal.app.console.gateway import GatewayAddress, problem_of
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import one_line

_TIMEOUT_S: Final = 30
_PERIODS: Final = {"day": "today", "month": "this month", "total": "in all"}
_UNITS: Final = ("cost_usd", "tokens", "tool_calls")
_EXAMPLE: Final = "write each as PERIOD.UNIT=CAP: day.cost_usd=10, month.tokens=none; or PERIOD=none"


def list_budgets(limit: int, gateway: GatewayAddress) -> None:
    """Prints a line for each. Raises `Refused`."""
    found = _ask("GET", f"/v1/budgets?limit={limit}", None, gateway)["budgets"]
    if not found:
        Console().print("no budgets yet: nobody has set one, and no agent with limits for users or tenants has run")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("", "", "today", "this month", "in all", "leased", "waiting"):
        table.add_column(title, overflow="fold")
    for one in found:
        spent = [_of(one["spent"][period], one["caps"][period], "cost_usd") for period in _PERIODS]
        leased = _shown("cost_usd", one["leased"]["total"]["cost_usd"])
        table.add_row(one["scope"], one_line(one["id"]), *spent, leased, str(one["waiting"] or ""))
    Console(highlight=False).print(table)


def show(scope: str, owner: str, gateway: GatewayAddress) -> None:
    """Prints one in whole. Raises `Refused`."""
    _print(_ask("GET", _path(scope, owner), None, gateway))


def set_caps(scope: str, owner: str, caps: list[str], gateway: GatewayAddress) -> None:
    """Sets caps, written as `day.cost_usd=10`, and prints the budget. Raises `Refused`."""
    _print(_ask("PUT", _path(scope, owner), read_caps(caps), gateway))


def read_caps(caps: list[str]) -> dict[str, Any]:
    """The body that sets these. Raises `Refused`."""
    body: dict[str, Any] = {}
    for cap in caps:
        limit, equals, given = cap.partition("=")
        period, dot, unit = limit.partition(".")
        if not equals or period not in _PERIODS or (dot and unit not in _UNITS):
            raise Refused(f"{cap!r} sets no cap; {_EXAMPLE}")
        if not dot:
            if given != "none":
                raise Refused(f"{cap!r} does not say what is capped; {_EXAMPLE}")
            body[period] = None
            continue
        if body.get(period, {}) is None:
            raise Refused(f"{period} is lifted already; leave {cap!r} out")
        body.setdefault(period, {})[unit] = _number(cap, unit, given)
    return body


def _number(cap: str, unit: str, given: str) -> float | int | None:
    if given == "none":
        return None
    try:
        number = float(given) if unit == "cost_usd" else int(given)
        if not isfinite(number):
            raise ValueError
        return number
    except (OverflowError, ValueError):
        kind = "a number of dollars" if unit == "cost_usd" else "a whole number"
        raise Refused(f"{cap!r}: {given!r} is not {kind}") from None


def _print(budget: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(f"{budget['scope']} {one_line(budget['id'])}")
    table = Table(box=None, pad_edge=False)
    for title in ("", "dollars", "tokens", "tool calls"):
        table.add_column(title)
    for period, words in _PERIODS.items():
        table.add_row(words, *(_of(budget["spent"][period], budget["caps"][period], unit) for unit in _UNITS))
    leased = budget["leased"]["total"]
    table.add_row("leased", *(_shown(unit, leased[unit]) for unit in _UNITS))
    console.print(table)
    console.print(f"{budget['sessions']} sessions hold leases; {budget['waiting']} wait for more")


def _of(spent: dict[str, Any], caps: dict[str, Any] | None, unit: str) -> str:
    cap = None if caps is None else caps[unit]
    return _shown(unit, spent[unit]) + ("" if cap is None else f" of {_shown(unit, cap)}")


def _shown(unit: str, amount: float) -> str:
    return f"${amount:.4f}" if unit == "cost_usd" else f"{amount:,.0f}"


def _path(scope: str, owner: str) -> str:
    # A segment of dots alone would be taken for a step in the path, not for a user.
    owner = owner.replace(".", "%2E") if owner in (".", "..") else quote(owner, safe="")
    return f"/v1/budgets/{scope}/{owner}"


def _ask(method: str, path: str, body: dict[str, Any] | None, gateway: GatewayAddress) -> Any:
    with httpx2.Client(base_url=gateway.url, headers=gateway.headers, timeout=_TIMEOUT_S) as http:
        try:
            answer = http.request(method, path, json=body)
        except httpx2.TransportError as error:
            raise gateway.away(error) from None
    if not answer.is_success:
        raise Refused(problem_of(answer))
    return answer.json()
