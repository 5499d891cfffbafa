"""A page with the AI SDK, without the page: `tests/clients/chat.mjs` in a process of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.dev import Dev

CLIENTS: Final = Path(__file__).parent.parent / "clients"


class Chat:
    """A chat in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    async def do(self, act: str, **given: Any) -> dict[str, Any]:
        """Does something, and returns the chat as it is then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": act, **given}).encode() + b"\n")
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        assert line, "the chat's process has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    async def well(self, act: str, **given: Any) -> list[dict[str, Any]]:
        """The same for what has to go well; returns the messages."""
        found = await self.do(act, **given)
        assert (found["status"], found.get("error")) == ("ready", None)
        messages: list[dict[str, Any]] = found["messages"]
        return messages


@asynccontextmanager
async def opened(node: str, package: str, dev: Dev, chat: str, agent: str = "clerk") -> AsyncIterator[Chat]:
    url = f"{dev.url}/v1/ai-sdk/{agent}"
    command = (node, "--no-warnings", str(CLIENTS / "chat.mjs"), package, url, chat)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24
    )
    try:
        yield Chat(process, f"{url}/{chat}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
