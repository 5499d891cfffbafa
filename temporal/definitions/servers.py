"""The name of the server that a model's calls go to, by which the parts of its answers are told apart.

A server is an API at an origin. The provider's own servers go by the provider's name. Any other goes by a digest of its
scheme, host and port: its address may be a secret, and the name stands in histories.
"""

import hashlib
import os
from collections.abc import Mapping
from typing import Final

from perdure.temporal.definitions.endpoints import address_of, asks_provider
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS

_DIGITS: Final = 12


def server_of(model: ModelDefinition, environment: Mapping[str, str] | None = None) -> str:
    """The name of the server of `model`, the same for all models that it serves."""
    environment = os.environ if environment is None else environment
    endpoint = PROVIDERS[model.provider].endpoint
    if endpoint is None or asks_provider(endpoint, model.base_url, environment):
        return model.provider
    address = address_of(model, environment) or ""
    return f"{model.provider}@{hashlib.sha256(address.encode()).hexdigest()[:_DIGITS]}"
