"""How the command line tells an error that is for people."""

from rich.console import Console
from rich.markup import escape

from perdure.temporal.app.console.terminal import plain


def print_error(problem: Exception) -> None:
    """Writes the message of `problem` to standard error, on one line."""
    Console(stderr=True).print(f"[bold red]error:[/] {escape(plain(str(problem)))}", highlight=False, soft_wrap=True)
