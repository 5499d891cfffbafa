"""`perdure sessions`: show, stop, close, erase and export, straight from Temporal.

Nothing here needs a gateway. What asks a session something (show, stop, close, erase of an open one) needs a worker.
"""

from pathlib import Path

import typer
from rich.console import Console

from perdure.temporal.app.commands.session_text import session_lines
from perdure.temporal.app.console.direct import Direct, reach, run
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.replay.export import write_files, write_histories
from perdure.temporal.sessions.errors import SessionNotFound
from perdure.temporal.sessions.runs import runs_of


def show(session: str, turns: int, tenant: str, data_dir: Path | None) -> None:
    """Prints a session and its last `turns` turns in words."""

    async def work() -> None:
        to = await reach(tenant, data_dir)
        asked = to.session(session)
        page, messages = await asked.pages()
        set_timers = (await asked.timers()).timers
        variables = await asked.variables()
        console = Console(highlight=False, soft_wrap=True)
        for line in session_lines(page, messages, turns, set_timers, variables):
            console.print(line)

    run(work())


def stop(session: str, tenant: str, data_dir: Path | None) -> None:
    """Stops the turn that runs, and keeps the session."""

    async def work() -> str:
        to = await reach(tenant, data_dir)
        running = to.session(session)
        receipt = await running.receipt()
        if receipt.turn_id is None and not receipt.closed:
            return "no turn runs"
        await running.stop(receipt.turn_id)
        return f"{receipt.turn_id} was told to stop"

    typer.echo(run(work()))


def close(session: str, tenant: str, data_dir: Path | None) -> None:
    """Closes a session for good."""

    async def work() -> bool:
        to = await reach(tenant, data_dir)
        return await to.session(session).close()

    typer.echo("told to close" if run(work()) else "closed already")


def erase(session: str, yes: bool, terminate: bool, tenant: str, data_dir: Path | None) -> None:
    """Closes a session and deletes every history and every blob of it; `terminate` ends it at once."""

    async def work(to: Direct) -> str:
        erased = await to.session(session).erase(terminate=terminate)
        said = f"erased {erased.runs} histories and {erased.blobs} blobs in {to.settings.blob_store}"
        return said if erased.complete else f"{said}; Temporal is still at it"

    async def ready() -> str:
        to = await reach(tenant, data_dir)
        to.need_blobs()
        to.session(session)
        if not yes and not typer.confirm(f"Erase the session {session} of {tenant} for good?"):
            raise Refused("nothing was erased")
        return await work(to)

    typer.echo(run(ready()))


def export(session: str, folder: Path, tenant: str, data_dir: Path | None) -> None:
    """Writes a session's histories as JSON files that replay anywhere, and its files."""

    async def work() -> None:
        to = await reach(tenant, data_dir)
        workflow_id = to.session(session).workflow_id
        runs = await runs_of(to.client, workflow_id)
        if not runs:
            raise SessionNotFound
        async for path in write_histories(to.client, to.blobs, workflow_id, runs, folder):
            typer.echo(path)
        async for path in write_files(to.blobs, workflow_id, folder):
            typer.echo(path)

    run(work())
