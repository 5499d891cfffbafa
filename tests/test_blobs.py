"""The blob store keeps data under safe keys, and folding loses nothing."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.temporal.stores.blobs import (
    MESSAGE_LIMIT,
    BlobDamaged,
    BlobKeyInvalid,
    BlobMissing,
    LocalBlobs,
    StoreUnavailable,
    fold,
    fold_part,
    unfold,
)
from perdure.workflows.vocabulary.parts import (
    INLINE_LIMIT,
    Data,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolError,
    ToolResult,
)

WORKFLOW = "default/s1"
LONG = "x" * (INLINE_LIMIT + 1)


def key_of(data: bytes, session: str = "s1") -> str:
    return f"default/{session}/{hashlib.sha256(data).hexdigest()}"


async def test_what_was_put_is_read_also_by_another_process(tmp_path: Path) -> None:
    await LocalBlobs(tmp_path).put(key_of(b"one"), b"one")
    await LocalBlobs(tmp_path).put(key_of(b"one"), b"one")

    assert await LocalBlobs(tmp_path).get(key_of(b"one")) == b"one"
    assert os.listdir(tmp_path / "default" / "s1") == [hashlib.sha256(b"one").hexdigest()]


async def test_an_unknown_key_is_missing(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    await blobs.put(key_of(b"one"), b"one")

    for key in (key_of(b"two"), "default/s1", f"{key_of(b'one')}/below"):
        with pytest.raises(BlobMissing):
            await blobs.get(key)


@pytest.mark.parametrize(
    "key", ["", "/", "..", "default/../x", "default//x", "/etc/passwd", "a/b\0c", "a/b+c", "a/.", "ä/b"]
)
async def test_a_key_that_is_not_made_of_ids_never_reaches_the_file_system(tmp_path: Path, key: str) -> None:
    blobs = LocalBlobs(tmp_path / "root")
    with pytest.raises(BlobKeyInvalid):
        await blobs.put(key, b"")
    with pytest.raises(BlobKeyInvalid):
        await blobs.get(key)
    with pytest.raises(BlobKeyInvalid):
        await blobs.delete_prefix(key)
    assert os.listdir(tmp_path) == []


async def test_damage_is_noticed_and_mended_by_the_next_put(tmp_path: Path) -> None:
    key = key_of(b"whole")
    await LocalBlobs(tmp_path).put(key, b"whole")
    (tmp_path / key).write_bytes(b"")

    with pytest.raises(BlobDamaged):
        await LocalBlobs(tmp_path).get(key)
    with pytest.raises(BlobDamaged):
        await LocalBlobs(tmp_path).put(key, b"other")
    await LocalBlobs(tmp_path).put(key, b"whole")
    assert await LocalBlobs(tmp_path).get(key) == b"whole"


async def test_a_deleted_session_is_gone_and_its_neighbour_is_not(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    await blobs.put(key_of(b"one"), b"one")
    await blobs.put(key_of(b"two"), b"two")
    await blobs.put(key_of(b"one", session="s10"), b"one")

    assert await blobs.delete_prefix(f"{WORKFLOW}/") == 2
    assert await blobs.delete_prefix(WORKFLOW) == 0
    with pytest.raises(BlobMissing):
        await blobs.get(key_of(b"one"))
    assert await blobs.get(key_of(b"one", session="s10")) == b"one"


async def test_those_who_erase_and_list_the_same_folder_at_once_do_not_hinder_each_other(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    for _ in range(10):
        await asyncio.gather(*(blobs.put(f"default/s1/f{n}/blob", b"") for n in range(100)))

        listing = asyncio.create_task(blobs.keys("default"))
        counts = await asyncio.gather(*(blobs.delete_prefix(WORKFLOW) for _ in range(3)))

        # Who came first counted all of them.
        assert max(counts) == 100
        assert set(await listing) <= {f"default/s1/f{n}/blob" for n in range(100)}
        assert await blobs.keys("default") == []


async def test_what_cannot_be_deleted_is_not_taken_for_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = LocalBlobs(tmp_path)
    await blobs.put(key_of(b"one"), b"one")

    def broken(path: str, *, dir_fd: int | None = None) -> None:
        raise OSError(errno.EIO, "Input/output error", path)

    with monkeypatch.context() as disk:
        disk.setattr(os, "unlink", broken)
        with pytest.raises(StoreUnavailable, match="cannot be cleared: Input/output error"):
            await blobs.delete_prefix(WORKFLOW)
    assert await blobs.delete_prefix(WORKFLOW) == 1


async def test_memory_is_bounded_and_a_name_without_a_hash_is_read_anew(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, cache_bytes=5)
    await blobs.put(key_of(b"one"), b"one")
    await blobs.put(key_of(b"two"), b"two")
    await blobs.put("default/s1/plain", b"old")
    (tmp_path / "default/s1/plain").write_bytes(b"new")
    (tmp_path / key_of(b"one")).unlink()
    (tmp_path / key_of(b"two")).unlink()

    assert await blobs.get(key_of(b"two")) == b"two"
    assert await blobs.get("default/s1/plain") == b"new"
    with pytest.raises(BlobMissing):
        await blobs.get(key_of(b"one"))


@pytest.mark.parametrize(
    "part",
    [
        Text(text=LONG),
        Reasoning(text=LONG),
        ToolCall(call_id="t1.s1.c1", name="f", args={"a": LONG}),
        ToolResult(call_id="t1.s1.c1", name="f", output={"a": [LONG]}),
        ToolResult(call_id="c", name="f", output=ToolError(type="t", message=LONG).model_dump(), is_error=True),
        Data(name="d", value=[LONG]),
    ],
)
async def test_a_folded_part_is_small_and_unfolds_to_the_whole(tmp_path: Path, part: Part) -> None:
    blobs = LocalBlobs(tmp_path)
    short = await fold_part(blobs, WORKFLOW, part)

    assert short.blob is not None
    assert short.blob.key.startswith(f"{WORKFLOW}/")
    assert len(short.model_dump_json()) < 4096
    assert await fold_part(blobs, WORKFLOW, short) == short
    assert await unfold(LocalBlobs(tmp_path), (short,)) == (part,)


async def test_a_result_s_word_on_changed_arguments_is_not_lost_with_its_short_form(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    whole = ToolResult(call_id="c", name="f", output=[LONG])
    short = (await fold_part(blobs, WORKFLOW, whole)).model_copy(update={"changed_args": "{}"})
    assert await unfold(blobs, (short,)) == (whole.model_copy(update={"changed_args": "{}"}),)


async def test_a_small_message_travels_as_it_is(tmp_path: Path) -> None:
    parts = (Text(text="hi"), Data(name="d", value=1))
    assert await fold(LocalBlobs(tmp_path), WORKFLOW, parts) == parts
    assert os.listdir(tmp_path) == []


@given(sizes=st.lists(st.integers(0, INLINE_LIMIT), max_size=12))
async def test_a_message_of_many_parts_fits_its_limit_and_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    blobs = LocalBlobs(tmp_path_factory.mktemp("blobs"))
    parts: tuple[Part, ...] = tuple(Text(text=chr(97 + n % 26) * size) for n, size in enumerate(sizes))
    short = await fold(blobs, WORKFLOW, parts)

    assert sum(len(part.model_dump_json()) for part in short) <= MESSAGE_LIMIT
    assert await unfold(blobs, short) == parts


async def test_a_stream_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)

    async def chunks(*, cut: bool) -> AsyncIterator[bytes]:
        yield b"one "
        assert await blobs.keys("default/s1") == []
        if cut:
            raise ConnectionError
        yield b"two"

    with pytest.raises(ConnectionError):
        await blobs.put_stream("default/s1/name", chunks(cut=True))
    assert os.listdir(tmp_path / "default" / "s1") == []

    await blobs.put_stream("default/s1/name", chunks(cut=False))
    assert await blobs.get("default/s1/name") == b"one two"
    assert await blobs.keys("default") == ["default/s1/name"]
    assert await blobs.keys("default/s2") == []
