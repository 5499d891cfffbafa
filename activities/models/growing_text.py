"""A text that arrives in fragments.

Rule: fragments are joined now and then, for a model's words are so short that each of them takes many times its room.
"""

from typing import Final

#: Fragments that are kept apart at most.
_MOST: Final = 512


class GrowingText:
    def __init__(self) -> None:
        self._joined: list[str] = []
        self._fragments: list[str] = []
        self._length = 0

    def add(self, fragment: str) -> None:
        self._fragments.append(fragment)
        self._length += len(fragment)
        if len(self._fragments) >= _MOST:
            self._joined.append("".join(self._fragments))
            self._fragments.clear()

    def __len__(self) -> int:
        return self._length

    @property
    def text(self) -> str:
        """All of it so far."""
        self._joined = ["".join((*self._joined, *self._fragments))]
        self._fragments.clear()
        return self._joined[0]
