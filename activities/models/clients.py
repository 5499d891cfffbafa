"""SDK clients, made when first needed and kept, one for each server, key and set of headers.

Rule 1: a provider's key goes to the provider's own servers, which `perdure.temporal.definitions.endpoints` knows. Any other
key, given by `api_key` of a model definition, goes to that definition's address. Nothing that an SDK finds in the environment
goes to a server other than its maker's.
Rule 2: redirects are not followed. They would carry the request, and with it the conversation, to another server.
Rule 3: headers and query of a model definition are put on each request last, whatever SDK makes it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import httpx2

from perdure.activities.models.gate import hear
from perdure.activities.models.http import HEADERS, check_answer
from perdure.temporal.definitions.endpoints import (
    gives_key,
    is_given_key,
    key_in,
    named_address,
    split_query,
    wants_key,
)
from perdure.temporal.definitions.references import MissingVariable, resolve
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.request_rules import KEY_HEADERS

#: Seconds. A provider that sends nothing for `read` seconds has hung: the vendors send something meanwhile.
TIMEOUT: Final = httpx2.Timeout(90, connect=5)
#: For servers that want no key: the SDKs insist on one.
PLACEHOLDER_KEY: Final = "no-key"


@dataclass(frozen=True, slots=True)
class SdkHeaders:
    """Headers that an SDK sends by itself, and that are meant for its maker alone."""

    #: Names, in lower case, of those that say who calls.
    credentials: frozenset[str]
    #: The environment variable in which the operator gives it more headers, a line each. They may hold keys.
    custom: str

    def found_in(self, environment: Mapping[str, str]) -> frozenset[str]:
        """Names of all such headers, in lower case."""
        lines = environment.get(self.custom, "").split("\n")
        return self.credentials | {line.partition(":")[0].strip().lower() for line in lines if ":" in line}


class Closable(Protocol):
    async def close(self) -> None: ...


Client = TypeVar("Client", bound=Closable)


@dataclass(frozen=True, slots=True)
class Server:
    """The server that a model's calls go to, its key, and what its requests bear. None of it shows in its `repr`, which may
    end up anywhere."""

    #: Without a query. None: where the SDK goes by itself.
    url: str | None = field(repr=False)
    #: None: the SDK's own where `sdk_credentials`, else none.
    key: str | None = field(repr=False)
    #: What the SDK finds in the environment or in files is meant for this server.
    sdk_credentials: bool
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, model: ModelDefinition, provider: ProviderInfo, environment: Mapping[str, str]) -> "Server":
        """Raises `MissingVariable`."""
        endpoint = provider.endpoint
        assert endpoint is not None, provider.name
        named = resolve(model.base_url, environment) if model.base_url else None
        address = named or named_address(endpoint, environment)
        bare, query = split_query(address) if address else (None, ())
        # An SDK finds the address of its own maker by itself, and would take it for that of any other provider, too.
        url = (bare if named or query else None) if endpoint.own_sdk else bare or endpoint.base_url
        if url == "" and endpoint.address is not None:
            raise MissingVariable(endpoint.address)
        bears = {
            "headers": tuple((name, resolve(value, environment)) for name, value in model.headers.items()),
            "query": (*query, *((name, resolve(value, environment)) for name, value in model.query.items())),
        }
        if gives_key(model):
            key = None if model.api_key is None else resolve(model.api_key, environment)
            return cls(url, key, sdk_credentials=False, **bears)
        given = is_given_key(endpoint, named, environment)
        if endpoint.own_sdk:
            return cls(url, None, sdk_credentials=given, **bears)
        key = key_in(endpoint, environment) if given else None
        if key is None and given and wants_key(endpoint, named, environment):
            raise MissingVariable(endpoint.keys[0])
        return cls(url, key, sdk_credentials=False, **bears)

    @property
    def has_key(self) -> bool:
        """Its headers hold one."""
        return any(name.lower() in KEY_HEADERS for name, _ in self.headers)

    async def dress(self, request: httpx2.Request) -> None:
        """Puts its headers and its query on a request: a hook of the HTTP client, the last one to run."""
        if self.has_key:
            for name in KEY_HEADERS:
                request.headers.pop(name, None)
        for name, value in self.headers:
            request.headers[name] = value
        if self.query:
            request.url = request.url.copy_merge_params(dict(self.query))


def http_options(
    server: Server,
    sdk: SdkHeaders,
    environment: Mapping[str, str],
    timeout: httpx2.Timeout,
    authentication: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Arguments for the HTTP client that an SDK uses to call `server`. `authentication` are the headers that tell the key,
    where no bearer token does."""
    hooks: dict[str, list[Any]] = {"response": [hear, check_answer], "request": [server.dress]}
    options: dict[str, Any] = {
        "timeout": timeout,
        "follow_redirects": False,
        "headers": HEADERS,
        "event_hooks": hooks,
    }
    if server.sdk_credentials:
        return options
    unwanted = sdk.found_in(environment)
    key = f"Bearer {server.key}" if server.key is not None else None

    async def authenticate(request: httpx2.Request) -> None:
        # It overrides whatever the SDK has set, wherever the SDK found it.
        placeholder = request.headers.get("authorization") == f"Bearer {PLACEHOLDER_KEY}"
        for name in unwanted:
            request.headers.pop(name, None)
        if authentication is not None:
            request.headers.update(authentication)
        elif key is not None:
            request.headers["authorization"] = key
        elif placeholder:
            request.headers["authorization"] = f"Bearer {PLACEHOLDER_KEY}"

    hooks["request"] = [authenticate, server.dress]
    return options


async def read_out(events: AsyncIterable[object]) -> None:
    """Reads what follows a stream's terminal event, so that the connection can be reused. Never raises."""
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
