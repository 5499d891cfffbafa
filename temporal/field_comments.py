"""What the code says of a record's fields in `#:` comments, for schemas and references that people read.

So a field is described once, where it is defined. A field with a `description` of its own needs no comment.
"""

import ast
import inspect
import re
import sys
from functools import cache
from typing import Final

_COMMENT: Final = re.compile(r"\s*#: ?(.*)")
_FIELD: Final = re.compile(r"\s*(\w+)\s*:")


@cache
def field_comments(record: type) -> dict[str, str]:
    """Comments by field, in Markdown, those of the base classes included. Empty where the source is not at hand."""
    found: dict[str, str] = {}
    for one in reversed(record.__mro__[:-1]):
        found |= _read(_classes(one.__module__).get(one.__qualname__, []))
    return found


@cache
def _classes(module: str) -> dict[str, list[str]]:
    """The source lines of a module's classes. A module is parsed once: to look each class up takes seconds in all."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):
        return {}
    lines = source.splitlines()
    found: dict[str, list[str]] = {}

    def walk(body: list[ast.stmt], outer: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                found[outer + node.name] = lines[node.lineno - 1 : node.end_lineno]
                walk(node.body, f"{outer}{node.name}.")

    walk(ast.parse(source).body, "")
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
