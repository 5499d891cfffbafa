"""Options and arguments that several commands have. Nothing heavy is imported: `--help` needs these, and no more."""

from pathlib import Path
from typing import Annotated, Any

import typer


def flag(name: str, about: str, **how: Any) -> Any:
    """An option that is given or not; its help shows no type."""
    return typer.Option(name, help=about, metavar="", **how)


Agents = Annotated[list[Path] | None, typer.Option("--agents", help="A folder of agent definitions; may be repeated.")]
Tools = Annotated[list[str] | None, typer.Option("--tools", help="A module or file of tools; may be repeated.")]
Models = Annotated[Path | None, typer.Option("--models", help="Models that lie below those of the definitions.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Session = Annotated[str, typer.Argument(help="The session's id.")]
Tenant = Annotated[str, typer.Option(help="The tenant whose sessions these are.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="PERDURE_DATA_DIR",
        show_envvar=True,
        help="The data directory of `perdure dev`, which says where that runs and holds its blobs; .perdure by default.",
    ),
]
ApiKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        envvar="PERDURE_API_KEY_FILE",
        show_envvar=True,
        help="A file with the API key, where the gateway asks who calls; else the key in PERDURE_API_KEY.",
    ),
]
Url = Annotated[
    str | None, typer.Option(help="Where the gateway is; that of the `perdure dev` on the data directory by default.")
]
