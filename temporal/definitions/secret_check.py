"""What is wrong with the variables and programs that a definition names.

Rule: a variable that is named and not listed in `secrets:` is refused with its place, so that nobody has to read every
address to see what a definition is given. Values are never looked at.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from perdure.temporal.definitions.allowed import Allowed, texts_of
from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.model_check import named_models
from perdure.temporal.definitions.references import names_in
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.tools import McpServer


def secret_findings(definition: AgentDefinition, own: Mapping[str, Any], allowed: Allowed) -> Iterator[Finding]:
    """`own` are the models that the file itself gives, by role. A shared one that the definition does not choose may name
    what it does not list: a session that chooses it later is refused."""
    for index, name in enumerate(definition.secrets):
        if definition.secrets.index(name) != index:
            yield Finding(("secrets", index), f"{name} stands here twice")
        elif (why := allowed.secret_fault(name)) is not None:
            yield Finding(("secrets", index), why)
    for loc, part in _parts(definition, own):
        for place, text in texts_of(part):
            for name in names_in([text]):
                if name not in definition.secrets:
                    yield Finding((*loc, *place), f"names ${{{name}}}; add it to secrets: [{name}]", (("secrets",),))
        if isinstance(part, McpServer) and (why := allowed.command_fault(part.command)) is not None:
            yield Finding((*loc, "command"), why)


def _parts(definition: AgentDefinition, own: Mapping[str, Any]) -> Iterator[tuple[Loc, ModelDefinition | McpServer]]:
    yield from named_models(definition, own)
    for index, tool in enumerate(definition.tools):
        if isinstance(tool, McpServer):
            yield ("tools", index), tool
