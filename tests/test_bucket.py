"""Blobs in a bucket of a real S3 server: the same outcomes as in a folder."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import obstore
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.temporal.blob_address import blob_address
from perdure.temporal.stores.blobs import (
    BlobDamaged,
    BlobError,
    BlobKeyInvalid,
    BlobMissing,
    BlobStore,
    LocalBlobs,
    StoreAway,
    StoreUnavailable,
    probe,
)
from perdure.temporal.stores.opened import open_blobs
from tests.support.older_s3 import older_s3
from tests.support.s3 import S3

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("s3_keys")]

MIB = 1024 * 1024


def hashed(data: bytes, session: str = "t/s") -> str:
    return f"{session}/{hashlib.sha256(data).hexdigest()}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bucket(s3: S3) -> str:
    return await s3.make_bucket()


@pytest.fixture
def blobs(s3: S3, bucket: str, request: pytest.FixtureRequest) -> BlobStore:
    """Below a prefix of the test's own, without memory."""
    return opened(s3, bucket, below(request))


def below(request: pytest.FixtureRequest) -> str:
    return hashlib.sha256(request.node.name.encode()).hexdigest()[:12]


def opened(s3: S3, bucket: str, prefix: str) -> BlobStore:
    return open_blobs(blob_address(s3.url(bucket, prefix)), cache_bytes=0)


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def test_a_blob_of_this_hash_is_written_once(
    s3: S3, bucket: str, blobs: BlobStore, request: pytest.FixtureRequest
) -> None:
    key = hashed(b"whole")
    name = f"{below(request)}/{key}"
    await asyncio.gather(*(opened(s3, bucket, below(request)).put(key, b"whole") for _ in range(8)))
    written = obstore.head(s3.client(bucket), name)["last_modified"]
    await blobs.put(key, b"whole")
    assert obstore.head(s3.client(bucket), name)["last_modified"] == written
    assert await blobs.get(key) == b"whole"
    assert await s3.keys(bucket, below(request)) == [name]
    # Of another size, it is none of this name.
    obstore.put(s3.client(bucket), name, b"half")
    with pytest.raises(BlobDamaged):
        await blobs.get(key)
    await blobs.put(key, b"whole")
    assert await blobs.get(key) == b"whole"


async def test_a_store_without_conditional_puts_is_asked_first(s3: S3, bucket: str) -> None:
    async with older_s3(s3) as (endpoint, passed):
        blobs = open_blobs(blob_address(s3.url(bucket, "older").replace(s3.endpoint, endpoint)), cache_bytes=0)
        for data in (b"one", b"one", b"two"):
            await blobs.put(hashed(data), data)
        assert await blobs.get(hashed(b"one")) == b"one"
    one, two = (f"/{bucket}/older/{hashed(data)}" for data in (b"one", b"two"))
    # The last of these is the read.
    assert passed == [f"HEAD {one}", f"PUT {one}", f"HEAD {one}", f"HEAD {two}", f"PUT {two}", f"GET {one}"]


async def test_a_large_blob_goes_in_parts_and_once(blobs: BlobStore) -> None:
    data = bytes(range(256)) * (13 * MIB // 256)
    await blobs.put(hashed(data), data)
    await blobs.put(hashed(data), data)
    assert await blobs.get(hashed(data)) == data


@pytest.mark.parametrize("sizes", [(), (3,), (5 * MIB,), (1, 5 * MIB, 7 * MIB, 2)])
async def test_a_stream_of_any_size_is_stored(blobs: BlobStore, sizes: tuple[int, ...]) -> None:
    whole = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    await blobs.put_stream("uploads/d/t/u/data", pieces(*whole))
    assert await blobs.get("uploads/d/t/u/data") == b"".join(whole)


@pytest.mark.parametrize("size", [10, 12 * MIB])
async def test_of_a_stream_that_breaks_nothing_is_stored(
    s3: S3, bucket: str, blobs: BlobStore, request: pytest.FixtureRequest, size: int
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * size
        yield b"y"
        raise KeyError("the sender left")

    with pytest.raises(KeyError, match="the sender left"):
        await blobs.put_stream("uploads/d/t/u/data", broken())
    with pytest.raises(BlobMissing):
        await blobs.get("uploads/d/t/u/data")
    assert await s3.keys(bucket, below(request)) == []


async def test_more_than_a_page_of_blobs_is_listed_and_deleted(blobs: BlobStore) -> None:
    names = [f"t/many/n{number}" for number in range(2100)]
    room = asyncio.Semaphore(50)

    async def put(name: str) -> None:
        async with room:
            await blobs.put(name, b"")

    await asyncio.gather(*map(put, names), put("t/many2/n0"), put("t/man/n0"))
    assert sorted(await blobs.keys("t/many")) == sorted(names)
    assert await blobs.delete_prefix("t/many/") == len(names)
    assert await blobs.delete_prefix("t/many") == 0
    assert await blobs.keys("t/many") == []
    assert (await blobs.keys("t/many2"), await blobs.keys("t/man")) == (["t/many2/n0"], ["t/man/n0"])


async def test_a_store_that_is_away_is_unavailable_and_comes_back(s3: S3, blobs: BlobStore) -> None:
    await blobs.put("t/s/name", b"kept")
    await s3.kill()
    work = (blobs.get("t/s/name"), blobs.put("t/s/other", b""), blobs.keys("t/s"), blobs.delete_prefix("t/s"))
    failed = await asyncio.gather(
        *work, blobs.copy("t/s/name", "t/x/name"), blobs.put_stream("t/s/z", pieces(b"z")), return_exceptions=True
    )
    for error in failed:
        assert isinstance(error, StoreAway), error
        assert f"nothing listens at {s3.endpoint}" in str(error)
    await s3.start()
    assert await blobs.get("t/s/name") == b"kept"
    assert await probe(blobs)


@pytest.mark.slow
async def test_a_store_that_hangs_is_given_up_and_found_again(s3: S3, blobs: BlobStore) -> None:
    await blobs.put("t/s/name", b"kept")
    s3.freeze()
    try:
        async with asyncio.timeout(60):
            for work in (blobs.get("t/s/name"), blobs.put("t/s/other", b"")):
                with pytest.raises(StoreAway, match=f"{s3.endpoint} does not answer in time"):
                    await work
    finally:
        s3.thaw()
    assert await blobs.get("t/s/name") == b"kept"


async def test_a_bucket_that_is_missing_is_no_store_without_blobs(s3: S3) -> None:
    blobs = opened(s3, "no-such-bucket", "p")
    for work in (blobs.get("t/s/n"), blobs.put("t/s/n", b""), blobs.keys("t/s"), blobs.copy("t/s/n", "t/s2/n")):
        with pytest.raises(StoreUnavailable, match="there is no bucket no-such-bucket; make it first") as refused:
            await work
        assert not isinstance(refused.value, StoreAway)


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
async def test_keys_that_are_refused_are_named_and_not_shown(
    s3: S3, bucket: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "hunter2")
    with pytest.raises(StoreUnavailable, match=r"the keys are refused .*; check AWS_ACCESS_KEY_ID and") as refused:
        await probe(opened(s3, bucket, "p"))
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


SEGMENTS = st.sampled_from(["a", "ab", "b"])
CONTENTS = st.sampled_from([b"", b"one", b"two", b"x" * 300])
NAMES = st.one_of(SEGMENTS, CONTENTS.map(lambda data: hashlib.sha256(data).hexdigest()))
KEYS = st.builds(lambda *segments: "/".join(segments), SEGMENTS, SEGMENTS, NAMES)
FOLDERS = st.one_of(SEGMENTS, st.builds(lambda *segments: "/".join(segments), SEGMENTS, SEGMENTS))
OPERATIONS = st.one_of(
    st.tuples(st.just("put"), st.builds(lambda s, data: (hashed(data, s), data), st.just("a/b"), CONTENTS)),
    st.tuples(st.just("put"), st.tuples(KEYS, CONTENTS)),
    st.tuples(st.just("put_stream"), st.tuples(st.builds("/".join, st.tuples(SEGMENTS, SEGMENTS, SEGMENTS)), CONTENTS)),
    st.tuples(st.just("get"), st.tuples(KEYS)),
    st.tuples(st.just("copy"), st.tuples(KEYS, KEYS)),
    st.tuples(st.just("keys"), st.tuples(FOLDERS)),
    st.tuples(st.just("delete_prefix"), st.tuples(FOLDERS)),
    st.tuples(st.just("get"), st.tuples(st.sampled_from(["", "..", "a//b", "a/ä", "a/b+c"]))),
)


async def outcome(blobs: BlobStore, operation: str, arguments: tuple[str | bytes, ...]) -> object:
    match operation, arguments:
        case "put_stream", (str(key), bytes(data)):
            work: Awaitable[object] = blobs.put_stream(key, pieces(data))
        case _:
            work = getattr(blobs, operation)(*arguments)
    try:
        done = await work
        return sorted(done) if isinstance(done, list) else done
    except (BlobMissing, BlobDamaged, BlobKeyInvalid) as error:
        return type(error), str(error)
    except BlobError as error:
        return type(error)


@pytest.mark.parametrize("cache_bytes", [0, 400])
async def test_whatever_is_done_folder_and_bucket_have_the_same_outcomes(
    s3: S3, bucket: str, cache_bytes: int, request: pytest.FixtureRequest
) -> None:
    loop = asyncio.get_running_loop()
    runs = 0

    async def compare(operations: list[tuple[str, tuple[str | bytes, ...]]]) -> None:
        nonlocal runs
        runs += 1
        url = s3.url(bucket, f"{below(request)}/{runs}")
        in_bucket = open_blobs(blob_address(url), cache_bytes)
        with tempfile.TemporaryDirectory() as folder:
            in_folder = LocalBlobs(Path(folder), cache_bytes)
            for operation, arguments in operations:
                there = await outcome(in_bucket, operation, arguments)
                assert there == await outcome(in_folder, operation, arguments), (operation, arguments)

    @settings(max_examples=60)
    @given(st.lists(OPERATIONS, min_size=1, max_size=25))
    def each(operations: list[tuple[str, tuple[str | bytes, ...]]]) -> None:
        asyncio.run_coroutine_threadsafe(compare(operations), loop).result(60)

    await asyncio.to_thread(each)
    assert runs >= 60
