"""The commands `new`, `doctor` and `bench`: what they take."""

from pathlib import Path
from typing import Annotated

import typer

from perdure.temporal.app.bench.groups import Rows
from perdure.temporal.app.cli.options import Agents, DataDir, Models, Tools, flag


def new(directory: Annotated[Path, typer.Argument(help="A folder that is empty or does not exist.")]) -> None:
    """Write an agent, a tool and a test to start from."""
    from perdure.temporal.app.commands.new import new as write

    write(directory)


def doctor(
    agents: Agents = None,
    tools: Tools = None,
    models: Models = None,
    data_dir: DataDir = None,
    gateway: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A gateway to check, too, where clients reach it: through its proxy."),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            min=0, max=3600, help="Seconds for which to look again while something fails, as while all starts."
        ),
    ] = 0,
) -> None:
    """Check Temporal, workers, clocks, definitions, keys, prices, the blob store and Redis; exits with 1 if one of them
    fails."""
    from perdure.temporal.app.commands.doctor import examine

    examine(agents, tools, models, data_dir, gateway, wait)


def bench(
    new: Annotated[Path | None, typer.Argument(help="A result, as JSON, to show or compare instead of a run.")] = None,
    out: Annotated[Path | None, typer.Option(help="A file to write the result to, as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="A file to write a report page to.")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="An earlier result, as JSON; exit code 1 if a target that it met is missed.")
    ] = None,
    quick: Annotated[bool, flag("--quick", "Fewer turns and tokens: a look, not a result.")] = False,
    only: Annotated[list[Rows] | None, typer.Option(help="Only these measurements; may be repeated.")] = None,
) -> None:
    """Measure this machine's Perdure against direct streaming and bare Temporal, with a fake provider."""
    from perdure.temporal.app.bench import command

    command.bench(new, out, html, compare, quick, only)
