"""What the code says of a record's fields in `#:` comments, for schemas and references that people read.

So a field is described once, where it is defined. A field with a `description` of its own needs no comment.
"""

import inspect
import re
from functools import cache
from typing import Final

_COMMENT: Final = re.compile(r"\s*#: ?(.*)")
_FIELD: Final = re.compile(r"\s*(\w+)\s*:")


@cache
def field_comments(record: type) -> dict[str, str]:
    """Comments by field, in Markdown, those of the base classes included. Empty where the source is not at hand."""
    found: dict[str, str] = {}
    for one in reversed(record.__mro__[:-1]):
        try:
            lines = inspect.getsource(one).splitlines()
        except (OSError, TypeError):
            continue
        found |= _read(lines)
    return found


def _read(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in lines:
        if said := _COMMENT.fullmatch(line):
            comment.append(said[1])
            continue
        if comment and (field := _FIELD.match(line)):
            found[field[1]] = " ".join(comment)
        comment = []
    return found
