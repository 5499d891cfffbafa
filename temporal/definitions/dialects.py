"""What is known of the server and the model that a definition names: the dialect that a request to them has to have."""

from collections.abc import Mapping

from perdure.temporal.definitions.endpoints import asks_provider
from perdure.temporal.definitions.taken_files import with_files
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.info import ProviderInfo


def dialect_of(provider: ProviderInfo, model: ModelDefinition, environment: Mapping[str, str]) -> Dialect:
    """The dialect of `model` where it is served. `environment` gives what `${NAME}` in its address stands for."""
    endpoint = provider.endpoint
    own = endpoint is None or asks_provider(endpoint, model.base_url, environment)
    return with_files(provider.dialect if own else provider.elsewhere, model.files)
