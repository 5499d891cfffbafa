"""What the commands `dev`, `worker` and `gateway` do before and after their process runs: options in, words out."""

import ipaddress
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from rich.console import Console
from rich.markup import escape

from perdure.gateway.auth.authentication import authentication
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import plain
from perdure.temporal.app.processes.assembly import Parts
from perdure.temporal.app.processes.processes import run_dev, run_gateway, run_worker
from perdure.temporal.app.processes.sources import OTHERS, Sources
from perdure.temporal.definitions.endpoints import missing_key
from perdure.temporal.definitions.news import News
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.environment import DEFAULT_DATA_DIR, environment
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.log import configure

#: After Ctrl-C in `dev`, an answer that still streams is left to the next start, which goes on with it.
DEV_GRACE_S = 1.0
#: Whose sessions `dev` serves.
DEV_TENANT: Final = "default"

_OPEN: Final = (
    "start sessions that call models and run tools, answer approvals, and read, change and erase every session"
)

_NOT_LIVE: Final = (
    "viewers see each answer when it is finished, not as it is written, and are told of events about a second late"
)

log = structlog.get_logger(__name__)


async def dev(host: str, port: int, temporal_port: int, ui_port: int, data_dir: Path | None, sources: Sources) -> None:
    if not _is_loopback(host):
        raise Refused(f"perdure dev serves without credentials, so on loopback only; --host {host} is not")
    settings = Settings.load(data_dir=data_dir, log_format="console", graceful_shutdown_s=DEV_GRACE_S, drain_s=0)
    configure(settings)
    if settings.live is not None:
        log.warning("live.not_used", variable="PERDURE_LIVE", reason="dev is one process, which needs no Redis")

    def ready(url: str, temporal_ui: str | None, parts: Parts) -> None:
        console = Console(highlight=False, soft_wrap=True)
        for name in parts.definitions.names(DEV_TENANT):
            console.print(agent_line(name, parts.definitions, DEV_TENANT))
        for problem in parts.definitions.problems:
            console.print(f"  [yellow]refused, and not served: {escape(plain(str(problem)))}[/]")
        console.print(f"  data in {settings.data_dir}, Temporal Web UI {temporal_ui}")
        if settings.blob_store != settings.data_dir / "blobs":
            console.print(f"  blobs in {settings.blob_store}")
        if settings.data_dir != DEFAULT_DATA_DIR:
            console.print(f"  other commands find all of this with --data-dir {settings.data_dir}")
        print(f"ready {url}", flush=True)  # noqa: T201 - the line that scripts wait for

    await run_dev(
        settings,
        sources,
        host=host,
        port=port,
        temporal_port=temporal_port,
        ui_port=ui_port,
        ready=ready,
        tell=print_news,
    )


def agent_line(name: str, definitions: Definitions, tenant: str | None = None) -> str:
    """The agent `name`, its model, and the variable to set where the demo model stands in; for a console."""
    known, written = definitions.current(name, tenant), definitions.as_written(name, tenant)
    if known is None or written is None:
        return f"  agent [bold]{escape(name)}[/]"
    model = written.models[written.model]
    missing = missing_key(model, environment())
    note = f"  [yellow]({missing} is not set: runs on the demo model)[/]" if known.demo and missing else ""
    return f"  agent [bold]{escape(name)}[/]  {escape(model.use)}{note}"


def print_news(told: Sequence[News]) -> None:
    """A line for each change of an agent, and what was taken out of its texts and put in."""
    console = Console(highlight=False, soft_wrap=True)
    for one in told:
        style = "yellow" if one.kind in ("refused", "odd") else "bold"
        console.print(f"[{style}]{escape(plain(str(one)))}[/]")
        for line in (line for change in one.changes for line in change.diff):
            console.print(
                f"    {escape(plain(line))}", style="green" if line[:1] == "+" else "red" if line[:1] == "-" else "dim"
            )


async def worker(data_dir: Path | None, queues: str | None, sources: Sources) -> None:
    configure(settings := Settings.load(data_dir=data_dir, queues=queues))
    _tell_of_found(sources)
    _warn_of_no_live(settings)
    await run_worker(settings, sources, lambda target: print(f"ready worker at {target}", flush=True))  # noqa: T201


async def gateway(
    host: str, port: int, insecure: bool, data_dir: Path | None, drain_s: float | None, sources: Sources
) -> None:
    configure(settings := Settings.load(data_dir=data_dir, drain_s=drain_s))
    _tell_of_found(sources)
    asks = authentication(settings)
    if asks is None and not _is_loopback(host) and not insecure:
        raise Refused(
            f"no authentication is configured, so the gateway serves on loopback only; --host {host} needs --insecure, "
            "or API keys (perdure keys create makes one, PERDURE_KEYS_FILE names their file), or an identity provider "
            "(PERDURE_JWT_ISSUER)"
        )
    if asks is None and not _is_loopback(host):
        _warn_of_insecurity(settings, host, port)
    _warn_of_no_live(settings)
    await run_gateway(
        settings,
        sources,
        host=host,
        port=port,
        ready=lambda url: print(f"ready {url}", flush=True),  # noqa: T201
        asks=asks,
    )


def _tell_of_found(sources: Sources) -> None:
    if sources.found:
        log.info("sources.found", paths=[str(path) for path in sources.found], others=OTHERS)


def _warn_of_no_live(settings: Settings) -> None:
    if settings.live is not None:
        return
    log.info("live.missing", variable="PERDURE_LIVE", costs=_NOT_LIVE)
    _say(
        settings,
        f"[bold yellow]note:[/] PERDURE_LIVE is not set, so {_NOT_LIVE}. Set it to a Redis, as in redis://127.0.0.1:6379/0, "
        "for every worker and gateway.",
    )


def _warn_of_insecurity(settings: Settings, host: str, port: int) -> None:
    log.warning("gateway.insecure", host=host, port=port, open=_OPEN)
    _say(
        settings,
        f"[bold red]warning:[/] the gateway asks nobody who they are. Whoever reaches {escape(host)} on port {port} can "
        f"{_OPEN}. Let only a proxy that authenticates callers reach it, or serve on loopback. It answers to IP addresses "
        "and to the host names in PERDURE_ALLOWED_HOSTS.",
    )


def _say(settings: Settings, words: str) -> None:
    """For a person; a log that programs read has it in its own form."""
    if settings.log_format == "console" or sys.stderr.isatty():
        Console(stderr=True, highlight=False, soft_wrap=True).print(words)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
