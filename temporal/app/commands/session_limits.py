"""`perdure sessions limit`: changes what a session may do and cost, by the gateway."""

from typing import Any, Final
from urllib.parse import quote

import httpx2
import typer

from perdure.temporal.app.console.gateway import GatewayAddress, problem_of
from perdure.temporal.app.console.refused import Refused

_TIMEOUT_S: Final = 30


def limit(
    session: str,
    changes: dict[str, dict[str, Any]],
    on_limit: str | None,
    gateway: GatewayAddress,
) -> None:
    """Sets the limits of `changes` that are not None, by `turn` and `session`, and prints those that hold then.

    `on_limit` is `ask`, `stop` or the role that stands in. Raises `Refused`."""
    body: dict[str, Any] = {
        part: {name: value for name, value in limits.items() if value is not None} for part, limits in changes.items()
    }
    if on_limit is not None:
        body["on_limit"] = on_limit if on_limit in ("ask", "stop") else {"cheaper": on_limit}
    if not any(body.values()):
        raise Refused("say what to change, as in --session-cost 2; --help names all limits")
    path = f"/v1/sessions/{quote(session, safe='')}/limits"
    with httpx2.Client(base_url=gateway.url, headers=gateway.headers, timeout=_TIMEOUT_S) as http:
        try:
            answer = http.patch(path, json=body)
        except httpx2.TransportError as error:
            raise gateway.away(error) from None
    if not answer.is_success:
        raise Refused(problem_of(answer))
    limits = answer.json()["limits"]
    turn, whole = limits["turn"], limits["session"]
    typer.echo(f"a turn: {turn['steps']} steps, {_caps(turn)}; the session: {_caps(whole)}")


def _caps(limits: dict[str, Any]) -> str:
    cost = "no cap on costs" if limits["cost_usd"] is None else f"at most ${limits['cost_usd']:.2f}"
    told = {"tokens": "{} tokens", "tool_calls": "{} tool calls", "working_time": "{} of work"}
    others = [words.format(limits[name]) for name, words in told.items() if limits.get(name) is not None]
    return ", ".join((cost, *others))
