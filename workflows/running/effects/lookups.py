"""What a session looks up about its agent: the definition, which one is current, and what its MCP servers list.

All are local activities. A session that knows a definition never ends for want of another.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError

from perdure.workflows.core.effects import CompareTools, FindDefinition, LoadDefinition
from perdure.workflows.core.outcomes import DefinitionFound, DefinitionLoaded, ToolsCompared
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.activities import current_agent, load_agent, tools_changed
from perdure.workflows.protocol.current_agent import CurrentAgent
from perdure.workflows.running.activity_options import LOAD_AGENT, TOOLS_CHANGED
from perdure.workflows.vocabulary.errors import AGENT_UNAVAILABLE
from perdure.workflows.vocabulary.parts import ToolError


async def load_definition(effect: LoadDefinition) -> DefinitionLoaded:
    request = effect.request
    try:
        agent: LoadedAgent = await workflow.execute_local_activity(load_agent, request, **LOAD_AGENT)
    except FailureError as failure:
        # A local activity's failure comes as it was raised, others in an ActivityError.
        cause = failure.cause if isinstance(failure, ActivityError) else failure
        message = cause.message if isinstance(cause, FailureError) else str(failure)
        # A session that has a definition goes on with it and shows nothing of this, so the log has to.
        workflow.logger.warning("agent_unavailable", extra={"digest": request.digest, "error": message})
        return DefinitionLoaded(ToolError(type=AGENT_UNAVAILABLE, message=message))
    return DefinitionLoaded(agent)


async def find_definition(effect: FindDefinition) -> DefinitionFound:
    try:
        found: CurrentAgent | str | None = await workflow.execute_local_activity(
            current_agent, effect.request, **LOAD_AGENT
        )
    except FailureError as failure:
        workflow.logger.warning("agent_unknown", extra={"agent": effect.request.name, "error": str(failure)})
        return DefinitionFound(None)
    if isinstance(found, CurrentAgent):
        return DefinitionFound(found.digest, found.purses)
    return DefinitionFound(found)


async def compare_tools(effect: CompareTools) -> ToolsCompared:
    request = effect.request
    try:
        changed: bool = await workflow.execute_local_activity(tools_changed, request, **TOOLS_CHANGED)
    except FailureError as failure:
        workflow.logger.warning("tools_unknown", extra={"digest": request.digest, "error": str(failure)})
        return ToolsCompared(False)
    return ToolsCompared(changed)
