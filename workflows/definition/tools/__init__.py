"""Tools as an agent's `tools:` names them: one file per kind, each of which resolves to one `Policy`."""

from perdure.workflows.definition.tools.activity import ToolUse
from perdure.workflows.definition.tools.agent import AgentTool
from perdure.workflows.definition.tools.client import ClientTool
from perdure.workflows.definition.tools.entry import KEYWORDS, Tool, ToolEntry, name_of
from perdure.workflows.definition.tools.mcp import McpAddress, McpServer, McpTool
from perdure.workflows.definition.tools.options import NAME, Approval, Name, Retry
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.definition.tools.session import SessionTool

__all__ = [
    "KEYWORDS",
    "NAME",
    "AgentTool",
    "Approval",
    "ClientTool",
    "McpAddress",
    "McpServer",
    "McpTool",
    "Name",
    "Policy",
    "Retry",
    "SessionTool",
    "Tool",
    "ToolEntry",
    "ToolUse",
    "name_of",
]
