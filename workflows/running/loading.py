"""What a session looks up about its agent: the definition, and whether its MCP servers list other tools than before.

Both are local activities. A session that knows a definition never ends for want of another.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError

from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.activities import (
    LOAD_AGENT,
    TOOLS_CHANGED,
    CurrentAgentInput,
    LoadAgentInput,
    ToolsChangedInput,
    current_agent,
    load_agent,
    tools_changed,
)
from perdure.workflows.vocabulary.errors import AGENT_UNAVAILABLE
from perdure.workflows.vocabulary.parts import ToolError


async def loaded_agent(name: str, digest: str) -> LoadedAgent | ToolError:
    """The agent's definition of this digest, or why there is none."""
    request = LoadAgentInput(name=name, digest=digest)
    try:
        agent: LoadedAgent = await workflow.execute_local_activity(load_agent, request, **LOAD_AGENT)
    except FailureError as failure:
        # A local activity's failure comes as it was raised, others in an ActivityError.
        cause = failure.cause if isinstance(failure, ActivityError) else failure
        message = cause.message if isinstance(cause, FailureError) else str(failure)
        # A session that has a definition goes on with it and shows nothing of this, so the log has to.
        workflow.logger.warning("agent_unavailable", extra={"digest": digest, "error": message})
        return ToolError(type=AGENT_UNAVAILABLE, message=message)
    return agent


async def current_digest(name: str) -> str | None:
    """The digest of the agent's definition of now, which a message would bring along; None where it is not to be had."""
    try:
        digest: str | None = await workflow.execute_local_activity(
            current_agent, CurrentAgentInput(name=name), **LOAD_AGENT
        )
    except FailureError as failure:
        workflow.logger.warning("agent_unknown", extra={"agent": name, "error": str(failure)})
        return None
    return digest


async def lists_other_tools(loaded: LoadedAgent | None) -> bool:
    """Whether the agent's MCP servers list other tools than the session knows. A turn has those of its beginning."""
    if loaded is None or not loaded.definition.uses_mcp:
        return False
    request = ToolsChangedInput(digest=loaded.digest, mcp_digest=loaded.mcp_digest)
    try:
        changed: bool = await workflow.execute_local_activity(tools_changed, request, **TOOLS_CHANGED)
    except FailureError as failure:
        workflow.logger.warning("tools_unknown", extra={"digest": loaded.digest, "error": str(failure)})
        return False
    return changed
