"""JSON bodies, read strictly: what two readers could understand differently, or a later one could not take, is refused.

Refused are text that is not UTF-8, names that come twice, NaN and infinity, numbers beyond 64 bits, values nested more
than `MAX_DEPTH` deep, more than `MAX_VALUES` values, NUL characters and halves of surrogate pairs. `routes/door.py` reads
bodies this way for FastAPI; that they say they are JSON is up to `json_bodies.py`.
"""

import asyncio
import json
import math
import re
from typing import Any, Final, NoReturn

from pydantic import JsonValue

from perdure.gateway.http.problems import invalid
from perdure.temporal.schemas.yaml_source import field_name

MAX_DEPTH: Final = 64
#: Members of all objects and arrays together.
MAX_VALUES: Final = 200_000
_INT_LIMIT: Final = 2**63
_BAD_CHARACTER: Final = re.compile("[\x00\ud800-\udfff]")
#: Bytes from which a body is read in a thread, so that other sessions' streams go on meanwhile.
_BIG: Final = 64 * 1024


async def read(data: bytes) -> JsonValue:
    """As `parse`, in a thread where it may take long."""
    return parse(data) if len(data) < _BIG else await asyncio.to_thread(parse, data)


def parse(data: bytes) -> JsonValue:
    """The value of `data`. Raises Problem `validation`, naming the field where there is one."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise invalid("body", f"is not UTF-8 text (byte {error.start})") from None
    try:
        value: JsonValue = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise invalid("body", f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise invalid("body", f"is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError:
        # The interpreter refuses to read integers of thousands of digits.
        raise invalid("body", "holds a number that is too large") from None
    _Check().value(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1) if len(names) < 1000 else "body"
        raise invalid(_printable(twice), "stands twice in one object")
    return result


def _constant(name: str) -> NoReturn:
    raise invalid("body", f"holds {name}, which is not JSON")


class _Check:
    """Walks a value. The path to where it is grows and shrinks in place, for a body may hold many values."""

    def __init__(self) -> None:
        self._path: list[str | int] = []
        self._left = MAX_VALUES

    def value(self, value: JsonValue) -> None:
        match value:
            case str():
                self._text(value)
            case bool() | None:
                pass
            case float() if not math.isfinite(value):
                raise invalid(self._name(), "is a number that is too large")
            case int() if not -_INT_LIMIT <= value < _INT_LIMIT:
                raise invalid(self._name(), "is a number that is too large")
            case dict() | list():
                self._container(value)
            case _:
                pass

    def _container(self, container: dict[str, JsonValue] | list[JsonValue]) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise invalid(field_name(tuple(self._path[:4])), f"is nested more than {MAX_DEPTH} levels deep")
        self._left -= len(container)
        if self._left < 0:
            raise invalid("body", f"holds more than {MAX_VALUES} values")
        for key, item in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(key, str):
                self._text(key)
            self._path.append(key)
            self.value(item)
            self._path.pop()

    def _text(self, text: str) -> None:
        match = _BAD_CHARACTER.search(text)
        if match is not None:
            what = "a NUL character" if match[0] == "\0" else "half of a surrogate pair, which is no character"
            raise invalid(self._name(), f"holds {what}")

    def _name(self) -> str:
        return field_name(tuple(self._path)) or "body"


def _printable(text: str) -> str:
    return _BAD_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)
