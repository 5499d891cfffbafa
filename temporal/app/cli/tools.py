"""`perdure tools`: what its commands take. What they do is in `commands.tools`."""

from typing import Annotated

import typer

from perdure.temporal.app.cli.options import Agents, Models, Tools

app = typer.Typer(help="List, show and call tools.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="The tool's name, as the model knows it.")]


@app.command("list")
def list_tools(agents: Agents = None, tools: Tools = None, models: Models = None) -> None:
    """List the tools: those that are shipped, yours, and those of the agents' other workers, apps and MCP servers."""
    from perdure.temporal.app.commands import tools as commands

    commands.list_tools(agents, tools, models)


@app.command()
def show(name: _Name, agents: Agents = None, tools: Tools = None, models: Models = None) -> None:
    """Show what a model is told of a tool: its description, with its errors, and the schemas of arguments and result."""
    from perdure.temporal.app.commands import tools as commands

    commands.show(name, agents, tools, models)


@app.command()
def call(
    name: _Name,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Arguments, one by one.")
    ] = None,
    args: Annotated[str | None, typer.Option("--args", help="Arguments, as one JSON object.")] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "--context",
            metavar="JSON",
            help='On whose behalf, as in \'{"user": "ada", "inputs": {"customer": "C-1"}}\'.',
        ),
    ] = None,
    agents: Agents = None,
    tools: Tools = None,
    models: Models = None,
) -> None:
    """Run a tool for real, with all that it does, and print its result; a failure is told with its type, and exits with 1."""
    from perdure.temporal.app.commands import tools as commands

    commands.call(name, arguments, args, context, agents, tools, models)
