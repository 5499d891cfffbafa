"""Tables that scroll within their page, also by the keyboard."""

from typing import Any, Final


def _table_open(*_: object) -> str:
    return '<div class="table" tabindex="0"><table>\n'


def _table_close(*_: object) -> str:
    return "</table></div>\n"


#: Rules of a renderer, by the token.
SCROLLING: Final[dict[str, Any]] = {"table_open": _table_open, "table_close": _table_close}
