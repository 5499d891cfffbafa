"""What is wrong with the tools of a definition: names that no worker has, schemas that are none, conditions that cannot hold.

Rule: what can be known before a session runs is refused with its file, line and field.
"""

from collections.abc import Iterator

from perdure.temporal.definitions.template_check import BUILT_IN, template_faults
from perdure.temporal.schemas.check import input_fault, schema_fault
from perdure.temporal.schemas.patterns import pattern_fault
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Source
from perdure.workflows.core.conditions import expression_of
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import AgentTool, ClientTool, McpServer, ToolUse, name_of


def tool_problems(
    source: Source, definition: AgentDefinition, tool_names: frozenset[str] | None
) -> Iterator[DefinitionProblem]:
    """In the order of the tools. `tool_names` are those of our own workers; None: not known here."""
    for index, tool in enumerate(definition.tools):
        loc = ("tools", index)
        match tool:
            case ToolUse(task_queue=None) if tool_names is not None and tool.name not in tool_names:
                there = ", ".join(sorted(tool_names)) or "none"
                yield source.problem(loc, f"no worker tool is named {tool.name!r}; there are: {there}")
            case ToolUse(task_queue=str()) | ClientTool() | AgentTool() if (
                tool_names is not None and tool.name in tool_names
            ):
                yield source.problem(loc, f"a tool of Perdure's own worker has the name {tool.name!r}, too")
            case _:
                pass
        for field, fault_of in (("input", input_fault), ("output", schema_fault)):
            schema = getattr(tool, field, None)
            if schema is not None and (fault := fault_of(schema) or pattern_fault(schema)) is not None:
                yield source.problem((*loc, field, *fault[0]), f"{name_of(tool)}: {fault[1]}")
        if (
            isinstance(tool, ToolUse | AgentTool | McpServer)
            and tool.approval is not None
            and tool.approval.when is not None
        ):
            when = tool.approval.when
            place = (*loc, "approval", "when")
            if expression_of(when) is None:
                yield source.problem(place, "is exactly one {{ }} that gives true or false")
                continue
            known = frozenset(definition.inputs) | BUILT_IN | {"args"}
            for wrong in template_faults(when, known):
                yield source.problem(place, wrong.message)
