"""Packages that a provider's wire needs, and that are installed only with an extra of Perdure."""

import importlib.util

from perdure.workflows.definition.providers.info import ProviderInfo


def missing_package(provider: ProviderInfo) -> str | None:
    """What is wrong, and what to do. None: nothing is missing."""
    missing = next((name for name in provider.packages if importlib.util.find_spec(name) is None), None)
    if missing is None:
        return None
    return f"the package {missing} is not installed; install Perdure with its extra [{provider.name}]"
