"""What is wrong with the models of a definition: no price under a cap on cost, and names that nobody knows.

Rule: a model that is only unknown is never refused. There are more models than any list knows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from perdure.temporal.definitions.dialect_check import dialect_findings
from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.prices import is_listed, listed_ids, price_of
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.handlers import cap_costs
from perdure.workflows.definition.route import Hop
from perdure.workflows.vocabulary.near_names import did_you_mean, near_name


def named_models(definition: AgentDefinition, own: Mapping[str, Any]) -> Iterator[tuple[Loc, ModelDefinition]]:
    """The models that the file gives or chooses, those that stand in for them included, with their places in it; `own` are
    those that it gives, by role.

    Shared models that it does not choose are left out: a session that chooses one later is refused.
    """
    seen: set[str] = set()
    for role in dict.fromkeys([definition.model, *own]):
        for hop in definition.route(role):
            if hop.key not in seen:
                seen.add(hop.key)
                yield _place(role, hop, own), hop.model


def _place(role: str, hop: Hop, own: Mapping[str, Any]) -> Loc:
    """Where the file gives a model of the route of `role`, or else where it comes to it."""
    holder, _, number = hop.key.partition("/")
    if holder in own:
        return ("models", holder, "fallback", int(number) - 1) if number else ("models", holder)
    return ("models", role, "fallback") if role in own else ("model",)


def model_findings(definition: AgentDefinition, own: Mapping[str, Any]) -> Iterator[Finding]:
    capped = definition.limits.cap_costs or cap_costs(definition.handlers)
    for loc, model in named_models(definition, own):
        ids = listed_ids(model)
        near = did_you_mean(model.use, [f"{model.provider}/{name}" for name in ids])
        if capped and price_of(model) is None:
            what = "has no known price, which a cap on cost needs"
            message = f"{model.use} {what}{near or '; add price: {input: …, output: …}'}"
            yield Finding(loc, message, ((*loc, "use"), (*loc, "price")))
        elif ids and not is_listed(model) and (model.price is None or near_name(model.model_name, ids)):
            place = (*loc, "use") if loc[0] == "models" else loc
            message = f"no model {model.model_name!r} of {model.provider} is known"
            yield Finding(place, f"{message}{near or '; its cost will be shown as unknown'}", kind="warning")
        yield from dialect_findings(definition, loc, model)
