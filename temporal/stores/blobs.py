"""The blob store: bytes by key, and the offloading ("folding") of large message parts to it.

Rule 1: a key is `{tenant}/{session}/{name}`, so erasing a session means deleting one prefix. Every segment is an id;
nothing else reaches the file system.
Rule 2: a name that has the form of a sha256 is the sha256 of the bytes. Such a blob never changes, and its bytes are
verified on every read.
Rule 3: a blob is complete or absent, even after a kill during a write.
"""

import asyncio
import errno
import hashlib
import re
import uuid
from collections.abc import AsyncIterable, Awaitable
from pathlib import Path
from typing import Final, Protocol

import structlog
from pydantic import TypeAdapter

from perdure.temporal.stores.blob_files import Arriving, delete, keys_below, sha256_in, write
from perdure.temporal.stores.remembered import Remembered
from perdure.workflows.vocabulary.folding import folded
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, BlobRef, Part, ToolResult

log = structlog.get_logger(__name__)

#: Bytes of JSON above which a message's largest parts are folded, even if each is below `INLINE_LIMIT`.
MESSAGE_LIMIT = 64 * 1024

#: First segments of keys that do not belong to a tenant: definitions, uploads, and data outside of any session.
RESERVED_TENANTS = frozenset({"definitions", "perdure", "uploads", "~"})

#: Bytes of recently read or written blobs that a store keeps in memory, unless it is told otherwise.
CACHE_BYTES: Final = 32 * 1024 * 1024

_SEGMENT = re.compile(r"[A-Za-z0-9._~:-]{1,200}")
_PARTS: TypeAdapter[Part] = TypeAdapter(Part)


class BlobError(Exception):
    """A blob store operation failed; the message names the key."""


class BlobMissing(BlobError):
    """No blob exists under this key."""


class BlobDamaged(BlobError):
    """The bytes under this key are not the bytes that were stored."""


class BlobKeyInvalid(BlobError):
    """A segment of the key is not an id."""


class StoreUnavailable(BlobError):
    """The store itself cannot be read or written; the message names the store and the reason."""


class StoreFull(StoreUnavailable):
    """The store has no space left."""


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BlobStore(Protocol):
    async def put(self, key: str, data: bytes) -> None:
        """Stores `data` under `key`. Idempotent. Raises `StoreUnavailable`."""
        ...

    async def get(self, key: str) -> bytes:
        """The bytes under `key`.

        Raises `BlobMissing`, `BlobDamaged` if they are not the bytes that were stored, or `StoreUnavailable`.
        """
        ...

    async def copy(self, source: str, target: str) -> None:
        """Stores under `target` what lies under `source`, and has its name after the last `/`. Idempotent. The bytes are not
        verified: who reads the copy does that. Raises `BlobMissing` and `StoreUnavailable`."""
        ...

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Stores what `chunks` give under `key`, whose name is no hash, without holding all of it in memory. What `chunks`
        raise goes through, and nothing is stored. Raises `StoreUnavailable`."""
        ...

    async def keys(self, prefix: str) -> list[str]:
        """The keys below `prefix` (whole segments), in no order. Raises `StoreUnavailable`."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Deletes every blob below `prefix` (whole segments, `tenant/session`), and returns the number deleted. Raises
        `StoreUnavailable`; then it can be repeated."""
        ...


class LocalBlobs:
    """A directory on this machine. Several processes may share it.

    `cache_bytes` limits the memory for recently read or written blobs.
    """

    def __init__(self, root: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self._root = root
        self._remembered = Remembered(cache_bytes)

    async def put(self, key: str, data: bytes) -> None:
        check_key(key)
        verify(key, data)
        try:
            await asyncio.to_thread(write, self._root / key, data)
        except OSError as error:
            raise self._unavailable("written", error) from error
        self._remembered.add(key, data)

    async def get(self, key: str) -> bytes:
        check_key(key)
        if (kept := self._remembered.get(key)) is not None:
            return kept
        data = await self._read(key)
        verify(key, data)
        self._remembered.add(key, data)
        return data

    async def copy(self, source: str, target: str) -> None:
        check_key(source)
        check_key(target)
        data = await self._read(source)
        try:
            await asyncio.to_thread(write, self._root / target, data)
        except OSError as error:
            raise self._unavailable("written", error) from error

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        check_key(key)
        try:
            arriving = await asyncio.to_thread(Arriving, self._root / key)
        except OSError as error:
            raise self._unavailable("written", error) from error
        whole = False
        try:
            async for chunk in chunks:
                await self._written(asyncio.to_thread(arriving.add, chunk))
            await self._written(asyncio.to_thread(arriving.keep))
            whole = True
        finally:
            if not whole:
                arriving.drop()

    async def keys(self, prefix: str) -> list[str]:
        folder = prefix.rstrip("/")
        check_key(folder)
        try:
            return await asyncio.to_thread(keys_below, self._root, folder)
        except OSError as error:
            raise self._unavailable("read", error) from error

    async def delete_prefix(self, prefix: str) -> int:
        folder = prefix.rstrip("/")
        check_key(folder)
        self._remembered.forget(folder)
        try:
            return await asyncio.to_thread(delete, self._root / folder)
        except OSError as error:
            raise self._unavailable("cleared", error) from error

    async def _read(self, key: str) -> bytes:
        try:
            return await asyncio.to_thread((self._root / key).read_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise BlobMissing(f"no blob {key}") from None
        except OSError as error:
            raise self._unavailable("read", error) from error

    async def _written(self, writing: Awaitable[None]) -> None:
        try:
            await writing
        except OSError as error:
            raise self._unavailable("written", error) from error

    def _unavailable(self, what: str, error: OSError) -> StoreUnavailable:
        kind = StoreFull if error.errno in _NO_ROOM else StoreUnavailable
        return kind(f"the blob store {self._root} cannot be {what}: {error.strerror or error}")


def check_key(key: str) -> None:
    """Raises `BlobKeyInvalid` unless every segment of `key` is an id: not empty, not `.`, not `..`."""
    for segment in key.split("/"):
        if _SEGMENT.fullmatch(segment) is None or segment in (".", ".."):
            raise BlobKeyInvalid(f"not a key of the blob store: {key!r}")


async def probe(blobs: BlobStore) -> bool:
    """Writes, reads and deletes a blob. Returns False if the bytes read differ. Raises `StoreUnavailable`."""
    # "~" holds payloads outside of any session, so this cannot clash with a tenant.
    folder, data = f"~/probe-{uuid.uuid4().hex}", b"probe"
    await blobs.put(f"{folder}/probe", data)
    whole = await blobs.get(f"{folder}/probe") == data
    await blobs.delete_prefix(folder)
    return whole


async def fold_part(blobs: BlobStore, workflow_id: str, part: Part) -> Part:
    """`part` itself if its JSON has at most `INLINE_LIMIT` bytes; else its short form, with the full part stored."""
    data = _dump(part)
    if part.blob is not None or len(data) <= INLINE_LIMIT:
        return part
    return await _store(blobs, workflow_id, part, data)


async def fold(blobs: BlobStore, workflow_id: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Folds a message's parts: each ends up below `INLINE_LIMIT` and, as far as folding helps, all of them together
    below `MESSAGE_LIMIT` bytes of JSON."""
    short = [await fold_part(blobs, workflow_id, part) for part in parts]
    sizes = [len(_dump(part)) for part in short]
    for index in sorted(range(len(short)), key=lambda index: -sizes[index]):
        part = short[index]
        if sum(sizes) <= MESSAGE_LIMIT:
            break
        if part.blob is not None:
            continue
        data = _dump(part)
        smaller = len(_dump(folded(part, _reference(workflow_id, data))))
        if smaller < sizes[index]:
            short[index] = await _store(blobs, workflow_id, part, data)
            sizes[index] = smaller
    return tuple(short)


def are_inline(parts: tuple[Part, ...]) -> bool:
    """Whether `fold` stores nothing of these."""
    sizes = [len(_dump(part)) for part in parts]
    return max(sizes, default=0) <= INLINE_LIMIT and sum(sizes) <= MESSAGE_LIMIT


async def unfold(blobs: BlobStore, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Hydrates folded parts. A part whose blob is missing or damaged keeps its short form.

    A lost blob costs a session the middle of one part. Raising would make every later step and viewer fail.
    """

    async def whole(part: Part) -> Part:
        if part.blob is None:
            return part
        try:
            stored = _PARTS.validate_json(await blobs.get(part.blob.key))
        except (BlobMissing, BlobDamaged) as error:
            log.warning("blob.lost", problem=str(error))
            return part
        if isinstance(part, ToolResult) and isinstance(stored, ToolResult):
            # The tool's worker stored the result; it cannot know whether a person changed the arguments.
            return stored.model_copy(update={"changed_args": part.changed_args})
        return stored

    return tuple(await asyncio.gather(*map(whole, parts)))


async def _store(blobs: BlobStore, workflow_id: str, part: Part, data: bytes) -> Part:
    reference = _reference(workflow_id, data)
    await blobs.put(reference.key, data)
    return folded(part, reference)


def _reference(workflow_id: str, data: bytes) -> BlobRef:
    return BlobRef(key=f"{workflow_id}/{hashlib.sha256(data).hexdigest()}", size=len(data))


def _dump(part: Part) -> bytes:
    return part.model_dump_json().encode()


def verify(key: str, data: bytes) -> None:
    """Raises `BlobDamaged` where the key's name is the sha256 of other bytes."""
    expected = sha256_in(key)
    if expected is not None and hashlib.sha256(data).hexdigest() != expected:
        raise BlobDamaged(f"blob {key} is damaged: its bytes do not have the sha256 that it is named by")
