"""`perdure agents`: what its commands take. What they do is in `commands.agents`."""

from pathlib import Path
from typing import Annotated

import typer

from perdure.temporal.app.cli.options import Agents, Models, Tools

app = typer.Typer(help="Check, list and describe agent definitions.", no_args_is_help=True)


@app.command()
def validate(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders or YAML files; without any, the shipped ones and ./agents.")
    ] = None,
    tools: Tools = None,
    models: Models = None,
) -> None:
    """Check definitions; exits with 1 on any problem, printed as file:line:column: field: message."""
    from perdure.temporal.app.commands import agents as commands

    commands.validate(paths, tools, models)


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a definition's YAML file."""
    from perdure.temporal.app.commands import agents as commands

    commands.print_schema()


@app.command("list")
def list_agents(agents: Agents = None, models: Models = None) -> None:
    """List the definitions that would serve: the shipped ones, then ./agents or the folders given."""
    from perdure.temporal.app.commands import agents as commands

    commands.list_agents(agents, models)
