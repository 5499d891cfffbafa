"""The command `perdure`: its subcommands, and what becomes of errors."""

import importlib.metadata
import sys
import traceback
from typing import Annotated

import typer

from perdure.temporal.app.cli import (
    agents,
    budgets,
    conversations,
    keys,
    processes,
    projects,
    recordings,
    runs,
    sessions,
    tools,
)
from perdure.temporal.app.cli.options import flag
from perdure.temporal.app.console.exit import leave
from perdure.temporal.environment import load_secret_files
from perdure.temporal.user_error import UserError

app = typer.Typer(
    name="perdure", help="AI agent sessions that never die.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.command("new")(projects.new)
app.command()(processes.dev)
app.command()(conversations.chat)
app.command()(runs.run)
app.add_typer(sessions.app, name="sessions")
app.add_typer(budgets.app, name="budgets")
app.command()(conversations.trace)
app.command()(recordings.fork)
app.add_typer(agents.app, name="agents")
app.add_typer(tools.app, name="tools")
app.command()(recordings.replay)
app.command()(processes.worker)
app.command()(processes.gateway)
app.add_typer(keys.app, name="keys")
app.command()(projects.doctor)
app.command()(projects.bench)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"perdure {importlib.metadata.version('perdure')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, flag("--version", "Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """AI agent sessions that never die."""
    load_secret_files()


def main() -> None:
    """The entry point `perdure`. Ends the process by the one way out: with 1 on an error that is for people, 70 on a bug."""
    code = 0
    try:
        app()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except UserError as problem:
        from perdure.temporal.app.console.errors import print_error

        print_error(problem)
        code = 1
    except Exception:
        traceback.print_exc(file=sys.stderr)
        code = 70
    leave(code)
