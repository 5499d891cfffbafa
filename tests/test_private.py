"""Files of `perdure dev` are readable by their owner only, erased data is gone, and a failing store is named."""

import asyncio
import os
import stat
import uuid
from pathlib import Path

import httpx2
import pytest

from perdure.temporal.app.dev_server.database import DatabaseBroken, check_database
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.stores.blobs import LocalBlobs, StoreFull, StoreUnavailable, probe
from tests.support.dev import Dev
from tests.support.session_client import Sessions, told


def open_to_others(root: Path) -> list[str]:
    found = (root, *root.rglob("*"))
    return [str(path) for path in found if not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) & 0o077]


def holding(folder: Path, word: str) -> list[str]:
    return [path.name for path in sorted(folder.glob("temporal.db*")) if word.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.server
async def test_erased_words_and_open_files_are_gone(dev: Dev, http: httpx2.AsyncClient) -> None:
    sessions, word = Sessions(http), f"w{uuid.uuid4().hex}"
    session = await sessions.create()
    await sessions.ask(session, word)
    await sessions.ask(session, f"{word} " * 10_000)
    assert holding(dev.data_dir, word)
    # `agents` is the test's own.
    assert open_to_others(dev.data_dir) == [str(dev.data_dir / "agents")]

    assert (await http.delete(f"/v1/sessions/{session}?erase=true")).status_code == 200

    async with asyncio.timeout(60):
        while holding(dev.data_dir, word):
            await asyncio.to_thread(os.sync)


@pytest.mark.slow
@pytest.mark.server
async def test_an_open_directory_is_closed_at_the_next_start(tmp_path: Path) -> None:
    data, others = tmp_path / "new" / "data", 0o755
    async with DevServer(data, 0, None):
        pass
    await LocalBlobs(data / "blobs").put("t/s/name", b"x")
    assert open_to_others(data) == open_to_others(data.parent) == []
    (data / "schedules.json").write_text("{}")
    for path in (data, *data.rglob("*")):
        path.chmod(others if path.is_dir() else 0o644)
    (data / "notes").mkdir(others)
    assert len(open_to_others(data)) > 5

    async with DevServer(data, 0, None):
        assert {path.name for path in data.glob("temporal.db*")} >= {"temporal.db", "temporal.db-wal"}
        # Other files there belong to the user and are left alone.
        assert open_to_others(data) == [str(data / "notes")]


@pytest.mark.server
async def test_a_blob_store_that_cannot_be_written_is_named(
    tmp_path: Path, provider: FakeProvider, dev: Dev, http: httpx2.AsyncClient
) -> None:
    async with httpx2.AsyncClient(base_url=dev.url, timeout=60) as client:
        session = await Sessions(client).create()
        folder = dev.data_dir / "blobs"
        aside = folder.with_name("aside")
        folder.rename(aside)
        folder.write_text("in the way")
        try:
            sent = await client.post(f"/v1/sessions/{session}/messages", json={"text": "x" * 60_000})
            ready = await client.get("/readyz")
            small = await client.post(f"/v1/sessions/{session}/messages", json={"text": "small"})
        finally:
            folder.unlink()
            aside.rename(folder)
        assert told(sent) == told(ready) == (503, "store_unavailable")
        assert "blob store" in sent.json()["detail"]
        assert small.status_code == 202
        async with asyncio.timeout(10):
            while (await client.get("/readyz")).status_code != 200:
                pass


async def test_a_full_store_says_so(tmp_path: Path) -> None:
    disk = tmp_path / "full"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {disk} 2>/dev/null") != 0:  # noqa: ASYNC221
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(StoreFull, match="No space left"):
            await LocalBlobs(disk / "blobs").put("t/s/name", b"x" * 200_000)
        assert [path for path in disk.rglob("*") if path.is_file()] == []
    finally:
        os.system(f"umount {disk}")  # noqa: ASYNC221


async def test_a_file_in_the_place_of_the_store_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await probe(LocalBlobs(tmp_path / "blobs"))


@pytest.mark.parametrize(("size", "why"), [(0, "is empty"), (5000, "bytes"), (50, "no SQLite")])
def test_a_broken_database_is_told_apart(tmp_path: Path, size: int, why: str) -> None:
    import sqlite3

    path = tmp_path / "temporal.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (a)")
        database.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 100)
    database.close()
    check_database(path)
    os.truncate(path, size)
    with pytest.raises(DatabaseBroken, match=f"temporal.db.*{why}.*blobs.*away"):
        check_database(path)


@pytest.mark.slow
@pytest.mark.server
async def test_dev_says_which_file_is_broken_or_where_it_cannot_write(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "temporal.db").touch()
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    for folder, words in ((data, "temporal.db is empty"), (in_the_way, f"the data directory {in_the_way} cannot")):
        process = await asyncio.create_subprocess_exec(
            "perdure", "dev", "--data-dir", str(folder), "--port", "18990",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        told_, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 1
        assert words in told_.decode()
        assert "Traceback" not in told_.decode()
