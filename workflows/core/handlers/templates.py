"""The templates of handlers, filled in. Pure.

Rule 1: a value that is exactly one `{{ }}` keeps its type; any other is a text.
Rule 2: what a model is told keeps to its line, as in instructions (`core/prompt.py`); what is said, set or given to a tool
stands as it is.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from jinja2 import Template, Undefined
from jinja2.exceptions import UndefinedError
from pydantic import JsonValue
from pydantic_core import to_json, to_jsonable_python

from perdure.workflows.core.conditions import expression_of
from perdure.workflows.core.prompt import environment, on_one_line

#: Characters of a text that a template gives, and bytes of a value.
MOST_TEXT: Final = 64_000
MOST_VALUE: Final = 128 * 1024

Names = Mapping[str, object]


class TemplateFault(Exception):
    """The template gives nothing that can be used; the message says why."""

    #: Where it stands in the definition, as far as that says more than the block.
    at: str | None = None


def evaluated(value: JsonValue, names: Names) -> JsonValue:
    """`value` with the templates in it filled in. Raises TemplateFault."""
    made = _evaluated(value, names)
    if len(to_json(made, inf_nan_mode="strings")) > MOST_VALUE:
        raise TemplateFault(f"gives more than {MOST_VALUE // 1024} KiB")
    return made


def items(value: str | tuple[JsonValue, ...], names: Names) -> tuple[JsonValue, ...]:
    """The items of a loop. Raises TemplateFault."""
    made = evaluated(list(value) if isinstance(value, tuple) else value, names)
    if not isinstance(made, list):
        raise TemplateFault(f"gives {_shown(made)}; a loop needs a list")
    return tuple(made)


def text(template: str, names: Names) -> str:
    """A text for people and tools. Raises TemplateFault."""
    return _rendered(_template(template), names)


def told(template: str, names: Names) -> str:
    """A text for a model. Raises TemplateFault."""
    return _rendered(_told(template), names).strip()


def _evaluated(value: JsonValue, names: Names) -> JsonValue:
    match value:
        case str() if "{" not in value:
            return value
        case str():
            expression = expression_of(value)
            return text(value, names) if expression is None else _value(expression, names)
        case list():
            return [_evaluated(one, names) for one in value]
        case dict():
            return {key: _evaluated(one, names) for key, one in value.items()}
        case _:
            return value


def _value(expression: str, names: Names) -> JsonValue:
    try:
        found = _compiled(expression)(**names)
        if isinstance(found, Undefined):
            raise UndefinedError(str(found))
        if found is None or isinstance(found, str | bool | int):
            return found
        if isinstance(found, range | Iterator):
            # What `range` and filters such as `map` give.
            found = list(islice(found, MOST_VALUE))
        made: JsonValue = to_jsonable_python(found, inf_nan_mode="strings")
        return made
    except Exception as error:
        # A template may fail in whatever way Python can.
        raise TemplateFault(str(error) or type(error).__name__) from error


def _rendered(template: Template, names: Names) -> str:
    pieces: list[str] = []
    length = 0
    try:
        for piece in template.generate(names):
            pieces.append(piece)
            length += len(piece)
            if length > MOST_TEXT:
                break
    except Exception as error:
        raise TemplateFault(str(error) or type(error).__name__) from error
    if length > MOST_TEXT:
        raise TemplateFault(f"gives more than {MOST_TEXT} characters")
    return "".join(pieces)


def _as_text(value: object) -> object:
    """Records and lists as JSON, and not as Python writes them."""
    if isinstance(value, dict | list | tuple):
        return to_json(value, inf_nan_mode="strings").decode()
    return value


def _as_line(value: object) -> str:
    return on_one_line(_as_text(value))


def _shown(value: JsonValue) -> str:
    return f"{str(value)[:80]!r} ({type(value).__name__})"


_PLAIN: Final = environment()
_PLAIN.finalize = _as_text
_LINES: Final = environment()
_LINES.finalize = _as_line


@lru_cache(maxsize=256)
def _template(template: str) -> Template:
    return _PLAIN.from_string(template)


@lru_cache(maxsize=256)
def _told(template: str) -> Template:
    return _LINES.from_string(template)


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Any:
    return _PLAIN.compile_expression(expression, undefined_to_none=False)
