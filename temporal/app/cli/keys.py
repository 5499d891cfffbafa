"""`perdure keys`: what its commands take. What they do is in `commands.keys`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make, list and revoke the API keys of gateways.", no_args_is_help=True)

File = Annotated[
    Path,
    typer.Option("--file", envvar="PERDURE_KEYS_FILE", show_envvar=True, help="The file of keys, made if missing."),
]


@app.command()
def create(
    file: File,
    tenant: Annotated[str, typer.Option(help="Whose sessions the key reaches.")] = "default",
    user: Annotated[
        str | None, typer.Option(help="The user that the key stands for; without it, no single one.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What the key may do, as session:read, session:read:any or a role; may be repeated. Without it: everything "
            "in the tenant, or, with --user, what a user does with sessions of their own."
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When the key stops, as 90d or 12h from now; never by default.")
    ] = None,
    note: Annotated[str, typer.Option(help="What it is for; shown by `perdure keys list`.")] = "",
) -> None:
    """Make a key and print it: once, for it is kept nowhere."""
    from perdure.temporal.app.commands import keys

    keys.create(file, tenant, user, scope, expires, note)


@app.command("list")
def list_them(file: File) -> None:
    """List the keys of a file, without the keys themselves."""
    from perdure.temporal.app.commands import keys

    keys.list_keys(file)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")], file: File) -> None:
    """Revoke a key: gateways refuse it a second later."""
    from perdure.temporal.app.commands import keys

    keys.revoke(file, key_id)
