"""How the value of a block is read that people write as `{call: {...}}`: its one key says what it does."""

from collections.abc import Callable
from typing import Any


def fields(value: Any) -> Any:
    """A mapping of the block's fields; nothing stands for none."""
    if value is None:
        return {}
    if not isinstance(value, dict) or "kind" in value:
        raise ValueError("is a mapping of fields")
    return value


def fields_as(example: str) -> Callable[[Any], Any]:
    """`fields`, whose error shows an `example` of the mapping."""

    def read(value: Any) -> Any:
        try:
            return fields(value)
        except ValueError as error:
            raise ValueError(f"{error}, as in {example}") from None

    return read


def within(field: str) -> Callable[[Any], Any]:
    """The value is that of this one field."""
    return lambda value: {field: value}
