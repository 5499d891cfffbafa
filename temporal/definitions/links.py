"""What is wrong with agents that name each other in their tools: unknown ones, and trees of sessions without an end.

Rule: a definition whose other agents are missing is refused like one whose tools are, and so in turn those that name it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from perdure.temporal.schemas.yaml_source import DefinitionProblem, Refused, read_yaml
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import AgentTool
from perdure.workflows.running.sub_agents import MAX_DEPTH

Serving = Mapping[str, tuple[AgentDefinition, Path]]


def without_broken_links(
    serving: Serving,
) -> tuple[dict[str, tuple[AgentDefinition, Path]], list[DefinitionProblem]]:
    """The definitions that can serve, and what is wrong with the others."""
    left = dict(serving)
    problems: list[DefinitionProblem] = []
    while True:
        found = {name: list(_faults(name, left)) for name in left}
        broken = {name for name, faults in found.items() if faults}
        if not broken:
            return left, problems
        for name in broken:
            definition, file = left[name]
            problems += [_problem(file, definition, tool, message) for tool, message in found[name]]
        left = {name: entry for name, entry in left.items() if name not in broken}


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


def _faults(name: str, serving: Serving) -> Iterator[tuple[AgentTool, str]]:
    for tool in serving[name][0].agent_tools:
        if tool.name not in serving:
            there = ", ".join(sorted(other for other in serving if other != name)) or "none"
            yield tool, f"no agent is named {tool.name!r}; there are: {there}"
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


def _problem(file: Path, definition: AgentDefinition, tool: AgentTool, message: str) -> DefinitionProblem:
    index = definition.tools.index(tool)
    try:
        return read_yaml(file).problem(("tools", index, "agent", "name"), message)
    except Refused:
        # An earlier, good version of the file serves.
        return DefinitionProblem(file, 1, f"tools[{index}].agent.name", message)
