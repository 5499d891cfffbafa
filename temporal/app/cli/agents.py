"""`perdure agents`: what its commands take. What they do is in `commands.agents`."""

from pathlib import Path
from typing import Annotated

import typer

from perdure.temporal.app.cli.options import Agents, ApiKeyFile, DataDir, Models, Tools, Url

app = typer.Typer(help="Check, list and describe agent definitions and their versions.", no_args_is_help=True)


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


@app.command()
def versions(
    name: Annotated[str, typer.Argument(help="The agent's name.")],
    limit: Annotated[int, typer.Option(min=1, max=50, help="Show at most this many.")] = 10,
    url: Url = None,
    data_dir: DataDir = None,
    api_key_file: ApiKeyFile = None,
) -> None:
    """Show the versions of an agent, the latest first: what changed, and how many sessions rest on each."""
    from perdure.temporal.app.commands import versions as commands
    from perdure.temporal.app.console.gateway import gateway_address

    commands.show(name, limit, gateway_address(url, data_dir, api_key_file))
