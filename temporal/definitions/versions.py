"""Which versions of an agent there have been, and since when: a small record for each in the blob store.

Rule 1: a record is never changed. Its key says all there is to say, so that one listing tells every version of an agent.
Rule 2: whoever sees a version first writes its record. Where two processes do at the same time, the earlier one counts.
Rule 3: a definition serves whether its record could be written or not; writing is tried again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from perdure.temporal.definitions.shelves import Known
from perdure.temporal.stores.blobs import BlobError, BlobStore
from perdure.workflows.definition.tools.options import NAME

_ROOT: Final = "definitions/versions"
_TIME: Final = "%Y%m%dT%H%M%S.%fZ"
_NAME: Final = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Version:
    digest: str
    first_seen: datetime
    #: The only tenant that has it; None: all of them have it.
    tenant: str | None


class Versions:
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        #: Folder and digest of those whose record is there.
        self._noted: set[tuple[str, str]] = set()
        self._failing = False

    async def note(self, known: Iterable[Known]) -> None:
        """Records those that have no record yet as seen now. Never raises for the store; the next call tries again."""
        new = {
            entry: None
            for one in known
            if (entry := (_folder(one.definition.name, one.tenant), one.digest)) not in self._noted
        }
        if not new:
            return
        now = datetime.now(UTC).strftime(_TIME)
        try:
            there = {(folder, digest) for folder, _, digest in await self._listed(_ROOT)}
            for folder, digest in new:
                if (folder, digest) not in there:
                    await self._blobs.put(f"{folder}/{now}-{digest}", digest.encode())
                self._noted.add((folder, digest))
        except BlobError as error:
            if not self._failing:
                structlog.get_logger().warning("versions.not_kept", problem=str(error))
            self._failing = True
        else:
            self._failing = False

    async def of(self, name: str, tenant: str | None) -> list[Version]:
        """The versions of an agent that a tenant can have run, the latest first. Raises `StoreUnavailable`."""
        if re.fullmatch(NAME, name) is None:
            return []
        owners = dict.fromkeys((None, tenant))
        found: dict[str, Version] = {}
        for owner in owners:
            for _, seen, digest in await self._listed(_folder(name, owner)):
                earlier = found.get(digest)
                if earlier is None or seen < earlier.first_seen:
                    found[digest] = Version(digest, seen, owner)
        return sorted(found.values(), key=lambda version: (version.first_seen, version.digest), reverse=True)

    async def _listed(self, prefix: str) -> list[tuple[str, datetime, str]]:
        """Folder, time and digest of each record below `prefix`."""
        records = []
        for key in await self._blobs.keys(prefix):
            folder, _, written = key.rpartition("/")
            if match := _NAME.fullmatch(written):
                seen = datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
                records.append((folder, seen, match[2]))
        return records


def _folder(name: str, tenant: str | None) -> str:
    return f"{_ROOT}/shared/{name}" if tenant is None else f"{_ROOT}/tenants/{tenant}/{name}"
