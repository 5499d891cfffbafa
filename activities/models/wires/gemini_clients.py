"""Clients of the google-genai SDK, which builds requests, authenticates and reads errors. The wire reads answers itself, for
the SDK raises on shapes that it does not know.

Rule 1: the SDK never looks for keys, projects or addresses in the environment. It is given all of them.
Rule 2: it never retries.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

import httpx2
from google import genai
from google.genai import types
from pydantic import JsonValue

from perdure.activities.models.clients import PLACEHOLDER_KEY, SdkHeaders, Server, http_options
from perdure.activities.models.provider_clients import ProviderClients
from perdure.workflows.definition.providers.info import ProviderInfo

_KEY: Final = "x-goog-api-key"
_HEADERS: Final = SdkHeaders(frozenset((_KEY,)), custom="")
_VERSION: Final = re.compile(r"/(v\d+[a-z]*\d*)/*$")
#: Where the response of the call that this task makes is put.
_opened: ContextVar[list[httpx2.Response]] = ContextVar("opened")


class _Transport(httpx2.AsyncClient):
    """Keeps a good response for the wire, and gives the SDK an empty one in its place."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        # The SDK sets no limit where it was given none.
        request.extensions["timeout"] = self.timeout.as_dict()
        response = await super().send(request, **options)
        if response.status_code != 200:
            return response
        _opened.get().append(response)
        return httpx2.Response(200, request=request)


class GeminiClient:
    def __init__(self, server: Server, environment: Mapping[str, str], timeout: httpx2.Timeout) -> None:
        url, version = _split(server.url or "")
        key = server.key or PLACEHOLDER_KEY
        self._http = _Transport(**http_options(server, _HEADERS, environment, timeout, {_KEY: key}))
        self._client = genai.Client(
            enterprise=False,
            api_key=key,
            http_options=types.HttpOptions(base_url=url, api_version=version, httpx_async_client=self._http),
        )

    async def stream(self, model: str, body: dict[str, JsonValue]) -> httpx2.Response:
        """The response to `body`, whose own body is not read yet. Raises what the SDK and httpx2 raise."""
        token = _opened.set([])
        try:
            options = types.GenerateContentConfig(
                http_options=types.HttpOptions(extra_body=body),
                automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
                automatic_continuation=False,
            )
            # The contents are those of the body.
            async for _ in await self._client.aio.models.generate_content_stream(
                model=model, contents="", config=options
            ):
                pass
            return _opened.get()[0]
        finally:
            _opened.reset(token)

    async def close(self) -> None:
        await self._http.aclose()
        self._client.close()


class GeminiClients(ProviderClients[GeminiClient]):
    def __init__(self, provider: ProviderInfo, environment: Mapping[str, str], timeout: httpx2.Timeout) -> None:
        """See `ProviderClients`."""
        super().__init__(provider, environment, lambda server: GeminiClient(server, environment, timeout))


def _split(url: str) -> tuple[str, str | None]:
    """The address and the version of the API, which some people write into the address. None: the SDK's own."""
    match = _VERSION.search(url)
    return (url[: match.start()], match[1]) if match else (url, None)
