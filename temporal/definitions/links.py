"""What is wrong with agents that name each other in their tools: unknown ones, and trees of sessions without an end.

Rule: a definition whose other agents are missing is refused like one whose tools are, and so in turn those that name it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

from perdure.temporal.definitions.template_names import misread_names
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Loc, Refused, field_name, read_yaml
from perdure.workflows.core.calls.agents import MAX_DEPTH
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import AgentTool
from perdure.workflows.vocabulary.near_names import did_you_mean

Serving = Mapping[str, tuple[AgentDefinition, Path]]


def without_broken_links(
    serving: Serving, refused: Set[str] = frozenset()
) -> tuple[dict[str, tuple[AgentDefinition, Path]], list[DefinitionProblem]]:
    """The definitions that can serve, and what is wrong with the others. `refused` are names of definitions that cannot."""
    left = dict(serving)
    problems: list[DefinitionProblem] = []
    while True:
        found = {name: list(_faults(name, left, refused | (serving.keys() - left.keys()))) for name in left}
        broken = {name for name, faults in found.items() if faults}
        if not broken:
            return left, problems
        for name in broken:
            definition, file = left[name]
            problems += [_problem(file, definition.tools.index(tool), message) for tool, message in found[name]]
        left = {name: entry for name, entry in left.items() if name not in broken}


def unknown_agents(file: Path, tools: Iterable[tuple[int, AgentTool]], names: Set[str]) -> Iterator[DefinitionProblem]:
    """What a definition that is refused for other faults names beside them: agents that there are not. `tools` have their
    places with them."""
    for index, tool in tools:
        if tool.name not in names:
            yield _problem(file, index, _unknown(tool.name, names))


def misread_calls(file: Path, definition: AgentDefinition, serving: Serving) -> Iterator[DefinitionProblem]:
    """What conditions on calls of other agents read of their arguments, and these agents do not take: warnings."""
    for index, tool in enumerate(definition.tools):
        if isinstance(tool, AgentTool) and tool.approval is not None and tool.approval.when is not None:
            inputs = serving[tool.name][0].inputs
            taken = {"type": "object", "properties": {"message": {"type": "string"}, **inputs}}
            for _, message in misread_names(tool.approval.when, {"args": taken}):
                yield _problem(file, index, message, "approval", "when")


def reachable(name: str, definitions: Mapping[str, AgentDefinition]) -> tuple[str, ...]:
    """Names of the agents that a session of this one can come to, itself left out, sorted."""
    seen, ahead = {name}, [name]
    while ahead:
        definition = definitions.get(ahead.pop())
        for tool in definition.agent_tools if definition else ():
            if tool.name not in seen:
                seen.add(tool.name)
                ahead.append(tool.name)
    return tuple(sorted(seen - {name}))


def links_digest(name: str, digests: Mapping[str, str], definitions: Mapping[str, AgentDefinition]) -> str:
    """sha256 (hex) over the definitions that this one can come to; empty where there is none."""
    others = [f"{other}={digests.get(other, '')}" for other in reachable(name, definitions)]
    return hashlib.sha256("\n".join(others).encode()).hexdigest() if others else ""


def _unknown(name: str, names: Iterable[str]) -> str:
    there = f"; there are: {', '.join(sorted(names)) or 'none'}"
    return f"no agent is named {name!r}{did_you_mean(name, names) or there}"


def _faults(name: str, serving: Serving, refused: Set[str]) -> Iterator[tuple[AgentTool, str]]:
    for tool in serving[name][0].agent_tools:
        if tool.name in refused:
            yield tool, f"the agent {tool.name!r} is refused itself"
        elif tool.name not in serving:
            yield tool, _unknown(tool.name, serving.keys() - {name})
        elif tool.handoff and tool.name == name:
            yield tool, "an agent cannot hand over to itself"
        elif "message" in serving[tool.name][0].inputs:
            yield tool, f"{tool.name} has an input named 'message', which is the name of what every call gives"
        elif not tool.handoff and (path := _too_deep((name, tool.name), serving)) is not None:
            tree = " → ".join(path)
            yield tool, f"sub-agents go at most {MAX_DEPTH} deep, and these go deeper: {tree}"


def _too_deep(path: tuple[str, ...], serving: Serving) -> tuple[str, ...] | None:
    """The first chain of calls below `path` that is too long; also any that comes back to where it was."""
    if len(path) - 1 > MAX_DEPTH or path[-1] in path[:-1]:
        return path
    entry = serving.get(path[-1])
    for tool in entry[0].agent_tools if entry else ():
        if not tool.handoff and (found := _too_deep((*path, tool.name), serving)) is not None:
            return found
    return None


def _problem(file: Path, index: int, message: str, *field: str) -> DefinitionProblem:
    loc: Loc = ("tools", index, "agent", *(field or ("name",)))
    try:
        return read_yaml(file).problem(loc, message)
    except Refused as refused:
        # An earlier, good version of the file serves, or it is readable all the same.
        if refused.source is not None:
            return refused.source.problem(loc, message)
        return DefinitionProblem(file, 1, field_name(loc), message)
