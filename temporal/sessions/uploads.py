"""Uploads: files that a caller gives before a message names them.

Rule 1: an upload belongs to nobody's session. It lies below the day on which it came, and is deleted some days later. A
message that names it gets a copy in its own session, which stays as long as the session does.
Rule 2: only the tenant and the user that gave it can use it, and only by its id, which cannot be guessed.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from perdure.temporal.media.reading import in_thread
from perdure.temporal.media.recognise import Recognised, Unrecognised, recognise
from perdure.temporal.sessions.errors import FileUnreadable
from perdure.temporal.sessions.file_names import file_name
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.stores.blobs import BlobError, BlobMissing, BlobStore
from perdure.workflows.vocabulary.parts import Frozen

log = structlog.get_logger(__name__)

#: The form of an upload's `uri`: the day it came, and what cannot be guessed.
URI: Final = re.compile(r"upload:(\d{8})\.([0-9a-f]{32})")
#: The first segment of their blobs' keys; the day comes next.
ROOT: Final = "uploads"
#: Days before the oldest that is kept whose leftovers are deleted, after a gateway was away for long.
_LEFTOVERS: Final = 60
_ROUND_S: Final = 3600.0


class Upload(Frozen):
    """What is known of an upload."""

    uri: str
    user: str | None
    name: str
    #: With the encoding of a text.
    media_type: str
    bytes: int
    width: int | None = None
    height: int | None = None
    pages: int | None = None


def today() -> datetime:
    return datetime.now(UTC)


class Uploads:
    def __init__(self, blobs: BlobStore, days: int, now: Callable[[], datetime] = today) -> None:
        """An upload can be used for `days` days, counted from the end of its own."""
        self._blobs = blobs
        self._days = days
        self._now = now

    async def receive(self, caller: Principal, chunks: AsyncIterable[bytes], declared: str, name: str) -> Upload:
        """Stores a file that is coming in. `declared` is its media type as its sender gave it, or empty.

        Raises `Forbidden`, `FileUnreadable`, and what `chunks` raise; then nothing is kept."""
        caller.need_act("write")
        uri = f"{self._now():upload:%Y%m%d}.{secrets.token_hex(16)}"
        folder = _folder(caller.tenant, uri)
        try:
            await self._blobs.put_stream(f"{folder}/data", chunks)
            data = await self._blobs.get(f"{folder}/data")
            try:
                seen = await in_thread(caller.tenant, recognise, data, declared, name)
            except Unrecognised as problem:
                raise FileUnreadable(None, f"The file {problem}.") from None
            upload = _described(uri, caller.user, file_name(name, seen.media_type), len(data), seen)
            await self._blobs.put(f"{folder}/about", upload.model_dump_json().encode())
        except BaseException:
            # What is left where the store is away goes with its day.
            with suppress(BlobError):
                await self._blobs.delete_prefix(folder)
            raise
        return upload

    async def find(self, caller: Principal, uri: str) -> Upload | None:
        """None where the caller has no such upload, or has it no longer."""
        if URI.fullmatch(uri) is None:
            return None
        try:
            upload = Upload.model_validate_json(await self._blobs.get(f"{_folder(caller.tenant, uri)}/about"))
        except BlobMissing:
            return None
        return upload if caller.holds_any("write") or caller.user == upload.user else None

    async def read(self, caller: Principal, upload: Upload) -> bytes:
        """Its bytes. Raises `BlobMissing` where it has just expired."""
        return await self._blobs.get(f"{_folder(caller.tenant, upload.uri)}/data")

    async def expire(self) -> int:
        """Deletes the uploads whose days are over, and returns the number of blobs."""
        last = self._now() - timedelta(days=self._days + 1)
        days = (last - timedelta(days=ago) for ago in range(_LEFTOVERS))
        return sum([await self._blobs.delete_prefix(f"{ROOT}/{day:%Y%m%d}") for day in days])

    async def keep_expiring(self) -> None:
        """Does so once an hour, until it is cancelled."""
        while True:
            try:
                await self.expire()
            except (BlobError, OSError) as error:
                log.warning("uploads.not_expired", problem=str(error))
            await asyncio.sleep(_ROUND_S)


async def forget(blobs: BlobStore, tenant: str, uri: str) -> int:
    """Deletes an upload, and returns the number of blobs."""
    return await blobs.delete_prefix(_folder(tenant, uri))


def _folder(tenant: str, uri: str) -> str:
    day, _, token = uri.removeprefix("upload:").partition(".")
    return f"{ROOT}/{day}/{tenant}/{token}"


def _described(uri: str, user: str | None, name: str, size: int, seen: Recognised) -> Upload:
    return Upload(
        uri=uri,
        user=user,
        name=name,
        media_type=seen.described,
        bytes=size,
        width=seen.width,
        height=seen.height,
        pages=seen.pages,
    )
