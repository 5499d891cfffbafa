"""What has been checked already, so that a request costs no signature and no argon2.

Keys and tokens are kept as a keyed hash, whose key is made anew in each process: what is in memory opens nothing.
"""

import hmac
import secrets
from collections import OrderedDict
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_MOST: Final = 10_000


class Recognised(Generic[T]):
    """What was found for a key or a token. Those that were not asked for the longest time are forgotten."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._key = secrets.token_bytes(32)
        self._found: OrderedDict[bytes, T] = OrderedDict()

    def get(self, given: str) -> T | None:
        mark = self._mark(given)
        found = self._found.get(mark)
        if found is not None:
            self._found.move_to_end(mark)
        return found

    def put(self, given: str, found: T) -> None:
        self._found[self._mark(given)] = found
        while len(self._found) > self._most:
            self._found.popitem(last=False)

    def _mark(self, given: str) -> bytes:
        return hmac.digest(self._key, given.encode(), "sha256")
