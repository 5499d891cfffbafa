"""Near names: what was probably meant by a misspelt one. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

#: How alike two names have to be, from 0 to 1: a letter or two apart.
_ALIKE: Final = 0.75
#: No name is longer; comparing takes time that grows with the square of the length.
_LONGEST: Final = 200


def near_name(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is most like `word`; None where none is near. Case and separators count little."""
    if len(word) > _LONGEST:
        return None
    folded = {_folded(name): name for name in known if name != word}
    found = get_close_matches(_folded(word), folded, n=1, cutoff=_ALIKE)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'model'?`, to end a sentence about `word`; empty where no name is near."""
    near = near_name(word, known)
    return "" if near is None else f"; did you mean {near!r}?"


def _folded(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
