"""What is known beforehand of a request that a definition's models would be sent: parameters that an API does not have or a
model refuses, thinking that cannot be had, more tools than a request may offer.

Rule: what an API does not have is a fault, for nothing could be made of it. What a known model refuses is a warning: it is
not sent, and the rest of the definition holds.
"""

import os
from collections.abc import Iterator, Mapping

from perdure.temporal.definitions.dialects import dialect_of
from perdure.temporal.definitions.finding import Finding
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.definition.tools import McpServer


def dialect_findings(
    definition: AgentDefinition, loc: Loc, model: ModelDefinition, environment: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """What is to be said of one of the definition's models, which stands at `loc`."""
    provider = PROVIDERS[model.provider]
    dialect = dialect_of(provider, model, os.environ if environment is None else environment)
    yield from _parameters(loc, model, dialect)
    yield from _thinking(definition, loc, model, dialect)
    tools = _least_tools(definition)
    if dialect.most_tools is not None and tools > dialect.most_tools:
        message = f"{model.use} takes at most {dialect.most_tools} tools in a request, and the agent has {tools}"
        yield Finding(("tools",), f"{message}; name fewer, or `allow` fewer of an MCP server")


def _parameters(loc: Loc, model: ModelDefinition, dialect: Dialect) -> Iterator[Finding]:
    places = {**PROVIDERS[model.provider].parameters, **dialect.parameters}
    refused = dialect.refused(model.thinking)
    for name in model.params.model_dump(exclude_defaults=True):
        place = _field(loc, "params", name)
        if places.get(name, name) == "":
            yield Finding(place, f"the API of {model.provider} models has no {name}; remove it")
        elif name in refused:
            when = "" if name in dialect.refuses else " while it thinks"
            yield Finding(place, f"{model.use} takes no {name}{when}, so it is not sent", kind="warning")


def _thinking(definition: AgentDefinition, loc: Loc, model: ModelDefinition, dialect: Dialect) -> Iterator[Finding]:
    thinking = dialect.thinking
    place = _field(loc, "thinking")
    if not thinking.with_tools and definition.tools and model.thinking != "off":
        other = f"use openai/{model.model_name} instead"
        message = f"{model.use} does not think where it has tools; {other}, by the Responses API"
        yield Finding(place, message, ((*loc, "use"),), kind="warning")
    elif thinking.form == "none" and model.thinking != "off":
        how = "thinks as much as it likes" if thinking.always else "is not known to think"
        yield Finding(place, f"{model.use} {how}; the level is not sent", ((*loc, "use"),), kind="warning")


def _field(loc: Loc, *field: str) -> Loc:
    """Its place, or, for a shared model, where the definition chooses the model."""
    return (*loc, *field) if loc[0] == "models" else loc


def _least_tools(definition: AgentDefinition) -> int:
    """The tools that it has at least: which ones an MCP server has is known only where the definition lists them."""
    return sum(len(tool.allow or ()) if isinstance(tool, McpServer) else 1 for tool in definition.tools)
