"""Tools that name another one of the same agent: what goes on in their place, and what takes their calls back."""

from collections.abc import Iterator

from perdure.workflows.definition.tools.activity import ToolUse
from perdure.workflows.definition.tools.entry import ToolEntry
from perdure.workflows.vocabulary.near_names import did_you_mean


def link_faults(tools: tuple[ToolEntry, ...]) -> Iterator[str]:
    """Which of these names cannot be meant, and why."""
    used = {tool.name: tool for tool in tools if isinstance(tool, ToolUse)}
    for tool in used.values():
        for field, name in (("fallback", tool.fallback), ("undo", tool.undo)):
            why = None if name is None else _fault(field, name, used)
            if why is not None:
                yield f"the {field} {name!r} of {tool.name!r} {why}"


def _fault(field: str, name: str, used: dict[str, ToolUse]) -> str | None:
    other = used.get(name)
    if other is None:
        return f"is not one of the tools that run on workers{did_you_mean(name, used)}"
    if field == "fallback" and (other.approval is not None or other.side_effects == "once"):
        return "runs unasked, so it can neither need an approval nor be `once`"
    if field == "undo" and other.approval is not None:
        return "runs unasked, so it cannot need an approval: whoever agrees to a rewind agrees to it"
    return None
