"""An answer's Markdown in a terminal: a block streams as it comes, and is rendered once it is whole.

Rule 1: only the open block is written over. One that has left the screen, or during which the window changed its size, stays
as it came.
Rule 2: what is written has no control characters of its own; see `console.terminal.plain`.
"""

import re
from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_TAB: Final = "    "


class MarkdownStream:
    """One text that streams to `console`, a terminal. What the methods return is to be printed as it is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        #: The block that is on the screen as it came; it began at the start of a line.
        self._block = ""
        self._size = console.size

    @property
    def is_open(self) -> bool:
        return bool(self._block)

    def write(self, text: str) -> Text:
        """The next piece of the text."""
        if not self._block:
            self._size = self._console.size
        text = text.replace("\t", _TAB)
        self._block += text
        shown = Text(text)
        blocks = whole_blocks(self._block)
        if blocks:
            rendered = self._rewritten(blocks)
            self._block = self._block[sum(map(len, blocks)) :]
            if rendered is not None:
                shown.append_text(rendered).append(f"\n{self._block}")
            self._size = self._console.size
        return shown

    def end(self) -> Text:
        """The text is whole. The cursor is then at the start of a line."""
        rendered = self._rewritten([self._block])
        closed = "" if self._block.endswith("\n") else "\n"
        self._block = ""
        return rendered if rendered is not None else Text(closed)

    def render(self, markdown: str) -> Text:
        """A whole text, which ends its last line."""
        shown = Text()
        # Links are written out: what a model calls a link may lead anywhere.
        for segment in self._console.render(Markdown(markdown, hyperlinks=False)):
            if not segment.control:
                shown.append(segment.text, style=segment.style)
        # Some kinds of blocks come with empty rows around them, others without.
        rows = shown.split("\n")
        while rows and not rows[0].plain.strip():
            rows.pop(0)
        while rows and not rows[-1].plain.strip():
            rows.pop()
        return Text("\n").join(rows).append("\n") if rows else Text()

    def _rewritten(self, blocks: Sequence[str]) -> Text | None:
        """`blocks`, with which what is open begins, rendered in the place of all of it; None where that is out of reach."""
        below = rows_below(self._block, self._size.width)
        if self._console.size != self._size or below >= self._size.height:
            return None
        up = f"\x1b[{below}A" if below else ""
        return Text(f"{up}\x1b[1G\x1b[J").append_text(Text("\n").join(map(self.render, blocks)))


def whole_blocks(text: str) -> list[str]:
    """The blocks that nothing can be added to any more, of a text that begins with a block."""
    blocks = []
    start = position = 0
    fence = ""
    after_blank = False
    for line in text.splitlines(keepends=True):
        blank = not line.strip()
        if fence:
            # The closing fence has nothing behind it.
            if line.lstrip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        else:
            if after_blank and not blank and not line[0].isspace():
                blocks.append(text[start:position])
                start = position
            opening = _FENCE.match(line)
            fence = opening[1] if opening else ""
        after_blank = blank and not fence
        position += len(line)
    return blocks


def rows_below(text: str, columns: int) -> int:
    """How many rows the cursor is below the first one, once `text` is written from the start of a line."""
    rows = column = 0
    for character in text:
        if character == "\n":
            rows, column = rows + 1, 0
            continue
        width = cell_len(character)
        if column + width > columns:
            rows, column = rows + 1, 0
        column += width
    return rows
