"""Clients of the openai SDK for both of its wires: whose server is asked, and with which key.

Rule: a server that merely speaks OpenAI's protocol may want no key; OpenAI always wants one.
"""

from collections.abc import Callable, Mapping
from typing import Final

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from perdure.activities.models import failures
from perdure.activities.models.clients import PLACEHOLDER_KEY, Clients, Server, http_options
from perdure.temporal.definitions.references import MissingVariable
from perdure.temporal.definitions.vendors import OPENAI
from perdure.workflows.definition.agent import ModelDefinition

__all__ = ["PLACEHOLDER_KEY", "OpenAIClients"]

_KEY: Final = "OPENAI_API_KEY"


class OpenAIClients:
    def __init__(
        self, environment: Mapping[str, str], client: Callable[..., AsyncOpenAI], timeout: httpx2.Timeout
    ) -> None:
        """`environment` gives OPENAI_API_KEY, OPENAI_BASE_URL and what `${NAME}` in a model definition stands for.

        `client` takes `base_url`, `api_key`, `timeout`, `max_retries` and `http_client`.
        """
        self._environment = environment

        def connect(server: Server) -> AsyncOpenAI:
            base_url = server.url or environment.get(OPENAI.address) or None
            key = server.key or (environment.get(_KEY) if server.trusted else None)
            if key is None and base_url is not None and not OPENAI.owns(base_url):
                key = PLACEHOLDER_KEY
            if key is None:
                raise MissingVariable(_KEY)
            http = DefaultAsyncHttpxClient(**http_options(server, environment, timeout))
            return client(base_url=base_url, api_key=key, timeout=timeout, max_retries=0, http_client=http)

        self._clients = Clients(connect)

    def at(self, model: ModelDefinition) -> AsyncOpenAI:
        """The client for a definition's model; raises `MissingVariable`."""
        return self._clients.at(Server.of(model, OPENAI, self._environment))

    def are_openais(self, base_url: str | None) -> bool:
        """Whether a model with this `base_url` is asked of OpenAI itself."""
        url = base_url or self._environment.get(OPENAI.address)
        return not url or failures.is_openai(url)

    async def aclose(self) -> None:
        await self._clients.aclose()
