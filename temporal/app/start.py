"""What the commands `dev`, `worker` and `gateway` do before and after their process runs: options in, words out."""

import ipaddress
from pathlib import Path

from rich.console import Console

from temporal.app.assembly import Parts, Sources
from temporal.app.processes import run_dev, run_gateway, run_worker
from temporal.log import configure
from temporal.settings import Settings

#: After Ctrl-C in `dev`, an answer that still streams is left to the next start, which goes on with it.
DEV_GRACE_S = 1.0


class Refused(Exception):
    """What was asked for cannot be done; the message is for people."""


async def dev(host: str, port: int, temporal_port: int, ui_port: int, data_dir: Path | None, sources: Sources) -> None:
    if not _is_loopback(host):
        raise Refused(f"perdure dev serves without credentials, so on loopback only; --host {host} is not")
    settings = Settings.load(data_dir=data_dir, log_format="console", graceful_shutdown_s=DEV_GRACE_S)
    configure(settings)

    def ready(url: str, temporal_ui: str | None, parts: Parts) -> None:
        console = Console(highlight=False, soft_wrap=True)
        for name in parts.definitions.names():
            known = parts.definitions.current(name)
            if known is not None:
                model = known.definition.models[known.definition.model].use
                note = "  [yellow](no key for its provider: runs on the demo model)[/]" if known.demo else ""
                console.print(f"  agent [bold]{name}[/]  {model}{note}")
        console.print(f"  data in {settings.data_dir}, Temporal Web UI {temporal_ui}")
        print(f"ready {url}", flush=True)  # noqa: T201 - the line that scripts wait for

    await run_dev(settings, sources, host=host, port=port, temporal_port=temporal_port, ui_port=ui_port, ready=ready)


async def worker(sources: Sources) -> None:
    configure(settings := Settings.load())
    await run_worker(settings, sources, lambda target: print(f"ready worker at {target}", flush=True))  # noqa: T201


async def gateway(host: str, port: int, insecure: bool, sources: Sources) -> None:
    if not _is_loopback(host) and not insecure:
        raise Refused(
            f"no authentication is configured, so the gateway serves on loopback only; --host {host} needs --insecure"
        )
    configure(settings := Settings.load())
    await run_gateway(
        settings,
        sources,
        host=host,
        port=port,
        ready=lambda url: print(f"ready {url}", flush=True),  # noqa: T201
    )


def usual_sources(agents: list[Path] | None, tools: list[str] | None, models: Path | None) -> Sources:
    """What was named, or else what a project folder has: ./agents and ./tools.py."""
    folders = agents if agents is not None else [path for path in (Path("agents"),) if path.is_dir()]
    modules = tools if tools is not None else [str(path) for path in (Path("tools.py"),) if path.is_file()]
    for folder in folders:
        if not folder.exists():
            raise Refused(f"--agents {folder}: there is no such folder")
    if models is not None and not models.is_file():
        raise Refused(f"--models {models}: there is no such file")
    return Sources(tuple(folders), tuple(modules), models)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
