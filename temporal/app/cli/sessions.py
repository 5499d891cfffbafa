"""`perdure sessions`: what its commands take. What they do is in `commands.sessions`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from perdure.temporal.app.cli.options import ApiKeyFile, DataDir, Session, Tenant, Url, flag

app = typer.Typer(
    help="List, show, limit, stop, rewind, retry, close, erase and export sessions.", no_args_is_help=True
)


@app.command("list")
def list_them(
    agent: Annotated[str | None, typer.Option(help="Only sessions of this agent.")] = None,
    status: Annotated[
        Literal["idle", "working", "waiting", "closed"] | None, typer.Option(help="Only sessions in this status.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Only sessions of this user.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 50,
    tenant: Tenant = "default",
    url: Annotated[
        str | None,
        typer.Option(help="A gateway to ask, for the sessions that the API key may read; else Temporal is asked."),
    ] = None,
    data_dir: DataDir = None,
    api_key_file: ApiKeyFile = None,
) -> None:
    """List sessions: open ones, the newest first, then closed ones."""
    from perdure.temporal.app.commands.session_list import list_sessions

    list_sessions(agent, status, user, limit, tenant, url, data_dir, api_key_file)


@app.command()
def show(
    session: Session,
    turns: Annotated[int, typer.Option(min=0, help="Show so many of the last turns.")] = 5,
    tenant: Tenant = "default",
    data_dir: DataDir = None,
) -> None:
    """Show a session and its last turns in words."""
    from perdure.temporal.app.commands import sessions

    sessions.show(session, turns, tenant, data_dir)


@app.command()
def limit(
    session: Session,
    session_cost: Annotated[
        float | None, typer.Option(min=0, metavar="DOLLARS", help="What the session may cost in all.")
    ] = None,
    turn_cost: Annotated[float | None, typer.Option(min=0, metavar="DOLLARS", help="What one turn may cost.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Model calls in one turn.")] = None,
    session_tokens: Annotated[int | None, typer.Option(min=0, help="Tokens that the session may use in all.")] = None,
    turn_tokens: Annotated[int | None, typer.Option(min=0, help="Tokens that one turn may use.")] = None,
    session_calls: Annotated[
        int | None, typer.Option(min=0, help="Tool calls that the session may run in all.")
    ] = None,
    turn_calls: Annotated[int | None, typer.Option(min=0, help="Tool calls that one turn may run.")] = None,
    working_time: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long models and tools may work in one turn, as in 5m.")
    ] = None,
    on_limit: Annotated[
        str | None,
        typer.Option(metavar="ask|stop|ROLE", help="What happens at a limit; a ROLE names the model that takes over."),
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    api_key_file: ApiKeyFile = None,
) -> None:
    """Change what a session and its turns may do and cost; what is left out stays as it is.

    Raising a limit lets a turn that waits at it go on."""
    from perdure.temporal.app.commands import session_limits
    from perdure.temporal.app.console.gateway import gateway_address

    whole = {"cost_usd": session_cost, "tokens": session_tokens, "tool_calls": session_calls}
    turn = {"cost_usd": turn_cost, "tokens": turn_tokens, "tool_calls": turn_calls}
    changes: dict[str, dict[str, Any]] = {
        "session": whole,
        "turn": {**turn, "steps": steps, "working_time": working_time},
    }
    session_limits.limit(session, changes, on_limit, gateway_address(url, data_dir, api_key_file))


@app.command()
def stop(session: Session, tenant: Tenant = "default", data_dir: DataDir = None) -> None:
    """Stop the turn that runs, and keep the session."""
    from perdure.temporal.app.commands import sessions

    sessions.stop(session, tenant, data_dir)


@app.command()
def rewind(
    session: Session,
    message: Annotated[
        str | None, typer.Option(metavar="ID", help="Go back to this message, and send it or answer it again.")
    ] = None,
    branch: Annotated[str | None, typer.Option(metavar="ID", help="Go back to this branch.")] = None,
    text: Annotated[str | None, typer.Option(help="Send this in place of the message.")] = None,
    model: Annotated[str | None, typer.Option(metavar="ROLE", help="The model that answers.")] = None,
    undo: Annotated[
        bool | None,
        typer.Option("--undo/--no-undo", help="Whether calls are taken back. By default, the session asks."),
    ] = None,
    tenant: Tenant = "default",
    data_dir: DataDir = None,
) -> None:
    """Let a conversation go on from an earlier message, or on an earlier branch."""
    from perdure.temporal.app.commands import rewinds

    rewinds.rewind(session, message, branch, text, model, undo, tenant, data_dir)


@app.command()
def retry(
    session: Session,
    model: Annotated[str | None, typer.Option(metavar="ROLE", help="The model that answers.")] = None,
    tenant: Tenant = "default",
    data_dir: DataDir = None,
) -> None:
    """Continue the last turn, which failed or was stopped."""
    from perdure.temporal.app.commands import rewinds

    rewinds.retry(session, model, tenant, data_dir)


@app.command()
def branches(session: Session, tenant: Tenant = "default", data_dir: DataDir = None) -> None:
    """List the branches of a conversation."""
    from perdure.temporal.app.commands import rewinds

    rewinds.branches(session, tenant, data_dir)


@app.command()
def close(session: Session, tenant: Tenant = "default", data_dir: DataDir = None) -> None:
    """Close a session for good: its turn is stopped, and it takes no more messages."""
    from perdure.temporal.app.commands import sessions

    sessions.close(session, tenant, data_dir)


@app.command()
def erase(
    session: Session,
    yes: Annotated[bool, flag("--yes", "Do not ask.")] = False,
    terminate: Annotated[
        bool, flag("--terminate", "End it at once: for a session that no worker can carry on.")
    ] = False,
    tenant: Tenant = "default",
    data_dir: DataDir = None,
) -> None:
    """Close a session and delete every history and every blob of it. Can be repeated."""
    from perdure.temporal.app.commands import sessions

    sessions.erase(session, yes, terminate, tenant, data_dir)


@app.command()
def export(
    session: Session,
    folder: Annotated[Path, typer.Argument(help="Where to write; made if it does not exist.")],
    tenant: Tenant = "default",
    data_dir: DataDir = None,
) -> None:
    """Write a session's histories as JSON files that replay anywhere, the oldest run as 1."""
    from perdure.temporal.app.commands import sessions

    sessions.export(session, folder, tenant, data_dir)
