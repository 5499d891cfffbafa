"""Blobs in a bucket of an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure.

Rule 1: a blob that is named by its hash is written once. Who comes second leaves it as it is.
Rule 2: of what does not fit one part, a few parts are in memory at a time, whatever its size.
Rule 3: a bucket that is missing is a store that cannot be used, never a store without blobs.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from perdure.temporal.blob_address import Bucket, Scheme
from perdure.temporal.stores.blob_files import sha256_in
from perdure.temporal.stores.blobs import CACHE_BYTES, BlobMissing, check_key, verify
from perdure.temporal.stores.bucket_client import open_bucket
from perdure.temporal.stores.bucket_faults import no_bucket, not_offered, unavailable
from perdure.temporal.stores.remembered import Remembered

#: Bytes of a part of a multipart upload: the least that S3 takes.
_PART: Final = 5 * 1024 * 1024
#: Parts of one blob that are under way at a time.
_PARTS: Final = 2
#: Objects that one request deletes: the most that S3 and Azure take (DeleteObjects, Blob Batch). GCS has no such request.
_PAGES: Final[dict[Scheme, int]] = {"s3": 1000, "az": 256, "gs": 1000}


class BucketBlobs:
    """`cache_bytes` limits the memory for recently read or written blobs. Raises `BucketUnusable`, when it is made."""

    def __init__(self, bucket: Bucket, cache_bytes: int = CACHE_BYTES) -> None:
        self._bucket = bucket
        self._store = open_bucket(bucket)
        self._remembered = Remembered(cache_bytes)
        #: Whether the store takes a put that only succeeds where nothing is.
        self._conditional = True

    async def put(self, key: str, data: bytes) -> None:
        check_key(key)
        verify(key, data)
        with self._told("written"):
            if sha256_in(key) is None or not await self._is_there(key, data):
                await self._put(key, data)
        self._remembered.add(key, data)

    async def get(self, key: str) -> bytes:
        check_key(key)
        if (kept := self._remembered.get(key)) is not None:
            return kept
        with self._told("read", key):
            data = bytes(await (await self._store.get_async(key)).bytes_async())
        verify(key, data)
        self._remembered.add(key, data)
        return data

    async def copy(self, source: str, target: str) -> None:
        check_key(source)
        check_key(target)
        with self._told("written", source):
            await self._store.copy_async(source, target)

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        check_key(key)
        # Parts without an end cost money until somebody clears them away, so nothing is sent of what may yet fit into one.
        begun = bytearray()
        arriving = aiter(chunks)
        async for chunk in arriving:
            begun += chunk
            if len(begun) > _PART:
                break
        else:
            with self._told("written"):
                await self._put(key, bytes(begun))
            return
        coming = _Coming(bytes(begun), arriving)
        with self._told("written"):
            try:
                await self._store.put_async(
                    key, coming.chunks(), use_multipart=True, chunk_size=_PART, max_concurrency=_PARTS
                )
            except Exception:
                if coming.failure is not None:
                    raise coming.failure from None
                raise

    async def keys(self, prefix: str) -> list[str]:
        folder = prefix.rstrip("/")
        check_key(folder)
        return [key async for page in self._pages(folder) for key in page]

    async def delete_prefix(self, prefix: str) -> int:
        folder = prefix.rstrip("/")
        check_key(folder)
        self._remembered.forget(folder)
        count = 0
        async for page in self._pages(folder):
            with self._told("written"):
                count += await self._delete(page)
        return count

    async def _pages(self, folder: str) -> AsyncIterator[list[str]]:
        listing = aiter(self._store.list(folder, chunk_size=_PAGES[self._bucket.scheme]))
        while True:
            with self._told("listed"):
                page = await anext(listing, None)
            if page is None:
                return
            yield [found["path"] for found in page]

    async def _delete(self, keys: list[str]) -> int:
        try:
            await self._store.delete_async(keys)
            return len(keys)
        except FileNotFoundError as error:
            if no_bucket(error):
                raise
        # Somebody else deletes the same, and this store says so.
        count = 0
        for key in keys:
            try:
                await self._store.delete_async(key)
                count += 1
            except FileNotFoundError:
                pass
        return count

    async def _is_there(self, key: str, data: bytes) -> bool:
        """Whether the blob is there now, already or by one request that also says so."""
        from obstore.exceptions import AlreadyExistsError, BaseError

        if self._conditional and len(data) <= _PART:
            try:
                await self._store.put_async(key, data, mode="create")
                return True
            except AlreadyExistsError:
                pass
            except BaseError as error:
                if not not_offered(error):
                    raise
                self._conditional = False
        try:
            # Another size is no blob of this name, and another writer may have failed after it was in the way.
            return (await self._store.head_async(key))["size"] == len(data)
        except FileNotFoundError:
            return False

    async def _put(self, key: str, data: bytes) -> None:
        await self._store.put_async(key, data, chunk_size=_PART, max_concurrency=_PARTS)

    @contextmanager
    def _told(self, what: str, key: str | None = None) -> Iterator[None]:
        """Tells of the store's failures in our words. `key` is what is missing where an object is not found."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            if key is not None and not no_bucket(error):
                raise BlobMissing(f"no blob {key}") from None
            raise unavailable(self._bucket, what, error) from None
        except BaseError as error:
            raise unavailable(self._bucket, what, error) from None


class _Coming:
    """A stream that has begun, and why it ended early."""

    def __init__(self, begun: bytes, rest: AsyncIterator[bytes]) -> None:
        self._begun = begun
        self._rest = rest
        self.failure: BaseException | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._begun
        try:
            async for chunk in self._rest:
                yield chunk
        except BaseException as failure:
            self.failure = failure
            raise
