"""Servers of other projects that tests start: how they say that they serve."""

import asyncio


async def until_ready(
    process: asyncio.subprocess.Process, words: bytes, patience_s: float = 60
) -> "asyncio.Task[bytes]":
    """Returns once the process has written a line with `words`. The task reads the rest, and ends with the process."""
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(patience_s):
        async for line in process.stdout:
            said += line
            if words in line:
                return asyncio.create_task(process.stdout.read())
    raise AssertionError(f"it did not start: {said.decode()}")
