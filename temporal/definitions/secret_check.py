"""What is wrong with the variables and programs that a definition names.

Rule: a variable that is named and not listed in `secrets:` is refused with its place, so that nobody has to read every
address to see what a definition is given. Values are never looked at.
"""

from collections.abc import Iterator
from typing import Any

from perdure.temporal.definitions.allowed import Allowed, texts_of
from perdure.temporal.definitions.references import names_in
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Loc, Source
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.tools import McpServer


def secret_problems(
    source: Source, definition: AgentDefinition, own_models: Any, allowed: Allowed
) -> Iterator[DefinitionProblem]:
    """`own_models` are the roles that the file itself gives, a mapping. A shared role that the definition does not choose
    may name what it does not list: a session that chooses it later is refused."""
    for index, name in enumerate(definition.secrets):
        if definition.secrets.index(name) != index:
            yield source.problem(("secrets", index), f"{name} stands here twice")
        elif (why := allowed.secret_fault(name)) is not None:
            yield source.problem(("secrets", index), why)
    for loc, part in _parts(definition, own_models):
        for place, text in texts_of(part):
            for name in names_in([text]):
                if name not in definition.secrets:
                    yield source.problem((*loc, *place), f"names ${{{name}}}; add it to secrets: [{name}]")
        if isinstance(part, McpServer) and (why := allowed.command_fault(part.command)) is not None:
            yield source.problem((*loc, "command"), why)


def _parts(definition: AgentDefinition, own_models: Any) -> Iterator[tuple[Loc, ModelDefinition | McpServer]]:
    for role in dict.fromkeys([definition.model, *own_models]):
        yield ("models", role) if role in own_models else ("model",), definition.models[role]
    for index, tool in enumerate(definition.tools):
        if isinstance(tool, McpServer):
            yield ("tools", index), tool
