"""SDK clients, made when first needed and kept, one for each server and key.

Rule 1: a vendor's key goes to the vendor's own servers (`perdure.temporal.definitions.vendors` says which), any
other key by `api_key` of a model definition to that definition's address. Nothing that the SDKs find in the
environment goes along to another server.
Rule 2: no redirect is followed: it would carry the request, and with it the conversation, to where nobody sent it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import httpx2

from perdure.activities.models.http import HEADERS, check_answer
from perdure.temporal.definitions.references import resolve
from perdure.temporal.definitions.vendors import Vendor
from perdure.workflows.definition.agent import ModelDefinition

#: A provider that is silent for longer than `read` seconds has hung: both vendors send something meanwhile.
TIMEOUT: Final = httpx2.Timeout(90, connect=5)
#: What servers that want no key are given, for the SDKs want one.
PLACEHOLDER_KEY: Final = "no-key"
#: What says who asks; the SDKs take it from the environment.
_HEADERS: Final = ("authorization", "x-api-key", "openai-organization", "openai-project")
_CUSTOM_HEADERS: Final = ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS")


class Closable(Protocol):
    async def close(self) -> None: ...


Client = TypeVar("Client", bound=Closable)


@dataclass(frozen=True, slots=True)
class Server:
    """Whom a model's calls go to, and with which key. Its text holds neither: it may come to stand anywhere."""

    #: None: where the SDK goes by itself.
    url: str | None = field(repr=False)
    #: The definition's own; None: the vendor's where `trusted`, else none.
    key: str | None = field(repr=False)
    #: It is given the vendor's key.
    trusted: bool

    @classmethod
    def of(cls, model: ModelDefinition, vendor: Vendor, environment: Mapping[str, str]) -> "Server":
        """Raises `MissingVariable`."""
        url = resolve(model.base_url, environment) if model.base_url else None
        key = resolve(model.api_key, environment) if model.api_key is not None else None
        return cls(url, key, key is None and vendor.is_given_key(url, environment))


def http_options(server: Server, environment: Mapping[str, str], timeout: httpx2.Timeout) -> dict[str, Any]:
    """Arguments of the HTTP client that an SDK is given for `server`."""
    hooks: dict[str, list[Any]] = {"response": [check_answer]}
    options: dict[str, Any] = {
        "timeout": timeout,
        "follow_redirects": False,
        "headers": HEADERS,
        "event_hooks": hooks,
    }
    if server.trusted:
        return options
    unwanted = {*_HEADERS, *_custom_headers(environment)}
    key = f"Bearer {server.key}" if server.key is not None else None

    async def authenticate(request: httpx2.Request) -> None:
        # Last of all, so that it holds whatever the SDK has put there from wherever.
        placeholder = request.headers.get("authorization") == f"Bearer {PLACEHOLDER_KEY}"
        for name in unwanted:
            request.headers.pop(name, None)
        if key is not None:
            request.headers["authorization"] = key
        elif placeholder:
            request.headers["authorization"] = f"Bearer {PLACEHOLDER_KEY}"

    hooks["request"] = [authenticate]
    return options


def _custom_headers(environment: Mapping[str, str]) -> set[str]:
    """Names of headers that the operator has the SDKs send to the vendor; they may hold keys."""
    lines = [line for name in _CUSTOM_HEADERS for line in environment.get(name, "").split("\n")]
    return {line.partition(":")[0].strip().lower() for line in lines if ":" in line}


async def read_out(events: AsyncIterable[object]) -> None:
    """Reads what follows a stream's terminal event, so that the connection can serve again; nothing there can harm."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(0.2):
            async for _ in events:
                pass


class Clients(Generic[Client]):
    def __init__(self, connect: Callable[[Server], Client]) -> None:
        self._connect = connect
        self._open: dict[Server, Client] = {}

    def at(self, server: Server) -> Client:
        if server not in self._open:
            self._open[server] = self._connect(server)
        return self._open[server]

    async def aclose(self) -> None:
        while self._open:
            _, client = self._open.popitem()
            await client.close()
