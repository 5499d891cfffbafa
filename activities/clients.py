"""SDK clients, made when first needed and kept, one for each base URL.

`${NAME}` in a base URL is filled in here, as late as possible, so that it stands in no digest, history, log or trace.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Final, Generic, Protocol, TypeVar

import httpx2

from activities.failures import MissingVariable

#: A provider that is silent for longer than `read` seconds has hung: both vendors send something meanwhile.
TIMEOUT: Final = httpx2.Timeout(90, connect=5)
_REFERENCE: Final = re.compile(r"\$\{(\w+)\}")


class Closable(Protocol):
    async def close(self) -> None: ...


Client = TypeVar("Client", bound=Closable)


def resolve(url: str, environment: Mapping[str, str]) -> str:
    """`url` with each `${NAME}` replaced by the variable's value; raises `MissingVariable` where there is none."""

    def value(match: re.Match[str]) -> str:
        found = environment.get(match[1])
        if not found:
            raise MissingVariable(match[1])
        return found

    return _REFERENCE.sub(value, url)


async def read_out(events: AsyncIterable[object]) -> None:
    """Reads what follows a stream's terminal event, so that the connection can serve again; nothing there can harm."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(0.2):
            async for _ in events:
                pass


class Clients(Generic[Client]):
    def __init__(self, connect: Callable[[str | None], Client]) -> None:
        """`connect` makes the client for a base URL; None is the SDK's own."""
        self._connect = connect
        self._open: dict[str | None, Client] = {}

    def at(self, base_url: str | None) -> Client:
        if base_url not in self._open:
            self._open[base_url] = self._connect(base_url)
        return self._open[base_url]

    async def aclose(self) -> None:
        while self._open:
            _, client = self._open.popitem()
            await client.close()
