"""The kinds of tools as a table: a new kind is a file here, and a line in each of the two."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from perdure.workflows.definition.tools import activity, agent, client, mcp, session
from perdure.workflows.definition.tools.activity import ToolUse
from perdure.workflows.definition.tools.agent import AgentTool
from perdure.workflows.definition.tools.client import ClientTool
from perdure.workflows.definition.tools.documents import DocumentTool
from perdure.workflows.definition.tools.mcp import McpServer
from perdure.workflows.definition.tools.session import SessionTool

#: What an entry of `tools:` may be.
Tool = ToolUse | ClientTool | AgentTool | McpServer | SessionTool
#: How an entry is read, by kind; the first that knows it counts. Any name is an activity's, so that kind comes last.
KINDS: Final[dict[str, Callable[[Any], dict[str, Any] | None]]] = {
    "session": session.read,
    "client": client.read,
    "agent": agent.read,
    "mcp": mcp.read,
    "activity": activity.read,
}
#: Keys of `tools:` that are no tool's name.
KEYWORDS: Final = ("agent", "mcp", "client")


def _entry(value: Any) -> Any:
    """One entry of `tools:` with its kind named."""
    if isinstance(value, dict) and "kind" in value:
        return value
    found = (read(value) for read in KINDS.values())
    return next((one for one in found if one is not None), value)


ToolEntry = Annotated[Annotated[Tool, Field(discriminator="kind")], BeforeValidator(_entry)]


def name_of(tool: Tool | DocumentTool) -> str:
    """What people call an entry of `tools:`."""
    return f"mcp {tool.label}" if isinstance(tool, McpServer) else tool.name
