"""What is wrong with the tools of a definition: names that no worker has, schemas that are none, conditions that cannot hold.

Rule: what can be known before a session runs is refused with its file, line and field.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from perdure.temporal.definitions.condition_check import condition_findings
from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.template_names import names_read
from perdure.temporal.schemas.check import input_fault, schema_faults
from perdure.temporal.schemas.patterns import pattern_fault
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import AgentTool, Approval, ClientTool, McpServer, SessionTool, ToolUse, name_of
from perdure.workflows.definition.tools.undo import undo_fault
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import ToolSpec


def _none(_name: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class KnownTools:
    """The tools of Perdure's own workers, as far as they are known where a definition is read."""

    #: All of them; None: there may be others than those that `spec` describes.
    names: frozenset[str] | None = None
    #: What a tool takes; None: not known here.
    spec: Callable[[str], ToolSpec | None] = _none

    def arguments(self, tool: object) -> dict[str, Any] | None:
        """The JSON Schema of what an entry of `tools:` is called with; None where only others know it."""
        if not isinstance(tool, ToolUse):
            return None
        if tool.task_queue is not None:
            return tool.input
        spec = self.spec(tool.name)
        return None if spec is None else spec.input

    def result(self, tool: object) -> dict[str, Any] | None:
        """The JSON Schema of what it returns; None: anything, or only others know it."""
        if not isinstance(tool, ToolUse):
            return None
        if tool.task_queue is not None:
            return tool.output
        spec = self.spec(tool.name)
        return None if spec is None else spec.output


def tool_findings(definition: AgentDefinition, known: KnownTools) -> Iterator[Finding]:
    """In the order of the tools."""
    for index, tool in enumerate(definition.tools):
        loc = ("tools", index)
        match tool:
            case ToolUse(task_queue=None) if known.names is not None and tool.name not in known.names:
                there = ", ".join(sorted(known.names)) or "none"
                near = did_you_mean(tool.name, known.names) or f"; there are: {there}"
                yield Finding(loc, f"no worker tool is named {tool.name!r}{near}", ((*loc, "task_queue"),))
            case ToolUse(task_queue=None) if known.names is None and known.spec(tool.name) is None:
                yield Finding(loc, f"whether there is a tool {tool.name!r}, and what it takes", kind="unchecked")
            case ToolUse(task_queue=str()) | ClientTool() | AgentTool() | SessionTool() if tool.name in (
                known.names or ()
            ):
                yield Finding(loc, f"a tool of Perdure's own worker has the name {tool.name!r}, too")
            case _:
                pass
        for field in ("input", "output"):
            schema = getattr(tool, field, None)
            for place, message in _schema_faults(schema, field) if schema is not None else ():
                yield Finding((*loc, field, *place), f"{name_of(tool)}: {message}")
        if isinstance(tool, ToolUse) and tool.undo is not None:
            other = next((one for one in definition.tools if isinstance(one, ToolUse) and one.name == tool.undo), None)
            fault = undo_fault(known.arguments(other), known.arguments(tool), known.result(tool))
            if fault is not None:
                yield Finding((*loc, "undo"), f"{tool.undo} {fault}")
        approval: Approval | None = getattr(tool, "approval", None)
        if approval is not None and approval.when:
            place = (*loc, "approval", "when")
            yield from condition_findings(place, approval.when, definition.inputs, known.arguments(tool))
            if isinstance(tool, McpServer) and "args" in names_read(approval.when):
                yield Finding(place, "what args holds, which only the MCP server knows", kind="unchecked")


def _schema_faults(schema: dict[str, Any], field: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """A schema of arguments has to be one that providers accept, too."""
    if wrong := schema_faults(schema):
        yield from wrong
    elif (fault := (input_fault(schema) if field == "input" else None) or pattern_fault(schema)) is not None:
        yield fault
