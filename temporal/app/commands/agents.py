"""`perdure agents`: check definitions, list them, and print the JSON Schema that editors use.

Nothing here needs a server. A user's tools are loaded only where `--tools` names them.
"""

import json
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.table import Table

from perdure.temporal.app.console.echo import echo
from perdure.temporal.app.console.terminal import one_line, plain
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.definitions.folders import SHIPPED, AgentFolders, Reading
from perdure.temporal.definitions.json_schema import schema
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import name_of

_USUAL_TOOLS: Final = "tools.py"


def validate(paths: list[Path] | None, tools: list[str] | None, models: Path | None) -> None:
    """Checks definitions and prints each problem as file:line:column: field: message; exits with 1 on any. Warnings, and what
    could not be checked, are printed in the same way and fail nothing."""
    catalogue = load_catalogue(tools or ())
    names = None if tools is None else frozenset(catalogue.names)
    # Agents may name shipped ones, wherever they lie.
    folders = AgentFolders.of([SHIPPED, *(paths or _usual())], models, names, catalogue.spec)
    reading = _of(folders.read(), paths or _usual())
    for line in _told(reading):
        echo(line, err=True)
    if tools is None and any(not one.field.endswith(".when") for one in reading.unchecked):
        echo(f"to check tools of your own, add --tools {_USUAL_TOOLS}", err=True)
    serving = reading.labelled
    for name, (_, file) in serving.items():
        typer.echo(f"ok {name} ({file})")
    if not serving and not reading.every_problem:
        typer.echo("no agent definitions found", err=True)
    if reading.every_problem or not serving:
        raise typer.Exit(1)


def print_schema() -> None:
    """Prints the JSON Schema of a definition's YAML file."""
    typer.echo(json.dumps(schema(), indent=2))


def list_agents(agents: list[Path] | None, models: Path | None) -> None:
    """Prints the definitions that would serve: the shipped ones, then ./agents or the folders given."""
    reading = _read([SHIPPED, *agents] if agents else _usual(), models)
    table = Table()
    for heading in ("agent", "description", "model", "tools", "limits", "file"):
        table.add_column(heading, overflow="fold")
    for name, (definition, file) in reading.labelled.items():
        shown = "shipped" if file.parent == SHIPPED else str(file)
        table.add_row(*map(plain, (name, definition.description, *_columns(definition), shown)))
    Console().print(table)
    for name, (definition, _) in reading.labelled.items():
        for schedule in definition.schedules:
            said = one_line(schedule.message, 60)
            echo(f"{name} tells {schedule.session} at {schedule.cron} {schedule.timezone}: {said}")
    _tell_problems(reading)


def _usual() -> list[Path]:
    here = Path("agents")
    return [SHIPPED, here] if here.is_dir() else [SHIPPED]


def _read(paths: list[Path], models: Path | None) -> Reading:
    return AgentFolders.of(paths, models, None).read()


def _of(reading: Reading, paths: list[Path]) -> Reading:
    """What a reading found, without the shipped agents where `paths` do not name them."""
    given, shipped = {path.resolve() for path in paths}, SHIPPED.resolve()

    def is_given(file: Path) -> bool:
        whole = file.resolve()
        return whole.parent != shipped or not given.isdisjoint([whole, shipped])

    return Reading(
        serving={name: entry for name, entry in reading.serving.items() if is_given(entry[1])},
        problems=[one for one in reading.problems if is_given(one.file)],
        warnings=[one for one in reading.warnings if is_given(one.file)],
        unchecked=[one for one in reading.unchecked if is_given(one.file)],
        tenants=reading.tenants,
    )


def _told(reading: Reading) -> list[str]:
    """File by file, and within each in the order of its lines."""
    found = [
        pair
        for one in reading.every
        for pair in (
            *((problem, "") for problem in one.problems),
            *((warning, "warning") for warning in one.warnings),
            *((unchecked, "not checked") for unchecked in one.unchecked),
        )
    ]
    found.sort(key=lambda pair: pair[0])
    return [one.told(kind) for one, kind in found]


def _tell_problems(reading: Reading) -> None:
    for problem in reading.every_problem:
        echo(problem, err=True)


def _columns(definition: AgentDefinition) -> tuple[str, str, str]:
    limits = definition.limits
    caps = [f"{limits.turn.steps} steps"]
    if limits.turn.cost_usd is not None:
        caps.append(f"${limits.turn.cost_usd:.2f} a turn")
    if limits.session.cost_usd is not None:
        caps.append(f"${limits.session.cost_usd:.2f} a session")
    for scope, own in (("turn", limits.turn), ("session", limits.session)):
        for name, words in (("tokens", "tokens"), ("tool_calls", "tool calls")):
            if (cap := getattr(own, name)) is not None:
                caps.append(f"{cap:,} {words} a {scope}")
    named = (*definition.tools, *definition.document_tools)
    tools = ", ".join(name_of(tool) for tool in named) or "none"
    return definition.models[definition.model].use, tools, ", ".join(caps)
