"""A page with the AI SDK, without the page: `tests/clients/chat.mjs` in a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.dev import Dev
from tests.support.programs import Obeying, running

CLIENTS: Final = Path(__file__).parent.parent / "clients"


class Chat(Obeying):
    """A chat in a process of its own. Whatever it does, it answers with the chat as it is then."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        super().__init__(process)
        self.url = url

    async def well(self, act: str, **given: Any) -> list[dict[str, Any]]:
        """The same for what has to go well; returns the messages."""
        found = await self.do(act, **given)
        assert (found["status"], found.get("error")) == ("ready", None)
        messages: list[dict[str, Any]] = found["messages"]
        return messages


@asynccontextmanager
async def opened(node: str, package: str, dev: Dev, chat: str, agent: str = "clerk") -> AsyncIterator[Chat]:
    url = f"{dev.url}/v1/ai-sdk/{agent}"
    async with running(node, "--no-warnings", CLIENTS / "chat.mjs", package, url, chat) as process:
        yield Chat(process, f"{url}/{chat}")
