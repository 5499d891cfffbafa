"""`perdure run AGENT key=value`: an agent run once for its result, over the gateway's HTTP.

Rule: the result goes to standard output, and all else to standard error, so that a pipe has the result alone.
"""

import json
import uuid
from typing import Any, Final

import httpx2
import typer
from rich.console import Console

from perdure.temporal.app.chat.stream import AWAY, ENDED, LIMITED, SILENT, frames_after
from perdure.temporal.app.chat.waits import SILENCE, pause, told_to_wait
from perdure.temporal.app.console.gateway import GatewayAddress, problem_of
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import arguments, dollars, one_line, result, tokens
from perdure.temporal.app.worker_runs.inputs import read_pairs

#: Longer than the gateway is silent: it sends a comment every 15 s.
_TIMEOUT: Final = httpx2.Timeout(40, connect=5)


def run_once(
    agent: str,
    inputs: list[str],
    gateway: GatewayAddress,
    *,
    message: str | None,
    key: str | None,
    as_json: bool,
    wait: bool,
) -> None:
    """Runs the agent, and prints its result or, unless it is waited for, the run's id. Raises `Refused`, and `typer.Exit`
    where the run fails."""
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    given = read_pairs(agent, agent_of(gateway, agent)["inputs"], inputs)
    # A key of our own, so that a request that is sent twice is one run.
    body: dict[str, Any] = {"agent": agent, "inputs": given, "idempotency_key": key or uuid.uuid4().hex}
    if message is not None:
        body["message"] = message
    with httpx2.Client(base_url=gateway.url, headers=gateway.headers, timeout=_TIMEOUT) as http:
        run_id = str(_asked(http, "POST", "/v1/runs", console, body)["run_id"])
        console.print(f"run {run_id}", style="dim")
        if not wait:
            typer.echo(run_id)
            return
        try:
            _follow(http, console, run_id, gateway)
        except KeyboardInterrupt:
            raise Refused(f"no longer waited for; the run goes on: GET {gateway.url}/v1/runs/{run_id}") from None
        found = _asked(http, "GET", f"/v1/runs/{run_id}?wait=20", console)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    elif found["status"] == "done":
        said = found["result"]
        typer.echo(said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, indent=2))
    console.print(f"{found['status']}; {tokens(found['usage'])}; {dollars(found['cost_usd'])}", style="dim")
    if found["status"] != "done":
        error = found.get("error", {})
        console.print(f"{error.get('type')}: {one_line(str(error.get('message')), 500)}", style="red")
        raise typer.Exit(1)


def agent_of(gateway: GatewayAddress, agent: str) -> dict[str, Any]:
    """The agent as the gateway knows it. Raises `Refused`."""
    try:
        with httpx2.Client(base_url=gateway.url, headers=gateway.headers, timeout=_TIMEOUT) as http:
            answer = http.get(f"/v1/agents/{agent}")
    except AWAY as error:
        raise gateway.away(error) from None
    if answer.status_code != 200:
        raise Refused(problem_of(answer))
    found: dict[str, Any] = answer.json()
    return found


def _asked(
    http: httpx2.Client, method: str, path: str, console: Console, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the gateway answers, however often it is away. Raises `Refused`."""
    failures = 0
    while True:
        why = SILENCE
        try:
            answer = http.request(method, path, json=body)
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
            if answer.status_code not in (429, 502, 503, 504):
                raise Refused(problem_of(answer))
            why = (told_to_wait(answer) or (SILENCE, 0))[0]
        except AWAY:
            pass
        if failures == 1:
            console.print(why, style="dim")
        pause(failures)
        failures += 1


def _follow(http: httpx2.Client, console: Console, run_id: str, gateway: GatewayAddress) -> None:
    """Tells what the run does until its session is closed."""
    for kind, _, data in frames_after(http, f"/v1/sessions/{run_id}", 0):
        if kind in ("session.closed", ENDED) or (kind == "session.snapshot" and data["status"] == "closed"):
            return
        if (line := _line(kind, data, f"perdure chat {run_id}{gateway.options}")) is not None:
            console.print(line, style="dim")


def _line(kind: str, data: dict[str, Any], answering: str) -> str | None:
    """What a frame says of a run; None: nothing."""
    if kind in (SILENT, LIMITED):
        return str(data.get("words", SILENCE))
    match kind:
        case "step.started":
            return f"{data['step_id']} {data['model']}"
        case "step.finished" if data.get("misfit"):
            return f"  does not have the form: {one_line(data['misfit'])}"
        case "tool.started":
            return f"  {data['name']}({arguments(data['args'])})"
        case "tool.finished":
            return f"  {data['name']} → {result(data['result'])}"
        case "approval.requested" | "input.requested" | "budget.paused":
            return f"  waits for a person: {answering}"
        case _:
            return None
