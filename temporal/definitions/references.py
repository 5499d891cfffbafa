"""`${NAME}` in addresses, headers and keys: which variables a text names, and the text with their values.

Values are filled in by activities, as late as possible, so that they stand in no digest, history, log or trace.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

_REFERENCE: Final = re.compile(r"\$\{(\w+)\}")


class MissingVariable(Exception):
    """An environment variable that is needed is not set; the message is its name."""


def names_in(texts: Iterable[str]) -> tuple[str, ...]:
    """The variables that `texts` name, each once."""
    return tuple(dict.fromkeys(name for text in texts for name in _REFERENCE.findall(text)))


def resolve(text: str, environment: Mapping[str, str]) -> str:
    """`text` with each `${NAME}` replaced by the variable's value; raises `MissingVariable` where there is none."""

    def value(match: re.Match[str]) -> str:
        found = environment.get(match[1])
        if not found:
            raise MissingVariable(match[1])
        return found

    return _REFERENCE.sub(value, text)
