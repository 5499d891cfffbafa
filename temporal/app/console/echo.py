"""Output of the command line that holds the words of others: of tools, servers, definitions."""

import typer

from perdure.temporal.app.console.terminal import plain


def echo(text: object, *, err: bool = False) -> None:
    """Writes a line that a terminal only shows; `err` sends it to standard error."""
    typer.echo(plain(str(text)), err=err)
