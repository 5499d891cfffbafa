"""The long-running processes: the embedded whole (`dev`), and worker and gateway for any cluster.

Rule 1: what was started is stopped in the opposite order, also when starting fails half-way.
Rule 2: SIGINT and SIGTERM stop cleanly: a gateway says that it is not ready, and serves until balancers have noticed;
viewers are cut (so that they come again), the worker drains, Temporal goes last.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, get_args

import structlog
import uvicorn
from fastapi import FastAPI
from temporalio.client import Client
from temporalio.worker import Worker

from perdure.activities.models import providers
from perdure.gateway.auth.authentication import Authentication
from perdure.gateway.http.connections import Bounds, protocol
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.dev_server.ports import listen
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.assembly import DEFINITIONS_CHECK_S, Parts, assemble, make_app, make_workers
from perdure.temporal.app.processes.health import WorkerHealth, health_served
from perdure.temporal.app.processes.identity import lasting_id, new_identity
from perdure.temporal.app.processes.limits import limits_between
from perdure.temporal.app.processes.live import live_between
from perdure.temporal.app.processes.reap import reap
from perdure.temporal.app.processes.revival import revive
from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.app.processes.stopping import stop_signal
from perdure.temporal.app.processes.telemetry import telemetry
from perdure.temporal.app.processes.tool_files import ToolFiles
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.server.claims import Claims
from perdure.temporal.server.client import connect, ensure_search_attributes
from perdure.temporal.server.dev_addresses import DevAddresses, published
from perdure.temporal.server.schedule_keeper import ScheduleKeeper
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import StoreUnavailable
from perdure.temporal.task_queues import Serves

log = structlog.get_logger(__name__)

#: An open stream is cut before the server stops; this is for what is left.
GATEWAY_STOP_S = 3
#: Bytes of a body in a second, below which a client is too slow.
_BODY_RATE = 8 * 1024
#: How the SDK tells of a poll that it does not repeat.
_POLL_REFUSED = re.compile(r'^Poll failure: .*?message: "((?:[^"\\\\]|\\\\.)*)"', re.DOTALL)


async def run_dev(
    settings: Settings,
    sources: Sources,
    *,
    host: str,
    port: int,
    temporal_port: int,
    ui_port: int,
    ready: Callable[[str, str | None, Parts], None],
) -> None:
    """The whole of Perdure in this process, with the real Temporal dev server as its child, until a signal comes.

    `ready(url, temporal_ui, parts)` is called once when it serves.
    """
    stopped = stop_signal(impatient=False)
    async with AsyncExitStack() as stack:
        # Before anything else is started, and held from then on.
        listener = stack.enter_context(listen(host, port, "--port"))
        server = await stack.enter_async_context(
            DevServer(
                settings.data_dir,
                temporal_port,
                ui_port,
                retention_days=settings.retention_days,
                allowed_hosts=settings.allowed_hosts,
            )
        )
        identity, previous = new_identity(settings.data_dir)
        runtime, told = await stack.enter_async_context(telemetry(settings, served=True))
        client = await connect(settings, address=server.address, identity=identity, runtime=runtime)
        if previous is not None:
            # Before our own worker polls: an interrupted step goes on now, not after its heartbeat time-out.
            reaped = await reap(client, previous)
            log.info("reaped", attempts=reaped)
        parts = assemble(settings, sources, demo_without_keys=True, telemetry=told)
        live = MemoryLive(asyncio.get_running_loop(), whole=True)
        await stack.enter_async_context(_definitions(parts))
        if sources.tools:
            await stack.enter_async_context(_in_background(ToolFiles.of_user().watch(DEFINITIONS_CHECK_S)))
        stack.push_async_callback(parts.aclose)
        providers.load(parts.definitions.providers)
        limits = Limits(Caps.of(settings), metrics=told.metrics)
        workers = make_workers(client, live, parts, get_args(Serves), limits)
        running = await stack.enter_async_context(_working(workers))
        await stack.enter_async_context(_schedules(client, parts, lasting_id(settings.data_dir)))
        app = make_app(client, live, parts, limits, host=host, temporal_ui=server.ui_url, scrub=server.scrub)
        failed = await stack.enter_async_context(_serving(app, listener, settings))
        reviving = asyncio.create_task(revive(server))
        url = f"http://{host}:{port}"
        stack.enter_context(published(settings.data_dir, DevAddresses(url, server.address, server.ui_url)))
        try:
            ready(url, server.ui_url, parts)
            until = {reviving, failed, *running, asyncio.create_task(stopped.wait())}
            await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
            if reviving.done():
                reviving.result()
            _raise_failure(running)
        finally:
            reviving.cancel()
            await asyncio.gather(reviving, return_exceptions=True)


async def run_worker(settings: Settings, sources: Sources, ready: Callable[[str], None]) -> None:
    """A worker on the cluster that `TEMPORAL_…` names, until a signal comes."""
    stopped = stop_signal(impatient=True)
    async with AsyncExitStack() as stack:
        runtime, told = await stack.enter_async_context(telemetry(settings, served=False))
        client = await connect(settings, runtime=runtime)
        health = WorkerHealth(client)
        await stack.enter_async_context(health_served(health, settings.health_address))
        await ensure_search_attributes(client)
        parts = assemble(settings, sources, demo_without_keys=False, telemetry=told)
        await stack.enter_async_context(_definitions(parts))
        stack.push_async_callback(parts.aclose)
        providers.load(parts.definitions.providers)
        live = await stack.enter_async_context(live_between(settings, client.namespace, told.metrics))
        limits = await stack.enter_async_context(
            limits_between(settings, client.namespace, told.metrics, gateway=False)
        )
        serves: tuple[Serves, ...] = settings.queues or get_args(Serves)
        workers = make_workers(client, live, parts, serves, limits)
        running = await stack.enter_async_context(_working(workers))
        if "sessions" in serves:
            await stack.enter_async_context(_schedules(client, parts))
        health.ready(workers)
        ready(client.service_client.config.target_host)
        await asyncio.wait({*running, asyncio.create_task(stopped.wait())}, return_when=asyncio.FIRST_COMPLETED)
        health.stopping()
        _raise_failure(running)


async def run_gateway(
    settings: Settings,
    sources: Sources,
    *,
    host: str,
    port: int,
    ready: Callable[[str], None],
    asks: Authentication | None = None,
) -> None:
    """A gateway to the cluster that `TEMPORAL_…` names, until a signal comes."""
    stopped = stop_signal(impatient=True)
    async with AsyncExitStack() as stack:
        # Before anything else is started, and held from then on.
        listener = stack.enter_context(listen(host, port, "--port"))
        runtime, told = await stack.enter_async_context(telemetry(settings, served=True))
        client = await connect(settings, runtime=runtime)
        parts = assemble(settings, sources, demo_without_keys=False, telemetry=told)
        await stack.enter_async_context(_definitions(parts))
        stack.push_async_callback(parts.aclose)
        live = await stack.enter_async_context(live_between(settings, client.namespace, told.metrics))
        limits = await stack.enter_async_context(limits_between(settings, client.namespace, told.metrics, gateway=True))
        app = make_app(client, live, parts, limits, host=host, temporal_ui=None, asks=asks)
        failed = await stack.enter_async_context(_serving(app, listener, settings))
        ready(f"http://{host}:{port}")
        await asyncio.wait({failed, asyncio.create_task(stopped.wait())}, return_when=asyncio.FIRST_COMPLETED)


@asynccontextmanager
async def _definitions(parts: Parts) -> AsyncIterator[None]:
    """Raises `Refused` where the blob store cannot be written: nothing that starts now could serve."""
    try:
        await parts.definitions.publish()
    except StoreUnavailable as error:
        raise Refused(str(error)) from error
    async with _in_background(parts.definitions.watch(DEFINITIONS_CHECK_S)):
        yield


def _schedules(client: Client, parts: Parts, worker: str | None = None) -> AbstractAsyncContextManager[None]:
    """Not waited for: a server that has no schedules still serves sessions."""
    claims = Claims(parts.blobs, client.namespace, worker)
    keeper = ScheduleKeeper(client, parts.definitions, claims, parts.settings.data_dir / "schedules.json")
    return _in_background(keeper.keep(DEFINITIONS_CHECK_S))


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _working(workers: list[Worker]) -> AsyncIterator["set[asyncio.Task[None]]"]:
    """Yields tasks that end only where a worker fails for good, as when it may poll no more."""
    running = {asyncio.create_task(worker.run()) for worker in workers}
    try:
        yield running
    finally:
        # At the same time: each has its whole grace period.
        await asyncio.gather(*(worker.shutdown() for worker in workers))
        await asyncio.gather(*running, return_exceptions=True)


def _raise_failure(running: "set[asyncio.Task[None]]") -> None:
    """Raises what a worker failed with, so that its process ends with an error and is started again: `Refused` where
    Temporal takes its polls no more."""
    for task in running:
        if task.done():
            try:
                task.result()
            except RuntimeError as error:
                if (reason := _POLL_REFUSED.search(str(error.__cause__))) is None:
                    raise
                raise Refused(f"the worker ended, because Temporal takes its polls no more: {reason[1]}") from error


class _Uvicorn(uvicorn.Server):
    """Leaves signals to us: the streams have to be cut first."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


@asynccontextmanager
async def _serving(app: FastAPI, listener: socket.socket, settings: Settings) -> AsyncIterator["asyncio.Task[None]"]:
    """Serves `app`; the task that it yields ends only if the server fails."""
    bounds = Bounds(
        head_s=settings.head_timeout_s,
        body_s=settings.body_timeout_s,
        body_rate=_BODY_RATE,
        connections=settings.max_connections,
    )
    config = uvicorn.Config(
        app,
        http=protocol(bounds),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GATEWAY_STOP_S,
        timeout_keep_alive=30,
        ws="none",
    )
    server = _Uvicorn(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if serving.done():
            await serving
            raise RuntimeError("the gateway did not start")
        await asyncio.sleep(0.01)
    try:
        yield serving
    finally:
        app.state.draining.begin()
        await asyncio.wait({serving}, timeout=settings.drain_s)
        app.state.watches.cut()
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
