"""Clients of the openai SDK, for both of its wires.

Rule: a server that merely speaks OpenAI's protocol may want no key. OpenAI always wants one.
"""

from collections.abc import Callable, Mapping
from typing import Final

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from perdure.activities.models.clients import PLACEHOLDER_KEY, Clients, SdkHeaders, Server, http_options
from perdure.activities.models.failures import Source
from perdure.activities.models.provider_turns import Asked
from perdure.activities.models.wires.azure_clients import authentication, azure_client
from perdure.temporal.definitions.dialects import dialect_of
from perdure.temporal.definitions.endpoints import asks_provider, key_in, named_address, wants_key
from perdure.temporal.definitions.references import MissingVariable
from perdure.temporal.definitions.servers import server_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.protocol.steps import Prompt

_HEADERS: Final = SdkHeaders(
    frozenset(("authorization", "api-key", "openai-organization", "openai-project")), custom="OPENAI_CUSTOM_HEADERS"
)


class OpenAIClients:
    def __init__(
        self,
        provider: ProviderInfo,
        environment: Mapping[str, str],
        client: Callable[..., AsyncOpenAI],
        timeout: httpx2.Timeout,
    ) -> None:
        """`environment` gives the provider's key and address, and what `${NAME}` in a model definition stands for.

        `client` takes `base_url`, `api_key`, `timeout`, `max_retries` and `http_client`.
        """
        endpoint = provider.endpoint
        assert endpoint is not None, provider.name
        self._provider = provider
        self._endpoint = endpoint
        self._environment = environment

        def connect(server: Server) -> AsyncOpenAI:
            if endpoint.flavour == "azure":
                told = authentication(server, environment)
                return azure_client(
                    server, environment, timeout, http_options(server, _HEADERS, environment, timeout, told)
                )
            key = server.key or (key_in(endpoint, environment) if server.sdk_credentials else None)
            if key is None and not server.has_key and wants_key(endpoint, server.url, environment):
                raise MissingVariable(endpoint.keys[0])
            return client(
                base_url=server.url or named_address(endpoint, environment),
                api_key=key or PLACEHOLDER_KEY,
                timeout=timeout,
                max_retries=0,
                http_client=DefaultAsyncHttpxClient(**http_options(server, _HEADERS, environment, timeout)),
            )

        self._clients = Clients(connect)

    def at(self, model: ModelDefinition) -> AsyncOpenAI:
        """The client for a definition's model. Raises `MissingVariable`."""
        return self._clients.at(Server.of(model, self._provider, self._environment))

    def asked(self, api: str, prompt: Prompt) -> Asked:
        """The server that a request for `prompt` goes to."""
        return Asked(
            api,
            self.server(prompt.model),
            dialect_of(self._provider, prompt.model, self._environment),
            bool(prompt.tools),
            prompt.tool_output_tokens,
        )

    def server(self, model: ModelDefinition) -> str:
        """The name of the server that calls of `model` go to."""
        return server_of(model, self._environment)

    def source(self, base_url: str | None) -> Source:
        """What failures of a model with this `base_url` call the server."""
        return Source.of(self._provider, own=asks_provider(self._endpoint, base_url, self._environment))

    async def aclose(self) -> None:
        await self._clients.aclose()
