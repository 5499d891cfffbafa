"""The commands that run for long: `dev`, `worker`, `gateway`. What they do is in `processes.start`."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from perdure.temporal.app.cli.options import Agents, DataDir, Models, Port, Tools, flag


def dev(
    host: Annotated[str, typer.Option(help="Loopback address to serve on.")] = "127.0.0.1",
    port: Port = 8000,
    temporal_port: Port = 7233,
    ui_port: Port = 8233,
    data_dir: Annotated[
        Path | None, typer.Option(envvar="PERDURE_DATA_DIR", help="Where everything is kept; .perdure by default.")
    ] = None,
    agents: Agents = None,
    tools: Tools = None,
    models: Models = None,
) -> None:
    """Run everything in one process: Temporal, a worker and the gateway."""
    from perdure.temporal.app.processes import start
    from perdure.temporal.app.processes.sources import usual_sources

    _run(start.dev(host, port, temporal_port, ui_port, data_dir, usual_sources(agents, tools, models)))


def worker(
    agents: Agents = None,
    tools: Tools = None,
    models: Models = None,
    data_dir: DataDir = None,
    queues: Annotated[
        str | None,
        typer.Option(
            envvar="PERDURE_QUEUES",
            show_envvar=True,
            help="What it takes: sessions, models, tools, or some of them with commas between. Model calls and tools are "
            "apart where PERDURE_MODELS_QUEUE and PERDURE_TOOLS_QUEUE give them a task queue. Everything by default.",
        ),
    ] = None,
) -> None:
    """Run a worker for the Temporal server that TEMPORAL_ADDRESS names, or else for that of `perdure dev`."""
    from perdure.temporal.app.processes import start
    from perdure.temporal.app.processes.sources import usual_sources

    _run(start.worker(data_dir, queues, usual_sources(agents, tools, models)))


def gateway(
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Port = 8000,
    insecure: Annotated[
        bool,
        flag(
            "--insecure",
            "Serve on an address that other machines reach though no authentication is configured: whoever reaches it runs "
            "tools, answers approvals and reads every session.",
        ),
    ] = False,
    agents: Agents = None,
    tools: Tools = None,
    models: Models = None,
    data_dir: DataDir = None,
    drain: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=3600,
            envvar="PERDURE_DRAIN_S",
            show_envvar=True,
            help="Seconds that it still serves once it is told to stop, while /healthz/traffic answers 503: longer "
            "than a load balancer takes to notice. 0 by default.",
        ),
    ] = None,
) -> None:
    """Run a gateway for the Temporal server that TEMPORAL_ADDRESS names, or else for that of `perdure dev`."""
    from perdure.temporal.app.processes import start
    from perdure.temporal.app.processes.sources import usual_sources

    _run(start.gateway(host, port, insecure, data_dir, drain, usual_sources(agents, tools, models)))


def _run(process: Coroutine[Any, Any, None]) -> None:
    import uvloop

    from perdure.temporal.app.console.logs import log_to_stderr

    log_to_stderr()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(process)
