"""The versions of an agent, each with what changed to the one before it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from perdure.temporal.definitions.differences import Difference, differences
from perdure.temporal.definitions.stored import Stored, read_stored
from perdure.temporal.definitions.versions import Version
from perdure.temporal.stores.blobs import BlobDamaged, BlobStore

#: Definitions that are read from the store at a time.
_AT_A_TIME: Final = 16


@dataclass(frozen=True, slots=True)
class Entry:
    version: Version
    #: The digest of the version before it; None: it is the first.
    before: str | None
    #: What changed to the version before; None: one of them cannot be read here. Empty for the first version.
    changes: tuple[Difference, ...] | None


async def history(blobs: BlobStore, versions: Sequence[Version], start: int, stop: int) -> list[Entry]:
    """The entries from `start` to `stop` of all `versions` of an agent, the latest first. Raises `StoreUnavailable`."""
    shown = versions[start:stop]
    earlier = {version.digest: _before(version, versions[start + place + 1 :]) for place, version in enumerate(shown)}
    needed = dict.fromkeys(
        [one.digest for one in shown] + [digest for digest in earlier.values() if digest is not None]
    )
    read = await _read(blobs, needed)
    return [
        Entry(version, earlier[version.digest], _changes(read, earlier[version.digest], version.digest))
        for version in shown
    ]


def _before(version: Version, older: Sequence[Version]) -> str | None:
    """A tenant's own version is compared with its own before, and its first one with what it had of what all share."""
    same = (one.digest for one in older if one.tenant == version.tenant)
    return next(same, older[0].digest if older and version.tenant is not None else None)


def _changes(read: Mapping[str, Stored | None], before: str | None, after: str) -> tuple[Difference, ...] | None:
    if before is None:
        return ()
    old, new = read[before], read[after]
    return None if old is None or new is None else differences(old, new)


async def _read(blobs: BlobStore, digests: Collection[str]) -> dict[str, Stored | None]:
    few = asyncio.Semaphore(_AT_A_TIME)

    async def one(digest: str) -> Stored | None:
        async with few:
            try:
                return await read_stored(blobs, digest)
            except BlobDamaged:
                return None

    return dict(zip(digests, await asyncio.gather(*map(one, digests)), strict=True))
