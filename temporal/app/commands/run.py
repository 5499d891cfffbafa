"""`perdure run AGENT key=value`: an agent run once for its result, over the gateway's HTTP.

Rule: the result goes to standard output, and all else to standard error, so that a pipe has the result alone.
"""

import json
import uuid
from typing import Any

import typer
from rich.console import Console

from perdure.client import Wait, errors
from perdure.temporal.app.chat.stream import ENDED, LIMITED, SILENT, frames_after
from perdure.temporal.app.chat.waits import SILENCE, too_many
from perdure.temporal.app.console.connection import Connection
from perdure.temporal.app.console.gateway import GatewayAddress, problem_of
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import arguments, dollars, one_line, result, tokens
from perdure.temporal.app.worker_runs.inputs import read_pairs


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
    with Connection(gateway) as connection:
        run_id = str(_asked(connection, "POST", "/v1/runs", console, body)["run_id"])
        console.print(f"run {run_id}", style="dim")
        if not wait:
            typer.echo(run_id)
            return
        try:
            _follow(connection, console, run_id, gateway)
        except KeyboardInterrupt:
            raise Refused(f"no longer waited for; the run goes on: GET {gateway.url}/v1/runs/{run_id}") from None
        found = _asked(connection, "GET", f"/v1/runs/{run_id}?wait=20", console)
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
        with Connection(gateway) as connection:
            answer = connection.ask_once("GET", f"/v1/agents/{agent}")
    except errors.Unreachable as error:
        raise gateway.away(error.__cause__ or error) from None
    if answer.status_code != 200:
        raise Refused(problem_of(answer))
    found: dict[str, Any] = answer.json()
    return found


def _asked(
    connection: Connection, method: str, path: str, console: Console, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the gateway answers, however often it is away. Raises `Refused`."""

    def tell(wait: Wait) -> None:
        if wait.failures == 2:
            console.print(too_many(wait) or SILENCE, style="dim")

    answer = connection.ask(method, path, body, tell)
    if not answer.is_success:
        raise Refused(problem_of(answer))
    found: dict[str, Any] = answer.json()
    return found


def _follow(connection: Connection, console: Console, run_id: str, gateway: GatewayAddress) -> None:
    """Tells what the run does until its session is closed."""
    for kind, _, data in frames_after(connection, f"/v1/sessions/{run_id}", 0):
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
