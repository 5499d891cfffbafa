"""Who has signed out: a copy of the cookie that they had counts no more.

Rule 1: a statement that was ended is named in the blob store, beside the uploads of the day on which it would have ended by
itself, and goes with them.
Rule 2: a gateway looks there each few seconds; the one at which somebody signs out knows at once. While the store is away,
what was known last holds.
"""

import hashlib
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final

from perdure.temporal.sessions.uploads import ROOT
from perdure.temporal.stores.blobs import BlobMissing, BlobStore, StoreUnavailable

#: Seconds for which it is believed that nobody has signed out.
_BELIEVED_S: Final = 5.0
_MOST_BELIEVED: Final = 10_000


class SignOuts:
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        #: By its mark: whether a statement was ended, and until when that is believed.
        self._believed: OrderedDict[str, tuple[bool, float]] = OrderedDict()

    async def end(self, statement: str, expires_at: float) -> None:
        """Ends a statement that has been checked. Raises `StoreUnavailable`."""
        mark = _mark(statement, expires_at)
        await self._blobs.put(mark, b"signed out")
        self._believe(mark, True, expires_at - time.time())

    async def ended(self, statement: str, expires_at: float) -> bool:
        """Whether it was ended. Raises `StoreUnavailable` where nothing is known of it."""
        mark = _mark(statement, expires_at)
        known = self._believed.get(mark)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        try:
            await self._blobs.get(mark)
            found = True
        except BlobMissing:
            found = False
        except StoreUnavailable:
            if known is None:
                raise
            found = known[0]
        self._believe(mark, found, _BELIEVED_S)
        return found

    def _believe(self, mark: str, ended: bool, seconds: float) -> None:
        self._believed[mark] = (ended, time.monotonic() + seconds)
        self._believed.move_to_end(mark)
        while len(self._believed) > _MOST_BELIEVED:
            self._believed.popitem(last=False)


def _mark(statement: str, expires_at: float) -> str:
    day = datetime.fromtimestamp(expires_at, UTC)
    return f"{ROOT}/{day:%Y%m%d}/signed-out/{hashlib.sha256(statement.encode()).hexdigest()[:32]}"
