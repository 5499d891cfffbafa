"""Code as HTML with Pygments' classes."""

from html import escape
from typing import Final

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_NAMES: Final = {"sh": "bash", "": "text"}
#: Characters; longer code is shown without colours.
_LONGEST: Final = 30_000


def highlighted(code: str, language: str) -> str:
    """HTML of `code`. In a language that nobody knows, it is code without colours."""
    if len(code) > _LONGEST:
        return escape(code)
    try:
        lexer = get_lexer_by_name(_NAMES.get(language, language), stripnl=False)
    except ClassNotFound:
        return escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
