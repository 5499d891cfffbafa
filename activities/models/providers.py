"""The wire of each provider that a definition's `use` names, made when first needed and kept.

Rule: a wire, and with it the SDK of its provider, is imported when a model of that provider is first called, or by `load`
before. Each SDK takes a second or two, and few processes need all of them.
"""

import importlib
from collections.abc import Iterable, Mapping
from types import ModuleType

from perdure.activities.models.wire import Wire
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.providers.table import PROVIDERS


def load(providers: Iterable[str]) -> None:
    """Imports the wires of these providers now rather than at their first call. Names of no provider are passed over."""
    for name in sorted(PROVIDERS.keys() & set(providers)):
        _module(PROVIDERS[name])


class Providers:
    def __init__(self, environment: Mapping[str, str], given: Mapping[str, Wire] | None = None) -> None:
        """`environment` holds keys and addresses. `given` are wires to use in place of the usual ones, by provider."""
        self._environment = environment
        self._given = given or {}
        self._wires: dict[str, Wire] = {}

    def wire(self, model: ModelDefinition) -> Wire:
        """The wire for `model`, the same for all models of a provider."""
        name = model.provider
        if name in self._given:
            return self._given[name]
        if name not in self._wires:
            provider = PROVIDERS[name]
            connected: Wire = _module(provider).connect(provider, self._environment)
            self._wires[name] = connected
        return self._wires[name]

    def is_given(self, model: ModelDefinition) -> bool:
        """Whether `model` has a wire in place of the usual one, such as a scripted model in tests of users' agents."""
        return model.provider in self._given

    async def aclose(self) -> None:
        """Closes every connection. A wire that is needed afterwards is made anew."""
        for wire in self._given.values():
            await wire.aclose()
        while self._wires:
            _, wire = self._wires.popitem()
            await wire.aclose()


def _module(provider: ProviderInfo) -> ModuleType:
    """The module of the provider's wire. Its `connect(provider, environment)` returns the wire."""
    return importlib.import_module(f"perdure.activities.models.{provider.wire}")
