"""What a call may rely on: the published definition of a digest, and nothing in a session's state or a call's input.

A definition is published if this worker has read it from its own folders, or if the store holds it under that digest,
where only processes with such folders write. So write access to the namespace allows naming a definition, but not making
one.
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

#: Returns the definition of a digest. None: it is not published.
Published = Callable[[str], Awaitable[AgentDefinition | None]]

_SHOWN: Final = 12


async def server_of(request: CallMcpToolInput, published: Published, allowed: Allowed) -> McpServer:
    """The server that a call names by its definition and its position there.

    Raises ApplicationError `agent_unavailable`: the definition is not here (another worker may have it); `not_published`:
    the definition and the call disagree.
    """
    if not request.digest:
        # A session of an older version made the call, which named the address itself.
        raise _refused(request.name, "the call does not say which definition it is of; it can be made again")
    definition = await published(request.digest)
    if definition is None:
        message = f"The definition {request.digest[:_SHOWN]}, which calls {request.name}, is not known to this worker."
        raise ApplicationError(message, type=AGENT_UNAVAILABLE)
    tools = definition.tools
    server = tools[request.index] if 0 <= request.index < len(tools) else None
    if not isinstance(server, McpServer) or server.label != request.label:
        raise _refused(
            request.name, f"agent {definition.name!r} has no MCP server {request.label[:100]!r} at that position"
        )
    if server.allow is not None and request.tool not in server.allow:
        raise _refused(request.name, f"agent {definition.name!r} does not allow the tool {request.tool[:100]!r}")
    if request.name != fit_name(server.name, request.tool):
        raise _refused(request.name, f"agent {definition.name!r} knows {request.tool[:100]!r} by another name")
    if (server.side_effects == "once") != request.once:
        raise _refused(request.name, f"agent {definition.name!r} disagrees on whether it may be repeated")
    why = allowed.objection(server, definition.secrets)
    if why is not None:
        raise _refused(request.name, why)
    return server


async def model_of(model: ModelDefinition, digest: str, published: Published, allowed: Allowed) -> ModelDefinition:
    """`model`, which a session claims to be in its definition, if the published definition has it.

    A model at its provider's own address names nothing that could be misused, and is returned unchecked. Raises
    ApplicationError `agent_unavailable`, `not_published`.
    """
    if model.base_url is None and model.api_key is None:
        return model
    definition = await published(digest)
    if definition is None:
        message = f"The definition {digest[:_SHOWN]} of this step is not known to this worker."
        raise ApplicationError(message, type=AGENT_UNAVAILABLE)
    if model not in definition.models.values():
        raise _refused(model.use, f"agent {definition.name!r} has no such model at that address")
    why = allowed.objection(model, definition.secrets)
    if why is not None:
        raise _refused(model.use, why)
    return model


def _refused(name: str, why: str) -> ApplicationError:
    return ApplicationError(f"{name} was not called: {why}.", type=NOT_PUBLISHED, non_retryable=True)
