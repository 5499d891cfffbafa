"""Clients of the openai SDK for both of its wires: whose server is asked, and with which key.

Rule: a server that merely speaks OpenAI's protocol may want no key; OpenAI always wants one.
"""

from collections.abc import Callable, Mapping
from typing import Final

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from activities import failures
from activities.clients import Clients, resolve
from activities.model_http import model_options

#: What servers that want no key are given, for the SDK wants one.
PLACEHOLDER_KEY: Final = "no-key"


class OpenAIClients:
    def __init__(
        self, environment: Mapping[str, str], client: Callable[..., AsyncOpenAI], timeout: httpx2.Timeout
    ) -> None:
        """`environment` gives OPENAI_API_KEY, OPENAI_BASE_URL and what `${NAME}` in a base URL stands for.

        `client` takes `base_url`, `api_key`, `timeout`, `max_retries` and `http_client`.
        """
        self._environment = environment

        def connect(base_url: str | None) -> AsyncOpenAI:
            key = environment.get("OPENAI_API_KEY") or (PLACEHOLDER_KEY if base_url else None)
            if key is None:
                raise failures.MissingVariable("OPENAI_API_KEY")
            http = DefaultAsyncHttpxClient(timeout=timeout, **model_options())
            return client(base_url=base_url, api_key=key, timeout=timeout, max_retries=0, http_client=http)

        self._clients = Clients(connect)

    def at(self, base_url: str | None) -> AsyncOpenAI:
        """The client for a definition's `base_url`; raises `MissingVariable`."""
        url = resolve(base_url, self._environment) if base_url else self._environment.get("OPENAI_BASE_URL") or None
        return self._clients.at(url)

    def are_openais(self, base_url: str | None) -> bool:
        """Whether `at(base_url)` asks OpenAI itself."""
        url = base_url or self._environment.get("OPENAI_BASE_URL")
        return not url or failures.is_openai(url)

    async def aclose(self) -> None:
        await self._clients.aclose()
