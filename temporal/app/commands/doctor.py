"""`perdure doctor`: looks whether all that Perdure stands on is there and as it should be, a line a check."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.text import Text
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.temporal.app.commands import checkup, worker_checks
from perdure.temporal.app.commands.blob_check import blob_store
from perdure.temporal.app.commands.checkup import Check
from perdure.temporal.app.commands.deployment_checks import clock, keys_file
from perdure.temporal.app.commands.gateway_checks import gateway
from perdure.temporal.app.commands.limits_check import limits
from perdure.temporal.app.commands.live_check import live
from perdure.temporal.app.commands.model_checks import models
from perdure.temporal.app.console.direct import run
from perdure.temporal.app.console.terminal import plain
from perdure.temporal.app.processes.sources import usual_sources
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.definitions.folders import SHIPPED, AgentFolders, Reading
from perdure.temporal.environment import environment
from perdure.temporal.server.client import TemporalUnavailable, connect
from perdure.temporal.settings import Settings
from perdure.temporal.stores.opened import open_blobs

#: Seconds between two looks.
_AGAIN_S: Final = 1.0
_STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "bold red", "unknown": "dim"}


def examine(
    agents: list[Path] | None,
    tools: list[str] | None,
    models: Path | None,
    data_dir: Path | None,
    url: str | None,
    wait_s: float,
) -> None:
    """Prints a line for each check; exits with 1 if one of them fails. `url`: a gateway to look at, too. `wait_s`: for how
    long to look again while one fails."""
    sources = usual_sources(agents, tools, models)
    settings = Settings.load(data_dir=data_dir)
    catalogue = load_catalogue(sources.tools)
    folders = AgentFolders.of([SHIPPED, *sources.agents], sources.models, frozenset(catalogue.names))

    async def work() -> bool:
        console = Console(highlight=False, soft_wrap=True)
        failed = False
        async for check in waited(lambda: _checks(settings, folders.read(), url), wait_s):
            console.print(line(check))
            failed = failed or check.state == "failed"
        return failed

    if run(work()):
        raise typer.Exit(1)


def line(check: Check) -> Text:
    shown = Text.assemble((f"{check.state:<8}", _STYLES[check.state]), f"{check.name}: {plain(check.found)}")
    return shown.append(f"; {plain(check.advice)}", style="dim") if check.advice else shown


async def waited(look: Callable[[], AsyncIterator[Check]], wait_s: float) -> AsyncIterator[Check]:
    """The checks of the first look in which none fails; those of the last one, begun after `wait_s`, as they are made."""
    until = time.monotonic() + wait_s
    while (left := until - time.monotonic()) > 0:
        found = [check async for check in look()]
        if all(check.state != "failed" for check in found):
            for check in found:
                yield check
            return
        await asyncio.sleep(min(left, _AGAIN_S))
    async for check in look():
        yield check


async def _checks(settings: Settings, reading: Reading, url: str | None) -> AsyncIterator[Check]:
    stored = await blob_store(settings.blob_store)
    # What Temporal is asked below is small, so none of it is in a store that cannot be used.
    usable = settings.blob_store if stored.state != "failed" else settings.data_dir / "blobs"
    try:
        client = await connect(settings, blobs=usable)
    except TemporalUnavailable as error:
        yield Check("failed", "server", str(error), "start one (perdure dev brings its own), or set TEMPORAL_ADDRESS")
    else:
        async for check in _of_temporal(client, settings):
            yield check
        try:
            async for check in checkup.schedules(client, reading):
                yield check
        except RPCError as error:
            yield checkup.refused("schedules", error)
    for check in (
        *checkup.definitions(reading),
        *checkup.keys(reading),
        *checkup.packages(reading),
        *checkup.prices(reading),
    ):
        yield check
    learnt = open_blobs(usable, cache_bytes=0) if usable == settings.blob_store else None
    async for check in models(reading, learnt, environment()):
        yield check
    yield stored
    yield await live(settings.live_address)
    yield await limits(settings)
    if settings.keys_file is not None:
        yield keys_file(settings.keys_file)
    if url is not None:
        async for check in gateway(url):
            yield check


async def _of_temporal(client: Client, settings: Settings) -> AsyncIterator[Check]:
    looks: list[tuple[str, Awaitable[Check]]] = [
        ("server", checkup.server(client)),
        ("retention", checkup.retention(client, settings.retention_days)),
        ("search attributes", checkup.search_attributes(client)),
        ("workers", worker_checks.workers(client)),
        *(("workers", worker_checks.own_workers(client, *own)) for own in settings.own_queues.items()),
        ("clock", clock(client)),
    ]
    if settings.deployment_name is not None and settings.build_id is not None:
        looks.append(("deployment", checkup.deployment(client, settings.deployment_name, settings.build_id)))
    for name, look in looks:
        try:
            yield await look
        except RPCError as error:
            yield checkup.refused(name, error)
    yield checkup.server_settings()
