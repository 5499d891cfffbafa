"""A provider as its wire calls it: the client for each model, and what is known of the server behind it."""

from collections.abc import Callable, Mapping
from typing import Generic

from perdure.activities.models.clients import Client, Clients, Server
from perdure.activities.models.failures import Source
from perdure.activities.models.provider_turns import Asked
from perdure.temporal.definitions.dialects import dialect_of
from perdure.temporal.definitions.endpoints import asks_provider
from perdure.temporal.definitions.key_variables import key_variables
from perdure.temporal.definitions.servers import server_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.info import Endpoint, ProviderInfo
from perdure.workflows.protocol.steps import Prompt


class ProviderClients(Generic[Client]):
    def __init__(
        self, provider: ProviderInfo, environment: Mapping[str, str], connect: Callable[[Server], Client]
    ) -> None:
        """`environment` gives the provider's key and address, and what `${NAME}` in a model definition stands for. `connect`
        makes the client of a server when one is first needed."""
        self.provider = provider
        self.environment = environment
        self._clients = Clients(connect)

    @property
    def endpoint(self) -> Endpoint:
        assert self.provider.endpoint is not None, self.provider.name
        return self.provider.endpoint

    def at(self, model: ModelDefinition) -> Client:
        """The client for a definition's model. Raises `MissingVariable`, and what `connect` raises."""
        return self._clients.at(Server.of(model, self.provider, self.environment))

    def asked(self, api: str, prompt: Prompt) -> Asked:
        """The server that a request for `prompt` goes to."""
        return Asked(
            api,
            self.server(prompt.model),
            dialect_of(self.provider, prompt.model, self.environment),
            bool(prompt.tools),
            prompt.tool_output_tokens,
        )

    def server(self, model: ModelDefinition) -> str:
        """The name of the server that calls of `model` go to."""
        return server_of(model, self.environment)

    def is_own(self, model: ModelDefinition) -> bool:
        """Whether the provider itself serves the model."""
        return asks_provider(self.endpoint, model.base_url, self.environment)

    def source(self, model: ModelDefinition) -> Source:
        """What failures of `model` call its server."""
        return Source.of(
            self.provider, own=self.is_own(model), keys=key_variables(model, self.provider, self.environment)
        )

    async def aclose(self) -> None:
        await self._clients.aclose()
