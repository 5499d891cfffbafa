"""Threads for files: whose file is read next, and that nobody has all of them."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from perdure.temporal.media.reading import AT_A_TIME, OF_TENANT, in_thread


class Files:
    """Files whose reading ends when they are let go."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self._begun = threading.Semaphore(0)
        self._ends = threading.Semaphore(0)

    def slow(self, name: str) -> str:
        self.read.append(name)
        self._begun.release()
        self._ends.acquire()
        return name

    def quick(self, name: str) -> str:
        self.read.append(name)
        return name

    async def begun(self, count: int) -> None:
        for _ in range(count):
            await asyncio.to_thread(self._begun.acquire)

    def let_go(self, count: int) -> None:
        self._ends.release(count)


@pytest.fixture
def files() -> Iterator[Files]:
    files = Files()
    yield files
    files.let_go(20)


async def test_a_tenant_with_many_slow_files_holds_up_no_other(files: Files) -> None:
    many = [asyncio.create_task(in_thread("hot", files.slow, f"hot {number}")) for number in range(8)]
    await files.begun(OF_TENANT)
    async with asyncio.timeout(30):
        for number in range(3):
            assert await in_thread("quiet", files.quick, f"quiet {number}") == f"quiet {number}"
    assert files.read == ["hot 0", "hot 1", "quiet 0", "quiet 1", "quiet 2"]
    files.let_go(8)
    assert await asyncio.gather(*many) == [f"hot {number}" for number in range(8)]


async def test_tenants_take_turns_where_all_threads_are_taken(files: Files) -> None:
    others = [asyncio.create_task(in_thread("a", files.slow, f"a {number}")) for number in range(OF_TENANT)]
    others += [asyncio.create_task(in_thread("b", files.slow, "b 0")) for _ in range(AT_A_TIME - OF_TENANT)]
    await files.begun(AT_A_TIME)
    del files.read[:]
    for name in ("c 0", "c 1", "c 2", "d 0"):
        others.append(asyncio.create_task(in_thread(name[0], files.slow, name)))
        await asyncio.sleep(0)
    others[3].cancel()
    await asyncio.sleep(0)
    # One thread is free, and whose turn it is shows by one.
    for count in range(1, 4):
        files.let_go(1)
        await files.begun(1)
        assert len(files.read) == count
    # A file that nobody waits for any more is not read.
    assert files.read == ["d 0", "c 1", "c 2"]
    files.let_go(AT_A_TIME)
    await asyncio.gather(*others, return_exceptions=True)


async def test_what_reading_raises_is_told_and_takes_no_thread() -> None:
    def broken() -> None:
        raise ValueError("unreadable")

    for _ in range(2 * AT_A_TIME):
        found = await asyncio.gather(in_thread("a", broken), return_exceptions=True)
        assert isinstance(found[0], ValueError)
    assert await in_thread("a", str, 1) == "1"
