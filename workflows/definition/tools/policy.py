"""What a kind of tool resolves to when a definition loads: all that a session asks of a tool, whatever its kind."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue

from perdure.workflows.vocabulary.questions import Form

if TYPE_CHECKING:
    from perdure.workflows.definition.tools.activity import ToolUse
    from perdure.workflows.definition.tools.mcp import McpServer
    from perdure.workflows.definition.tools.options import Approval

#: What carries a call out: an activity of our own workers, or of another's; an MCP server; the session of a sub-agent; an
#: agent that takes the session over; the app or a person; the session itself.
Runner = Literal["worker", "remote", "mcp", "child", "handoff", "person", "session"]


@dataclass(frozen=True, kw_only=True)
class Policy:
    name: str
    runner: Runner
    #: What says which arguments are right: the tool itself, more kindly, or the schema that the model is shown.
    checked_by: Literal["tool", "schema"]
    approval: "Approval | None" = None
    #: Side effects happen once: a call of which nobody knows whether it took effect is never repeated.
    once: bool = False
    #: It may change something outside of the session.
    effects: bool = True
    #: Another of the agent's tools, which takes a call of this one back.
    undo: str | None = None
    on_unknown: Literal["tell", "ask", "stop"] = "tell"
    #: Another of the agent's tools, called when this one has failed for good.
    fallback: str | None = None
    #: Calls that run at the same time in one session.
    parallel: int | None = None
    #: What answers the question that a call is, where it is one.
    form: Form = "result"
    #: How long what is asked to carry a call out waits for an answer; None: until there is one.
    expires: timedelta | None = None
    #: How long a sub-agent's answer may take; None: for ever.
    timeout: timedelta | None = None
    #: The part of what may still be spent that one call of a sub-agent may spend.
    share: float = 0.0
    #: What an approval is bound to; None: there is nothing to approve.
    binds: dict[str, JsonValue] | None = None
    #: What it takes and returns, where it is described here and not by whoever runs it.
    input: dict[str, JsonValue] | None = None
    output: dict[str, JsonValue] | None = None
    #: The options of its activity.
    activity: "ToolUse | None" = None
    #: The MCP server, its place among the definition's tools, and what that server calls the tool.
    server: "McpServer | None" = None
    index: int = -1
    tool: str = ""
    #: sha256 of the documents that it reads, which came with the definition.
    documents: str | None = None
