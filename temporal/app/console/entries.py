"""Lists at a terminal whose entries are too long for the columns of a table."""

from typing import Final

from rich.console import Console
from rich.text import Text

from perdure.temporal.app.console.terminal import plain

_INDENT: Final = "  "


def entry(name: str, about: str, *lines: str) -> None:
    """Prints one entry: its name and what is short about it, then lines below. Words are broken at no width that has room for
    them; empty lines are left out."""
    console = Console(highlight=False)
    console.print(Text.assemble((plain(name), "bold"), f"  {plain(about)}"))
    for line in filter(None, lines):
        for part in Text(plain(line)).wrap(console, max(console.width - len(_INDENT), 1)):
            part.rstrip()
            console.print(Text(_INDENT) + part)
