"""The demo model in the place of models that cannot be called here.

Rule: it answers for a role of its own, and never for a model that has failed: what it says would pass for an answer.
"""

from collections.abc import Callable, Mapping
from typing import Final

from perdure.workflows.definition.agent import ModelDefinition, Price
from perdure.workflows.definition.model import FallbackModel, FallbackRole

_FREE: Final = Price(input=0, output=0)


def on_demo(
    models: Mapping[str, ModelDefinition], demo_for: Callable[[ModelDefinition], bool]
) -> dict[str, ModelDefinition]:
    """`models`, by role, with the demo model in the place of those that `demo_for` says."""
    replaced = {role for role, model in models.items() if demo_for(model)}
    return {
        role: _demo(model) if role in replaced else _as_is(model, models, replaced) for role, model in models.items()
    }


def _demo(model: ModelDefinition) -> ModelDefinition:
    gone = {"base_url": None, "api_key": None, "fallback": ()}
    return model.model_copy(update={"use": f"demo/{model.model_name}", "price": _FREE, **gone})


def _as_is(model: ModelDefinition, models: Mapping[str, ModelDefinition], replaced: set[str]) -> ModelDefinition:
    """A role that the demo model has taken stands in as what it is without it, so that people hear what it lacks."""
    entries = tuple(
        FallbackModel.model_validate({**models[entry.role].model_dump(exclude={"fallback"}), "on": entry.on})
        if isinstance(entry, FallbackRole) and entry.role in replaced
        else entry
        for entry in model.fallback
    )
    return model if entries == model.fallback else model.model_copy(update={"fallback": entries})
