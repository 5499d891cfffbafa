"""A server, and what can be asked of it outside of a session.

Rule 1: whoever asks makes the ids, so that a request can be made again until the server has answered, and happens once.
Rule 2: what may happen twice is made again only where nothing of it was done (429).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from perdure.gateway.client.answers import refused
from perdure.gateway.client.errors import PerdureError, TooMany, Unauthenticated, Unreachable
from perdure.gateway.client.ids import given, new_id
from perdure.gateway.client.repeating import OnWait, Repeating
from perdure.gateway.client.session import Session

#: Longer than the server is silent: in a stream it says something every 15 s.
_SILENCE_S: Final = 40.0
_TIMEOUT: Final = httpx2.Timeout(_SILENCE_S, connect=5.0, pool=None)

Renew = Callable[[], Awaitable[str]]


class Perdure:
    """The client of a Perdure server. Sessions go on whatever becomes of it; a request or a stream that breaks is taken
    up again by itself, until the server answers.

        async with Perdure("http://127.0.0.1:8000") as perdure:
            session = await perdure.create("assistant")
            async for words in session.say("Hello"):
                print(words, end="", flush=True)

    `api_key`: an API key, or a token. `headers` go with every request. `renew()` gives a new token when the server no
    longer knows who calls; what was refused is then asked again. `patience_s`: seconds after which what fails again and
    again is given up, with the last failure raised; None: never (`asyncio.timeout` gives up, too). `on_wait` is told of
    each wait for another attempt. `transport`: httpx2's, in place of its own.

    Every method raises `PerdureError`, by its subclasses in `perdure.client.errors`. Not for several event loops.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        renew: Renew | None = None,
        patience_s: float | None = None,
        on_wait: OnWait | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.on_wait = on_wait
        self.patience_s = patience_s
        self._renew = renew
        self._renewing = asyncio.Lock()
        #: How often there was a new token.
        self.renewals = 0
        own = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            headers={**own, **(headers or {})},
            timeout=_TIMEOUT,
            transport=transport,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends all connections; sessions go on."""
        await self._http.aclose()

    def session(self, session_id: str) -> Session:
        """The session with this id, which is not asked for yet."""
        return Session(self, session_id)

    async def create(
        self,
        agent: str,
        *,
        session_id: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        message: Mapping[str, Any] | str | None = None,
        user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Session:
        """Starts a session of `agent`, once, however often it has to be asked for; with `session_id`, the same call
        made again gives the same session. `inputs`: what the agent's definition asks for. `message`: the first one, as
        text or as `{"text" | "parts", "message_id"?}`. `user`: whose session it is. Raises `AgentNotFound`, `Invalid`,
        `IdConflict`."""
        first = {"text": message} if isinstance(message, str) else message
        if first is not None:
            first = {"message_id": new_id(), **first}
        body = {
            "agent": agent,
            "session_id": session_id or new_id(),
            **given(inputs=inputs, message=first, user=user, metadata=metadata),
        }
        answer = await self.call("POST", "/v1/sessions", json=body)
        return Session(self, answer["session_id"])

    async def upload(
        self, content: bytes | Path, *, name: str | None = None, media_type: str = "application/octet-stream"
    ) -> dict[str, Any]:
        """Uploads a file: its bytes, or the file at a path → `{"uri", "media_type", "name", "bytes"}`, for a message's
        part `{"type": "file", "uri": uri}`. Raises `FileUnreadable`, `BodyTooLarge`, and OSError of the path."""
        data = await asyncio.to_thread(content.read_bytes) if isinstance(content, Path) else content
        named = name if name is not None else content.name if isinstance(content, Path) else ""
        # A file that comes twice is kept once.
        response = await self.exchange(
            "POST", "/v1/files", params={"name": named}, content=data, headers={"Content-Type": media_type}
        )
        return _taken(response)

    async def agents(self) -> dict[str, Any]:
        """`{"agents": [...], "problems": [...]}`: what can be talked to, and why other agents are missing."""
        return await self.call("GET", "/v1/agents")

    async def sessions(
        self,
        *,
        agent: str | None = None,
        status: str | None = None,
        user: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> dict[str, Any]:
        """A page of sessions, `{"sessions": [...], "next_cursor"}`. A new one may take a second to be listed."""
        query = given(agent=agent, status=status, user=user, cursor=cursor, limit=limit)
        return await self.call("GET", "/v1/sessions", params=query)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        again: bool = True,
    ) -> dict[str, Any]:
        """The answer of any route as JSON; {} of an answer without content. `again`: made again whatever goes wrong;
        False: only where nothing of it was done, for what must not happen twice."""
        return _taken(await self.exchange(method, path, json=json, params=params, again=again))

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = True,
        on_wait: OnWait | None = None,
    ) -> httpx2.Response:
        """As `call`, for the answer itself, whatever its status; one that passes is waited for, and given only where the
        request is not made again. `on_wait` goes before the client's own. Raises `Unreachable`."""
        repeating = Repeating(f"{method} {self.url}{path}", on_wait or self.on_wait, self.patience_s)
        renewed = False
        while True:
            renewals = self.renewals
            try:
                response = await self._http.request(
                    method, path, json=json, params=params, content=content, headers=headers
                )
            except httpx2.TransportError as failure:
                error: PerdureError = unreachable(self.url, failure)
                if not again:
                    raise error from failure
            else:
                if response.is_success:
                    return response
                error = refused(response)
                if isinstance(error, Unauthenticated) and not renewed and await self.renewed(renewals):
                    renewed = True
                    continue
                if not error.passes or not (again or isinstance(error, TooMany)):
                    return response
            await repeating.wait(error)

    async def renewed(self, renewals: int) -> bool:
        """Gets a new token, where there is a way to, unless there was one since there had been `renewals`."""
        if self._renew is None:
            return False
        async with self._renewing:
            if renewals == self.renewals:
                self._http.headers["Authorization"] = f"Bearer {await self._renew()}"
                self.renewals += 1
        return True

    def streaming(self, path: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[httpx2.Response]:
        """The answer to a GET, while it comes. Raises `Unreachable` in the block, also where the connection breaks."""
        return _streaming(self._http, self.url, path, headers)


@asynccontextmanager
async def _streaming(
    http: httpx2.AsyncClient, url: str, path: str, headers: Mapping[str, str]
) -> AsyncIterator[httpx2.Response]:
    try:
        async with http.stream("GET", path, headers=headers) as response:
            if response.status_code not in (200, 204):
                await response.aread()
            yield response
    except httpx2.TransportError as failure:
        raise unreachable(url, failure) from None


def unreachable(url: str, failure: Exception) -> Unreachable:
    return Unreachable(f"{url} does not answer ({str(failure) or type(failure).__name__})")


def _taken(response: httpx2.Response) -> dict[str, Any]:
    if not response.is_success:
        raise refused(response)
    answer: dict[str, Any] = response.json() if response.content else {}
    return answer
