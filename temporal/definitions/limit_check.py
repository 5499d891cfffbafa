"""What of a definition's limits could never do anything."""

from collections.abc import Iterator

from perdure.temporal.definitions.finding import Finding
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.limits import Cheaper


def limit_findings(definition: AgentDefinition) -> Iterator[Finding]:
    on_limit = definition.limits.on_limit
    if isinstance(on_limit, Cheaper) and (why := cheaper_fault(definition, on_limit.cheaper)) is not None:
        yield Finding(("limits", "on_limit", "cheaper"), why, (("models",), ("model",)))


def cheaper_fault(definition: AgentDefinition, role: str) -> str | None:
    """Why `role` could never take over at a limit, where it could not: any other of `models` may answer, for a message or
    the session can choose it."""
    if tuple(definition.models) != (role,):
        return None
    return f"{role!r} is the only one of models, so it answers already: add a cheaper model, or use ask or stop"
