"""Verifies MCP calls and model addresses against the published definition of a digest; a session's state and a call's
input are not trusted.

Published are the definitions that this worker has read from its own folders, and those in the definition store, to
which only processes with these folders write. So a person who may write to the namespace can reference a definition,
but not create one.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from temporalio.exceptions import ApplicationError

from perdure.activities.mcp.listing import fit_name
from perdure.temporal.definitions.allowed import Allowed
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.tools import McpServer
from perdure.workflows.protocol.activities import CallMcpToolInput
from perdure.workflows.vocabulary.errors import AGENT_UNAVAILABLE, NOT_PUBLISHED

#: The definition of a digest; None if it was never published.
Published = Callable[[str], Awaitable[AgentDefinition | None]]

_SHOWN: Final = 12


async def server_of(request: CallMcpToolInput, published: Published, allowed: Allowed) -> McpServer:
    """The MCP server that a call references by definition and index.

    Raises ApplicationError `agent_unavailable`: this worker does not have the definition (another may);
    `not_published`: the call contradicts the definition.
    """
    if not request.digest:
        # From a session that made the call under an older version, which put the address into the call itself.
        raise _refused(request.name, "the call does not name its definition; make the call again")
    definition = await published(request.digest)
    if definition is None:
        message = f"The definition {request.digest[:_SHOWN]} of {request.name} is not known to this worker."
        raise ApplicationError(message, type=AGENT_UNAVAILABLE)
    tools = definition.tools
    server = tools[request.index] if 0 <= request.index < len(tools) else None
    if not isinstance(server, McpServer) or server.label != request.label:
        raise _refused(
            request.name, f"agent {definition.name!r} has no MCP server {request.label[:100]!r} at that index"
        )
    if server.allow is not None and request.tool not in server.allow:
        raise _refused(request.name, f"agent {definition.name!r} does not allow the tool {request.tool[:100]!r}")
    if request.name != fit_name(server.name, request.tool):
        raise _refused(request.name, f"agent {definition.name!r} has another name for {request.tool[:100]!r}")
    if (server.side_effects == "once") != request.once:
        raise _refused(request.name, f"agent {definition.name!r} declares other `side_effects` for it")
    why = allowed.objection(server, definition.secrets)
    if why is not None:
        raise _refused(request.name, why)
    return server


async def model_of(model: ModelDefinition, digest: str, published: Published, allowed: Allowed) -> ModelDefinition:
    """Returns `model`, taken from a session's state, if the published definition contains the same model.

    A model at its vendor's own address, with nothing of its own in its requests, contains nothing that could be misused and
    is not checked. Raises ApplicationError `agent_unavailable`, `not_published`.
    """
    if not (model.base_url or model.api_key or model.headers or model.query or model.extra):
        return model
    definition = await published(digest)
    if definition is None:
        message = f"The definition {digest[:_SHOWN]} of this step is not known to this worker."
        raise ApplicationError(message, type=AGENT_UNAVAILABLE)
    if model not in (hop.model for hop in definition.every_model):
        raise _refused(model.use, f"agent {definition.name!r} has no such model at that address")
    why = allowed.objection(model, definition.secrets)
    if why is not None:
        raise _refused(model.use, why)
    return model


def _refused(name: str, why: str) -> ApplicationError:
    return ApplicationError(f"{name} was not called: {why}.", type=NOT_PUBLISHED, non_retryable=True)
