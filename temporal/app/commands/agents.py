"""`perdure agents`: check definitions, list them, and print the JSON Schema that editors use.

Nothing here needs a server. A user's tools are loaded only where `--tools` names them.
"""

import json
from pathlib import Path
from typing import Final

import typer

from perdure.temporal.app.console.echo import echo
from perdure.temporal.app.console.entries import entry
from perdure.temporal.app.console.terminal import one_line
from perdure.temporal.app.processes.sources import agent_folders
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.definitions.folders import SHIPPED, AgentFolders, Reading
from perdure.temporal.definitions.json_schema import schema
from perdure.temporal.settings import Settings
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import name_of

_USUAL_TOOLS: Final = "tools.py"


def validate(paths: list[Path] | None, tools: list[str] | None, models: Path | None, *, strict: bool = False) -> None:
    """Checks definitions and prints each problem as file:line:column: field: message; exits with 1 on any. Warnings are
    printed in the same way, and fail only where `strict`; what could not be checked fails nothing."""
    catalogue = load_catalogue(tools or ())
    names = None if tools is None else frozenset(catalogue.names)
    # Agents may name shipped ones, wherever they lie.
    every = agent_folders(paths or _usual(), Settings.load(), catalogue)
    reading = _of(AgentFolders.of(every, models, names, catalogue.spec).read(), paths or every)
    for line in _told(reading):
        echo(line, err=True)
    if tools is None and any(not one.field.endswith(".when") for one in reading.unchecked):
        echo(f"to check tools of your own, add --tools {_USUAL_TOOLS}", err=True)
    serving = reading.labelled
    for name, (_, file) in serving.items():
        typer.echo(f"ok {name} ({file})")
    if not serving and not reading.every_problem:
        typer.echo("no agent definitions found", err=True)
    warned = strict and any(one.warnings or one.advice for one in reading.every)
    if reading.every_problem or warned or not serving:
        raise typer.Exit(1)


def print_schema() -> None:
    """Prints the JSON Schema of a definition's YAML file."""
    typer.echo(json.dumps(schema(), indent=2))


def list_agents(agents: list[Path] | None, models: Path | None) -> None:
    """Prints the definitions that would serve: the shipped ones, then ./agents or the folders given."""
    reading = _read(agent_folders(agents or _usual(), Settings.load()), models)
    for name, (definition, file) in reading.labelled.items():
        model, tools, limits = _facts(definition)
        shown = "shipped" if file.parent == SHIPPED else str(file)
        entry(name, f"{model}, {shown}", definition.description, f"tools: {tools}", f"limits: {limits}")
    for name, (definition, _) in reading.labelled.items():
        for schedule in definition.schedules:
            at = f"at {schedule.cron} {schedule.timezone}"
            if schedule.message is None:
                echo(f"{name} has {schedule.session} carry out {schedule.handler} {at}")
            else:
                echo(f"{name} tells {schedule.session} {at}: {one_line(schedule.message, 60)}")
    _tell_problems(reading)


def _usual() -> list[Path]:
    here = Path("agents")
    return [here] if here.is_dir() else []


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
        # What comes with Perdure is not theirs to mend who check their own.
        advice=[one for one in reading.advice if one.file.resolve().parent != shipped],
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
            *((warning, "warning") for warning in (*one.warnings, *one.advice)),
            *((unchecked, "not checked") for unchecked in one.unchecked),
        )
    ]
    found.sort(key=lambda pair: pair[0])
    return [one.told(kind) for one, kind in found]


def _tell_problems(reading: Reading) -> None:
    for problem in reading.every_problem:
        echo(problem, err=True)


def _facts(definition: AgentDefinition) -> tuple[str, str, str]:
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
