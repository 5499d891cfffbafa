"""The commands `replay` and `fork`: what they take."""

from pathlib import Path
from typing import Annotated

import typer

from perdure.temporal.app.cli.options import DataDir, Models, Session, Tenant, flag

_WHAT_IF = "With --what-if"


def replay(
    query: Annotated[
        str | None, typer.Option(help="Sessions by a query to Temporal's visibility store; all their runs.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Sessions that are open or were at work since then; 7d by default.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Histories in JSON files, as `perdure sessions export` writes them.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="So many at a time; one for each core by default.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result into this file as well.")] = None,
    tenant: Tenant = "default",
    data_dir: DataDir = None,
    what_if: Annotated[
        bool, flag("--what-if", "Run one turn of each session again, with another definition or model.")
    ] = False,
    session: Annotated[
        list[str] | None, typer.Option(help="A session by its id; may be repeated.", rich_help_panel=_WHAT_IF)
    ] = None,
    turn: Annotated[
        str | None, typer.Option(help="This turn; the last that has ended by default.", rich_help_panel=_WHAT_IF)
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Another agent, by its name.", rich_help_panel=_WHAT_IF)] = None,
    model: Annotated[
        str | None, typer.Option(help="Another role, or provider/model.", rich_help_panel=_WHAT_IF)
    ] = None,
    agents: Annotated[
        list[Path] | None,
        typer.Option("--agents", help="A folder of definitions; may be repeated.", rich_help_panel=_WHAT_IF),
    ] = None,
    tools: Annotated[
        list[str] | None,
        typer.Option("--tools", help="A module or file of tools; none is called.", rich_help_panel=_WHAT_IF),
    ] = None,
    models: Annotated[
        Path | None, typer.Option("--models", help="Models below those of the definitions.", rich_help_panel=_WHAT_IF)
    ] = None,
) -> None:
    """Replay recorded sessions against the installed code, and show those that would break."""
    from perdure.temporal.app.commands import replay as commands

    commands.replay(
        query,
        since,
        folder,
        processes,
        json_file,
        data_dir,
        what_if,
        session,
        turn,
        agent,
        model,
        agents,
        tools,
        models,
        tenant,
    )


def fork(
    session: Session,
    turn: Annotated[str, typer.Option(help="Its past up to the end of this turn: t3.")],
    agent: Annotated[str | None, typer.Option(help="Another agent, by its name.")] = None,
    model: Annotated[str | None, typer.Option(help="Another role of the agent's models.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Send this in the place of the turn's message; the past ends before it.")
    ] = None,
    agents: Annotated[
        list[Path] | None, typer.Option("--agents", help="A folder of agent definitions, for --agent; may be repeated.")
    ] = None,
    tools: Annotated[list[str] | None, typer.Option("--tools", help="A module or file of tools, for --agent.")] = None,
    models: Models = None,
    tenant: Tenant = "default",
    data_dir: DataDir = None,
) -> None:
    """Start a new session from a turn of another, and print its id."""
    from perdure.temporal.app.commands import fork as commands

    commands.fork(session, turn, agent, model, text, agents, tools, models, tenant, data_dir)
