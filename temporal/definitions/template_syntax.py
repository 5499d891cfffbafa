"""What is wrong with the syntax of a template, in words for people who do not know Jinja2."""

import re
from typing import Final

from jinja2 import TemplateSyntaxError

from perdure.workflows.core.prompt import environment
from perdure.workflows.vocabulary.near_names import did_you_mean

#: Tags that a template may use, and what ends those that hold others.
_ENDS: Final = {
    "if": "endif",
    "for": "endfor",
    "set": "endset",
    "filter": "endfilter",
    "macro": "endmacro",
    "call": "endcall",
    "with": "endwith",
}
_TAGS: Final = (*_ENDS, *_ENDS.values(), "else", "elif", "raw", "endraw", "include")
_UNKNOWN_TAG: Final = re.compile(r"Encountered unknown tag '(\w+)'")
_UNCLOSED: Final = re.compile(r"innermost block that needs to be closed")
_HINTS: Final = (
    ("unexpected end of template", "something that was begun is not ended: each {{ needs a }}, each {% a %}"),
    ("unexpected '}'", "a } stands where none can: values stand in {{ two braces }}"),
    ("expected token 'end of print statement'", "more than one value stands in {{ }}: write {{ first }} {{ second }}"),
    ("expected token 'end of statement block'", "a tag has more words than it takes"),
    ("missing end of comment tag", "a comment {# is never closed; add #}"),
)


def syntax_fault(text: str) -> tuple[int, str] | None:
    """The line, from 1, and what is wrong; None: it is a template."""
    try:
        environment().parse(text)
    except TemplateSyntaxError as error:
        return _told(text, error)
    except RecursionError:
        return 1, "not a valid template: nested too deeply"
    return None


def _told(text: str, error: TemplateSyntaxError) -> tuple[int, str]:
    said = error.message or "it cannot be read"
    if _UNCLOSED.search(said) is not None and (begun := _last_open(text)) is not None:
        line, tag = begun
        return line, f"not a valid template: {{% {tag} %}} is never closed; add {{% {_ENDS[tag]} %}} where it ends"
    if (unknown := _UNKNOWN_TAG.search(said)) is not None:
        near = did_you_mean(unknown[1], _TAGS) or f"; there are: {', '.join(_ENDS)}"
        return error.lineno, f"not a valid template: there is no tag {unknown[1]!r}{near}"
    hint = next((hint for words, hint in _HINTS if words.lower() in said.lower()), None)
    return error.lineno, f"not a valid template: {hint or said}"


def _last_open(text: str) -> tuple[int, str] | None:
    """Line and name of the last tag that is not ended."""
    open_tags: list[tuple[int, str]] = []
    begins = False
    try:
        for line, kind, value in environment().lex(text):
            if kind == "block_begin":
                begins = True
            elif begins and kind == "name":
                begins = False
                if value in _ENDS:
                    open_tags.append((line, value))
                elif open_tags and value == _ENDS[open_tags[-1][1]]:
                    open_tags.pop()
            elif kind == "operator" and value == "=" and open_tags and open_tags[-1] == (line, "set"):
                # `{% set x = 1 %}` ends by itself.
                open_tags.pop()
    except TemplateSyntaxError:
        pass
    return open_tags[-1] if open_tags else None
