"""A shared file of models, by role, which lie below those of the agents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from perdure.temporal.definitions.field_problems import problem_of
from perdure.temporal.definitions.recovery import recover
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Loc, Refused, read_yaml
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.tools import Name

_ROLE: Final[TypeAdapter[dict[str, ModelDefinition]]] = TypeAdapter(dict[Name, ModelDefinition])

Models = Mapping[str, ModelDefinition]


def load_models(file: Path) -> tuple[dict[str, ModelDefinition], tuple[DefinitionProblem, ...]]:
    """The models of a shared file, by role: `fast: {use: …}`, or the same below `models:`. A faulty one is left out."""
    try:
        source = read_yaml(file)
    except Refused as refused:
        return {}, refused.problems
    below: Loc = ()
    roles: dict[str, Any] = source.values
    if list(roles) == ["models"] and isinstance(inner := roles["models"], dict) and "use" not in inner:
        below, roles = ("models",), inner
    models: dict[str, ModelDefinition] = {}
    problems: list[DefinitionProblem] = []
    for role, value in roles.items():
        found = recover(_ROLE, {role: value})
        problems += [problem_of(source, fault, below) for fault in found.faults]
        if not found.faults and found.value is not None:
            models |= found.value
    return models, tuple(sorted(problems))
