"""Clients of the openai SDK, for both of its wires.

Rule: a server that merely speaks OpenAI's protocol may want no key. OpenAI always wants one.
"""

from collections.abc import Callable, Mapping
from typing import Final

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from perdure.activities.models.clients import PLACEHOLDER_KEY, SdkHeaders, Server, http_options
from perdure.activities.models.provider_clients import ProviderClients
from perdure.activities.models.wires.azure_clients import authentication, azure_client
from perdure.temporal.definitions.endpoints import key_in, named_address, wants_key
from perdure.temporal.definitions.references import MissingVariable
from perdure.workflows.definition.providers.info import ProviderInfo

_HEADERS: Final = SdkHeaders(
    frozenset(("authorization", "api-key", "openai-organization", "openai-project")), custom="OPENAI_CUSTOM_HEADERS"
)


class OpenAIClients(ProviderClients[AsyncOpenAI]):
    def __init__(
        self,
        provider: ProviderInfo,
        environment: Mapping[str, str],
        client: Callable[..., AsyncOpenAI],
        timeout: httpx2.Timeout,
    ) -> None:
        """See `ProviderClients`. `client` takes `base_url`, `api_key`, `timeout`, `max_retries` and `http_client`."""
        endpoint = provider.endpoint
        assert endpoint is not None, provider.name

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

        super().__init__(provider, environment, connect)
