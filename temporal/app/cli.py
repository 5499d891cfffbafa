"""The command line. It reads options, calls what they name, and turns known errors into one line for people."""

import asyncio
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
import uvloop
from rich.console import Console
from rich.markup import escape

from perdure.activities.tools.tool import ToolLoadError
from perdure.temporal.app.bench.command import bench
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.commands import agents, chat, doctor, fork, new, replay, sessions, tools, traces
from perdure.temporal.app.console.exit import leave
from perdure.temporal.app.console.refused import Refused, ServerDied
from perdure.temporal.app.console.terminal import plain
from perdure.temporal.app.dev_server.database import DatabaseBroken
from perdure.temporal.app.dev_server.lock import AlreadyRunning
from perdure.temporal.app.dev_server.server import PortTaken, ServerFailed
from perdure.temporal.app.processes.sources import usual_sources
from perdure.temporal.server.client import TemporalUnavailable
from perdure.temporal.settings import SettingsInvalid
from perdure.temporal.telemetry.metrics import ExporterFailed

app = typer.Typer(
    name="perdure", help="AI agent sessions that never die.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(agents.app, name="agents")
app.add_typer(sessions.app, name="sessions")
app.add_typer(tools.app, name="tools")
app.command()(chat.chat)
app.command()(traces.trace)
app.command()(replay.replay)
app.command()(fork.fork)
app.command()(doctor.doctor)
app.command()(bench)

#: Errors whose message is all that a person needs.
KNOWN = (
    AlreadyRunning,
    BenchFailed,
    DatabaseBroken,
    ExporterFailed,
    PortTaken,
    ServerDied,
    ServerFailed,
    SettingsInvalid,
    TemporalUnavailable,
    ToolLoadError,
    new.NotEmpty,
    Refused,
)

Agents = Annotated[list[Path] | None, typer.Option("--agents", help="A folder of agent definitions; may be repeated.")]
Tools = Annotated[list[str] | None, typer.Option("--tools", help="A module or file of tools; may be repeated.")]
Models = Annotated[Path | None, typer.Option("--models", help="Models that lie below those of the definitions.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]


@app.command()
def dev(
    host: Annotated[str, typer.Option(help="Loopback address to serve on.")] = "127.0.0.1",
    port: Port = 8000,
    temporal_port: Port = 7233,
    ui_port: Port = 8233,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept; .perdure by default.")] = None,
    agents: Agents = None,
    tools: Tools = None,
    models: Models = None,
) -> None:
    """Run everything in one process: Temporal, a worker and the gateway."""
    from perdure.temporal.app.processes import start

    _run(start.dev(host, port, temporal_port, ui_port, data_dir, usual_sources(agents, tools, models)))


@app.command()
def worker(agents: Agents = None, tools: Tools = None, models: Models = None) -> None:
    """Run a worker for the Temporal cluster that TEMPORAL_ADDRESS names."""
    from perdure.temporal.app.processes import start

    _run(start.worker(usual_sources(agents, tools, models)))


@app.command()
def gateway(
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Port = 8000,
    insecure: Annotated[
        bool,
        typer.Option(
            help="Serve on an address that other machines reach, without authentication: whoever reaches it runs "
            "tools, answers approvals and reads every session."
        ),
    ] = False,
    agents: Agents = None,
    tools: Tools = None,
    models: Models = None,
) -> None:
    """Run a gateway for the Temporal cluster that TEMPORAL_ADDRESS names."""
    from perdure.temporal.app.processes import start

    _run(start.gateway(host, port, insecure, usual_sources(agents, tools, models)))


@app.command("new")
def new_project(directory: Annotated[Path, typer.Argument(help="A folder that is empty or does not exist.")]) -> None:
    """Write an agent, a tool and a test to start from."""
    for path in new.create(directory):
        typer.echo(path)


def _run(process: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(process)


def main() -> None:
    """The entry point `perdure`. Ends the process by the one way out, with 1 on an error that is told."""
    code = 0
    # Standard output is for a command's answer. Those that run for long say later how they log.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        app()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except KNOWN as problem:
        Console(stderr=True).print(
            f"[bold red]error:[/] {escape(plain(str(problem)))}", highlight=False, soft_wrap=True
        )
        code = 1
    except Exception:
        traceback.print_exc(file=sys.stderr)
        code = 70
    leave(code)
