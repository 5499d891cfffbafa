"""What is known of the server and the model that a definition names: the dialect that a request to them has to have."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from perdure.temporal.definitions.endpoints import asks_provider, origin_of
from perdure.temporal.definitions.taken_files import with_files
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.providers.known import KnownServer, Models, with_models

_HERE: Final = (".local", ".localhost", ".internal", ".lan", ".home.arpa")


@dataclass(frozen=True, slots=True)
class Known:
    #: Of the server, for people. None: nothing is known of it but its API.
    server: str | None
    dialect: Dialect


def dialect_of(provider: ProviderInfo, model: ModelDefinition, environment: Mapping[str, str]) -> Dialect:
    """The dialect of `model` where it is served. `environment` gives what `${NAME}` in its address stands for."""
    return known_of(provider, model, environment).dialect


def known_of(provider: ProviderInfo, model: ModelDefinition, environment: Mapping[str, str]) -> Known:
    """The same, and who serves it."""
    server, dialect, models = _server_of(provider, model, environment)
    return Known(server, with_files(with_models(dialect, models, model.model_name), model.files))


def _server_of(
    provider: ProviderInfo, model: ModelDefinition, environment: Mapping[str, str]
) -> tuple[str | None, Dialect, tuple[Models, ...]]:
    """The server's name, and what is known of it and of its models."""
    if provider.endpoint is None or asks_provider(provider.endpoint, model.base_url, environment):
        return provider.display_name, provider.dialect, provider.models
    origin = origin_of(model, environment)
    server = next((one for one in provider.servers if origin is not None and _serves(one, *origin[1:])), None)
    if server is not None:
        return server.name, server.dialect, server.models
    return None, provider.elsewhere, provider.elsewhere_models


def _serves(server: KnownServer, host: str, port: int) -> bool:
    return any(_matches(pattern, host, port) for pattern in server.hosts)


def _matches(pattern: str, host: str, port: int) -> bool:
    name, _, number = pattern.partition(":")
    if number:
        return port == int(number) and _is_near(host)
    return fnmatchcase(host, name) or host.endswith(f".{name}")


def _is_near(host: str) -> bool:
    """The machine itself, or one of its own network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_HERE)
