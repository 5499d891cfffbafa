"""The providers' SDKs, loaded when a model of theirs is first called: each takes a second or two, and few need all.

Rule: nothing but the wires and this file names an SDK at import. An error of an SDK that is not loaded cannot be here.
"""

import importlib
import sys
from collections.abc import Iterable
from typing import Final

#: What a provider's wire imports.
WIRES: Final = {
    "anthropic": "perdure.activities.models.wires.anthropic_messages",
    "openai": "perdure.activities.models.wires.openai_responses",
    "openai-chat": "perdure.activities.models.wires.openai_chat",
    "demo": "perdure.activities.models.demo.wire",
}


def load(providers: Iterable[str]) -> None:
    """Imports the wires of these providers now rather than at their first call; unknown names are nobody's."""
    for provider in sorted(set(providers) & WIRES.keys()):
        importlib.import_module(WIRES[provider])


def classes(*names: str) -> tuple[type[BaseException], ...]:
    """The exceptions of these names (`anthropic.APIError`), as far as their SDKs are loaded; for `isinstance`."""
    found: list[type[BaseException]] = []
    for name in names:
        module, _, attribute = name.rpartition(".")
        if module in sys.modules:
            found.append(getattr(sys.modules[module], attribute))
    return tuple(found)
