"""Where a user's definitions and tools come from. Loads nothing: the command line asks before it starts anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from perdure.activities.tools.catalogue import Catalogue
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.processes.toolset import replaced_at_the_desk
from perdure.temporal.definitions.folders import SHIPPED
from perdure.temporal.settings import Settings

#: The shipped agent of the order desk.
DESK: Final = "support"


@dataclass(frozen=True)
class Sources:
    """What a user gives: folders of definitions, tool modules or files, a models file."""

    agents: tuple[Path, ...] = ()
    tools: tuple[str, ...] = ()
    models: Path | None = None
    #: Those of them that nobody named and that were found.
    found: tuple[Path, ...] = ()


#: What to do where something else was meant than what was found.
OTHERS: Final = "--agents and --tools name others"


def agent_folders(given: Iterable[Path], settings: Settings, catalogue: Catalogue | None = None) -> list[Path]:
    """The folders whose agents serve, in the order in which they replace each other; one may be a single file. `catalogue`:
    the tools that they have; None: those that ship."""
    if not settings.shipped_agents:
        return [*given]
    if catalogue is None or not replaced_at_the_desk(catalogue):
        return [SHIPPED, *given]
    return [*(file for file in sorted(SHIPPED.glob("*.yaml")) if file.stem != DESK), *given]


def usual_sources(
    agents: list[Path] | None, tools: list[str] | None, models: Path | None, *, told: bool = True
) -> Sources:
    """What was named, or else what a project folder has: ./agents and ./tools.py.

    Both may run programs: tools.py is one, and an agent may name MCP servers. So whoever did not name them is told of them;
    without `told`, that is for the caller to do.
    """
    folders = agents if agents is not None else [path for path in (Path("agents"),) if path.is_dir()]
    modules = tools if tools is not None else [str(path) for path in (Path("tools.py"),) if path.is_file()]
    unnamed = [*(folders if agents is None else ()), *(modules if tools is None else ())]
    found = tuple(Path(path).resolve() for path in unnamed)
    if found and told:
        typer.echo(f"using {' and '.join(map(str, found))}, found in this folder; {OTHERS}", err=True)
    for folder in folders:
        if not folder.exists():
            raise Refused(f"--agents {folder}: there is no such folder")
    if models is not None and not models.is_file():
        raise Refused(f"--models {models}: there is no such file")
    return Sources(tuple(folders), tuple(modules), models, found)
