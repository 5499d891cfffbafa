"""The last of what was published, for viewers who join late or come back: so many items, and so many bytes of them."""

from collections import deque
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Tail(Generic[T]):
    """The newest last. Holds `most` items at most, of `size` bytes together."""

    def __init__(self, most: int, size: int) -> None:
        self._most = most
        self._size = size
        self._kept: deque[tuple[T, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, one: T, size: int) -> None:
        self._kept.append((one, size))
        self._bytes += size
        while len(self._kept) > self._most or self._bytes > self._size:
            self._bytes -= self._kept.popleft()[1]

    def since(self, first: int = 0) -> list[T]:
        """All but the `first` ones."""
        return [one for one, _ in islice(self._kept, first, None)]
