"""What is wrong with the models that stand in for others, with its place in the file."""

from collections.abc import Iterator, Mapping
from typing import Any

from perdure.temporal.definitions.finding import Finding
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.route import route_faults


def route_findings(definition: AgentDefinition, own: Mapping[str, Any]) -> Iterator[Finding]:
    """`own` are the models that the file itself gives, by role; a shared one has no place in it."""
    for role in definition.models:
        for index, message in route_faults(definition.models, role):
            if role in own:
                yield Finding(("models", role, "fallback", index), message)
            else:
                yield Finding(("models",), f"{role}.fallback of the shared models: {message}")
