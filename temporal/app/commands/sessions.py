"""`perdure sessions`: show, stop, close, erase and export, straight from Temporal.

Nothing here needs a gateway. What asks a session something (show, stop, close, erase of an open one) needs a worker.
"""

import uuid
from pathlib import Path

import typer
from rich.console import Console

from perdure.gateway.backend.erase import Eraser
from perdure.gateway.backend.runs import runs_of
from perdure.gateway.http.problems import Problem
from perdure.gateway.routes.snapshots import read_snapshot
from perdure.temporal.app.commands.session_text import session_lines
from perdure.temporal.app.console.direct import Direct, reach, run
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.replay.export import write_histories
from perdure.workflows.protocol.commands import Stop
from perdure.workflows.session import SessionWorkflow

#: Somebody who waits at a terminal would rather wait than ask again.
_ERASED_WITHIN_S = 60.0


def show(session: str, turns: int, tenant: str, data_dir: Path | None) -> None:
    """Prints a session and its last `turns` turns in words."""

    async def work() -> None:
        to = await reach(tenant, data_dir)
        page, messages = await read_snapshot(to.backend, to.workflow_id(session))
        set_timers = (await to.backend.ask(to.workflow_id(session), SessionWorkflow.timers)).timers
        console = Console(highlight=False, soft_wrap=True)
        for line in session_lines(page, messages, turns, set_timers):
            console.print(line)

    run(work())


def stop(session: str, tenant: str, data_dir: Path | None) -> None:
    """Stops the turn that runs, and keeps the session."""

    async def work() -> str:
        to = await reach(tenant, data_dir)
        receipt = await to.backend.query(to.workflow_id(session), SessionWorkflow.receipt, "")
        if receipt.closed:
            raise Problem("session_closed")
        if receipt.turn_id is None:
            return "no turn runs"
        await to.backend.signal(to.workflow_id(session), Stop(id=uuid.uuid4().hex, turn_id=receipt.turn_id))
        return f"{receipt.turn_id} was told to stop"

    typer.echo(run(work()))


def close(session: str, tenant: str, data_dir: Path | None) -> None:
    """Closes a session for good."""

    async def work() -> bool:
        to = await reach(tenant, data_dir)
        return await to.backend.close(to.workflow_id(session))

    typer.echo("told to close" if run(work()) else "closed already")


def erase(session: str, yes: bool, terminate: bool, tenant: str, data_dir: Path | None) -> None:
    """Closes a session and deletes every history and every blob of it; `terminate` ends it at once."""

    async def work(to: Direct) -> str:
        erased = await Eraser(to.client, to.backend, to.blobs, _ERASED_WITHIN_S).erase(
            to.workflow_id(session), terminate=terminate
        )
        said = f"erased {erased.runs} histories and {erased.blobs} blobs in {to.settings.blobs_root}"
        return said if erased.complete else f"{said}; Temporal is still at it"

    async def ready() -> str:
        to = await reach(tenant, data_dir)
        to.need_blobs()
        to.workflow_id(session)
        if not yes and not typer.confirm(f"Erase the session {session} of {tenant} for good?"):
            raise Refused("nothing was erased")
        return await work(to)

    typer.echo(run(ready()))


def export(session: str, folder: Path, tenant: str, data_dir: Path | None) -> None:
    """Writes a session's histories as JSON files that replay anywhere."""

    async def work() -> None:
        to = await reach(tenant, data_dir)
        workflow_id = to.workflow_id(session)
        runs = await runs_of(to.client, workflow_id)
        if not runs:
            raise Problem("session_not_found")
        async for path in write_histories(to.client, to.blobs, workflow_id, runs, folder):
            typer.echo(path)

    run(work())
