"""Where big parts lie: a store of bytes by key, and the folding of parts into it.

Rule 1: a key is `{tenant}/{session}/{name}`, so that erasing a session is deleting one prefix. Every segment is an id;
nothing else reaches the file system.
Rule 2: a name that is a sha256 is the sha256 of the bytes. Such a blob never changes, and is checked when it is read.
Rule 3: a blob is whole or absent, also after a kill in the middle of a write.
"""

import asyncio
import errno
import hashlib
import os
import re
import shutil
import uuid
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import TypeAdapter

from perdure.temporal.stores.private import make_folder, opener
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, BlobRef, Part, ToolResult, folded

log = structlog.get_logger(__name__)

#: Bytes of JSON above which a message folds its largest parts, even if each is below `INLINE_LIMIT`.
MESSAGE_LIMIT = 64 * 1024

#: First segments of keys that are no tenant's: definitions, and what belongs to no session.
RESERVED_TENANTS = frozenset({"definitions", "perdure", "~"})

_SEGMENT = re.compile(r"[A-Za-z0-9._~:-]{1,200}")
_HASHED = re.compile(r"(?:x-)?([0-9a-f]{64})")
_PARTS: TypeAdapter[Part] = TypeAdapter(Part)


class BlobError(Exception):
    """The blob store cannot do what it was asked; the message names the key."""


class BlobMissing(BlobError):
    """There is no blob under this key."""


class BlobDamaged(BlobError):
    """The bytes under this key are not those that were stored."""


class BlobKeyInvalid(BlobError):
    """The key is not made of ids."""


class StoreUnavailable(BlobError):
    """The store itself cannot be read or written; the message says which and why."""


class StoreFull(StoreUnavailable):
    """The store has no room for more."""


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BlobStore(Protocol):
    async def put(self, key: str, data: bytes) -> None:
        """Stores `data` under `key`; the same again does nothing. Raises `StoreUnavailable`."""
        ...

    async def get(self, key: str) -> bytes:
        """The bytes under `key`. Raises `BlobMissing`, `BlobDamaged` where they are not what was stored,
        or `StoreUnavailable`."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Deletes every blob below `prefix` (whole segments, `tenant/session`), and returns how many there were."""
        ...


class LocalBlobs:
    """A directory on this machine. Several processes may share it.

    `cache_bytes` bounds the memory kept for blobs that were read or written lately.
    """

    def __init__(self, root: Path, cache_bytes: int = 32 * 1024 * 1024) -> None:
        self._root = root
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached = 0
        self._cache_bytes = cache_bytes

    async def put(self, key: str, data: bytes) -> None:
        check_key(key)
        _verify(key, data)
        try:
            await asyncio.to_thread(_write, self._root / key, data)
        except OSError as error:
            raise self._unavailable("written", error) from error
        self._remember(key, data)

    async def get(self, key: str) -> bytes:
        check_key(key)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        try:
            data = await asyncio.to_thread((self._root / key).read_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise BlobMissing(f"no blob {key}") from None
        except OSError as error:
            raise self._unavailable("read", error) from error
        _verify(key, data)
        self._remember(key, data)
        return data

    async def delete_prefix(self, prefix: str) -> int:
        folder = prefix.rstrip("/")
        check_key(folder)
        for key in [key for key in self._cache if key.startswith(f"{folder}/")]:
            self._cached -= len(self._cache.pop(key))
        return await asyncio.to_thread(_delete, self._root / folder)

    def _unavailable(self, what: str, error: OSError) -> StoreUnavailable:
        kind = StoreFull if error.errno in _NO_ROOM else StoreUnavailable
        return kind(f"the blob store {self._root} cannot be {what}: {error.strerror or error}")

    def _remember(self, key: str, data: bytes) -> None:
        # Only bytes that the key's own hash vouches for never change, so only these may be served from memory.
        if key in self._cache or len(data) > self._cache_bytes or _sha256_in(key) is None:
            return
        self._cache[key] = data
        self._cached += len(data)
        while self._cached > self._cache_bytes:
            _, dropped = self._cache.popitem(last=False)
            self._cached -= len(dropped)


def check_key(key: str) -> None:
    """Raises `BlobKeyInvalid` unless every segment of `key` is an id: no empty one, no `.`, no `..`."""
    for segment in key.split("/"):
        if _SEGMENT.fullmatch(segment) is None or segment in (".", ".."):
            raise BlobKeyInvalid(f"not a key of the blob store: {key!r}")


async def probe(blobs: BlobStore) -> bool:
    """Writes, reads and deletes a blob; False where other bytes come back. Raises `StoreUnavailable`."""
    # "~" is where payloads of no session lie, so no tenant is in the way.
    folder, data = f"~/probe-{uuid.uuid4().hex}", b"probe"
    await blobs.put(f"{folder}/probe", data)
    whole = await blobs.get(f"{folder}/probe") == data
    await blobs.delete_prefix(folder)
    return whole


async def fold_part(blobs: BlobStore, workflow_id: str, part: Part) -> Part:
    """`part` as it may travel: itself up to `INLINE_LIMIT` bytes of JSON, else its short form, the whole stored."""
    data = _dump(part)
    if part.blob is not None or len(data) <= INLINE_LIMIT:
        return part
    return await _store(blobs, workflow_id, part, data)


async def fold(blobs: BlobStore, workflow_id: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """A message's parts as they may travel: each below `INLINE_LIMIT` and, as far as folding helps, all of them
    together below `MESSAGE_LIMIT` bytes of JSON."""
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


async def unfold(blobs: BlobStore, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The same parts, each folded one as it was before, or still short where its blob is lost.

    A lost blob costs a session one part's middle; raising would cost it every step and every viewer from then on.
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
            # It was stored by the tool's worker, which does not know whose arguments it was given.
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


def _sha256_in(key: str) -> str | None:
    match = _HASHED.fullmatch(key.rpartition("/")[2])
    return match[1] if match else None


def _verify(key: str, data: bytes) -> None:
    expected = _sha256_in(key)
    if expected is not None and hashlib.sha256(data).hexdigest() != expected:
        raise BlobDamaged(f"blob {key} is damaged: its bytes do not have the sha256 that it is named by")


def _write(path: Path, data: bytes) -> None:
    # A file of this size under a hash is this blob; another size is what a power failure left.
    if _sha256_in(path.name) is not None and path.exists() and path.stat().st_size == len(data):
        return
    make_folder(path.parent)
    # "+" stands in no id, so a temporary file can never be asked for.
    temporary = path.with_name(f"{path.name}+{uuid.uuid4().hex}")
    try:
        with open(temporary, "wb", opener=opener) as file:
            file.write(data)
            file.flush()
            # The event that names the blob is about to be committed elsewhere; the blob must not be the one that is
            # lost.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def _delete(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    count = sum(1 for path in folder.rglob("*") if path.is_file() and "+" not in path.name)
    shutil.rmtree(folder, ignore_errors=True)
    return count
