"""Converts HTML to readable text: one line per block, without scripts, styles and markup.

The parser's `close` is never called, so text cut off inside a tag or comment is dropped. On `close` the standard
library scans the rest again for each opening in it, and a hostile page contains many.
"""

import re
from html.parser import HTMLParser

_SILENT = frozenset(("script", "style", "noscript", "template", "svg", "iframe", "select"))
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "br", "dd", "div", "dl", "dt", "figcaption", "figure"),
        *("footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p"),
        *("pre", "section", "table", "tbody", "tfoot", "thead", "title", "tr", "ul"),
    )
)
#: A numeric character reference with too many digits: Python raises on integers of thousands of digits.
_TOO_LONG = re.compile(r"&#(?:[0-9]{12,}|[xX][0-9a-fA-F]{12,});?")
_CELLS = frozenset(("td", "th"))
#: A placeholder for spaces in preformatted text while all other whitespace is collapsed.
_KEPT_SPACE = "\0"


def html_text(html: str) -> str:
    """The text of an HTML page, its title first."""
    page = _Page()
    page.feed(_TOO_LONG.sub("\ufffd", html))
    lines = (" ".join(line.split()) for line in "".join(page.pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip().replace(_KEPT_SPACE, " ")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        # The open silent element and how many of its kind are nested; other elements inside it may be unbalanced.
        self._silent = ""
        self._depth = 0
        self._preformatted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent:
            self._depth += tag == self._silent
        elif tag in _SILENT:
            self._silent, self._depth = tag, 1
        elif tag in _BLOCKS:
            self.pieces.append("\n- " if tag == "li" else "\n")
            self._preformatted |= tag == "pre"
        elif tag in _CELLS:
            self.pieces.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS and not self._silent:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            self._depth -= tag == self._silent
            if self._depth == 0:
                self._silent = ""
        elif tag in _BLOCKS:
            self.pieces.append("\n")
            self._preformatted &= tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._preformatted:
            self.pieces.append(data.expandtabs(4).replace(" ", _KEPT_SPACE))
        else:
            # A line break in the source is only a space; blocks make the lines.
            self.pieces.append(data.replace("\n", " "))
