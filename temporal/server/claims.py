"""What schedules each running worker defines, kept in the blob store for the other workers to see.

Rule 1: a claim stands for `STANDS_S` after a worker has made it, also when the worker stops: a worker that is
restarted or replaced still defines its schedules.
Rule 2: a claim is an immutable blob, `definitions/schedules/{worker}~{lapses, Unix time}/{sha256}`. A worker's previous
claim stays until the next one is made, so whoever lists the claims meanwhile finds one of the two.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final

from perdure.temporal.stores.blobs import BlobMissing, BlobStore, StoreUnavailable

#: Longer than a worker takes to be restarted or replaced.
STANDS_S: Final = 600

_FOLDER: Final = "definitions/schedules"
_TRIES: Final = 5


class Claims:
    """The claims in `blobs`, as one worker of `namespace` sees them.

    `worker` is an id that no other running worker has. A worker that keeps its id over restarts replaces its own claims.
    """

    def __init__(
        self, blobs: BlobStore, namespace: str, worker: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._blobs = blobs
        self._namespace = namespace
        self._worker = worker or uuid.uuid4().hex
        self._clock = clock

    async def make(self, contents: Mapping[str, str]) -> None:
        """Claims the schedules with these ids; each value stands for what the worker wants the schedule to be.
        Raises StoreUnavailable."""
        stored = json.dumps({"namespace": self._namespace, "schedules": dict(contents)}, sort_keys=True).encode()
        folder = f"{self._worker}~{int(self._clock()) + STANDS_S}"
        before = await self._listed()
        await self._blobs.put(f"{_FOLDER}/{folder}/{hashlib.sha256(stored).hexdigest()}", stored)
        mine = sorted({one for one, _ in before.get(self._worker, []) if one != folder}, key=_lapses)
        lapsed = [
            one
            for worker, claims in before.items()
            for one, _ in claims
            if worker != self._worker and _lapses(one) + STANDS_S < self._clock()
        ]
        for one in (*mine[:-1], *lapsed):
            await self._blobs.delete_prefix(f"{_FOLDER}/{one}")

    async def others(self) -> dict[str, frozenset[str]]:
        """What other workers want each schedule to be, by schedule id. Raises StoreUnavailable."""
        for _ in range(_TRIES):
            try:
                return await self._read()
            except BlobMissing:
                # Replaced by a later claim since it was listed.
                continue
        raise StoreUnavailable(f"the claims below {_FOLDER} in the blob store change while they are read")

    async def _read(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for worker, claims in (await self._listed()).items():
            # A worker that wants nothing else within the same second has two claims that lapse together.
            last = max(_lapses(folder) for folder, _ in claims)
            if worker == self._worker or last < self._clock():
                continue
            for key in (key for folder, key in claims if _lapses(folder) == last):
                claim = json.loads(await self._blobs.get(key))
                if claim["namespace"] == self._namespace:
                    for schedule_id, content in claim["schedules"].items():
                        found[schedule_id] = found.get(schedule_id, frozenset()) | {content}
        return found

    async def _listed(self) -> dict[str, list[tuple[str, str]]]:
        """(folder, key) of each claim, by worker."""
        found: dict[str, list[tuple[str, str]]] = {}
        for key in await self._blobs.keys(_FOLDER):
            folder = key.split("/")[2]
            found.setdefault(folder.rpartition("~")[0], []).append((folder, key))
        return found


def _lapses(folder: str) -> int:
    return int(folder.rpartition("~")[2])
