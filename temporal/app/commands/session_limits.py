"""`perdure sessions limit`: changes what a session may do and cost, by the gateway."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx2
import typer

from perdure.temporal.app.console.gateway import gateway_address, problem_of
from perdure.temporal.app.console.refused import Refused

_TIMEOUT_S: Final = 30


def limit(
    session: str,
    session_cost: float | None,
    turn_cost: float | None,
    steps: int | None,
    url: str | None,
    data_dir: Path | None,
) -> None:
    """Sets the limits that are given, costs in dollars, and prints those that hold then. Raises `Refused`."""
    changes: dict[str, dict[str, Any]] = {"session": {"cost_usd": session_cost}, "turn": {"cost_usd": turn_cost}}
    changes["turn"]["steps"] = steps
    body = {
        part: {name: value for name, value in limits.items() if value is not None} for part, limits in changes.items()
    }
    if not any(body.values()):
        raise Refused("say what to change: --session-cost, --turn-cost or --steps")
    gateway = gateway_address(url, data_dir)
    path = f"/v1/sessions/{quote(session, safe='')}"
    with httpx2.Client(base_url=gateway.url, timeout=_TIMEOUT_S) as http:
        try:
            answer = http.patch(f"{path}/limits", json=body)
            found = http.get(path) if answer.is_success else answer
        except httpx2.TransportError as error:
            raise gateway.away(error) from None
    if not found.is_success:
        raise Refused(problem_of(found))
    limits = found.json()["limits"]
    turn, whole = limits["turn"], limits["session"]
    typer.echo(
        f"a turn: {turn['steps']} steps, {_dollars(turn['cost_usd'])}; the session: {_dollars(whole['cost_usd'])}"
    )


def _dollars(cap: float | None) -> str:
    return "no cap on costs" if cap is None else f"at most ${cap:.2f}"
