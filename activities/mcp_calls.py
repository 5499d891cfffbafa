"""The activity `call_mcp_tool`: one call of an MCP server's tool.

Rule 1: Temporal owns retries and time-outs. What fails leaves as a typed `ApplicationError`.
Rule 2: `mcp_unavailable` means that the tool did not run; once a call is under way, a broken connection is `mcp_lost`,
after which nobody knows.
Rule 3: a server's word is checked: arguments against its own input schema, results against its output schema.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from jsonschema.exceptions import ValidationError as Misfit
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    UNSUPPORTED_PROTOCOL_VERSION,
    CallToolResult,
    Tool,
)
from pydantic import JsonValue, ValidationError
from referencing.exceptions import Unresolvable
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.mcp_connections import Connections, McpUnavailable
from activities.mcp_conversation import converse
from activities.mcp_listing import Listings, spec_of
from activities.mcp_questions import Declined, Dialogue, NotAskable
from activities.mcp_results import read_result, text_of
from activities.results import BadResult, told
from activities.tools import output_of, sized_result, tool_changed, whole_arguments
from temporal.blobs import BlobStore, fold_part, unfold
from temporal.files import put_file
from temporal.schema_faults import faults
from workflows.binding import spec_sha256
from workflows.contract import CallMcpToolInput, ToolOutput, call_of_activity
from workflows.errors import (
    DENIED,
    INPUT_NOT_SUPPORTED,
    INVALID_ARGUMENTS,
    INVALID_RESULT,
    MCP_LOST,
    MCP_UNAVAILABLE,
    TOOL_FAILED,
    UNKNOWN_TOOL,
)
from workflows.server_input import ServerAnswer, ServerAsks
from workflows.types import ToolResult, preview

#: The server does not know the session, the version or the route: it is another one than before, and nothing ran.
_OTHER_SERVER = (METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION)
#: The SDK's words where the protocol has no code of its own.
_SESSION_GONE = "Session terminated"
_NO_WAY_BACK = ("Cannot send 'elicitation/", "Cannot send 'sampling/", "Cannot send 'roots/")
_HTTP_ERROR = "Server returned an error response"


class McpServers:
    """The MCP servers that a worker knows: what tools they have, and calls of them."""

    def __init__(self, environment: Mapping[str, str], blobs: BlobStore) -> None:
        """`environment` fills in `${NAME}` of addresses; big results and files go to `blobs`."""
        self._connections = Connections(environment)
        self.listings = Listings(self._connections)
        self.blobs = blobs

    async def aclose(self) -> None:
        await self.listings.aclose()
        await self._connections.aclose()

    @activity.defn(name="call_mcp_tool")
    async def call_mcp_tool(self, request: CallMcpToolInput) -> ToolOutput | ServerAsks:
        """What the tool gave, or what a person has to be asked before it gives anything.

        Raises ApplicationError `mcp_unavailable`, `mcp_lost`, `unknown_tool`, `invalid_arguments`, `tool_failed`,
        `invalid_result`, `result_too_large`, `input_not_supported`, `too_many_questions`, `denied`, `expired`,
        `tool_changed`.
        """
        info = activity.info()
        args = await whole_arguments(self.blobs, request.args)
        try:
            find = self.listings.tool if request.spec_sha256 is None else self.listings.tool_now
            tool = await find(request.server, request.tool)
        except McpUnavailable as away:
            raise _unavailable(request, away) from None
        if tool is None:
            _fail(f"The server {request.label} no longer has a tool {request.tool!r}.", UNKNOWN_TOOL)
        if request.spec_sha256 not in (None, spec_sha256(spec_of(request.name, tool))):
            raise tool_changed(request.name)
        check_arguments(request.name, args, tool)
        dialogue = Dialogue(await self._whole_answers(request))
        result = await self._call(request, args, dialogue)
        if isinstance(result, ServerAsks):
            return result
        if result.is_error and dialogue.refused is not None:
            raise _not_askable(request, dialogue.refused)
        if result.is_error:
            _fail(preview(text_of(result)), TOOL_FAILED)
        workflow_id = info.workflow_id or "default/none"
        try:
            returned = read_result(result, lambda sha256: f"{workflow_id}/{sha256}")
        except BadResult as bad:
            _fail(f"{request.name} ran, but returned {bad}", INVALID_RESULT)
        part, big = sized_result(call_of_activity(info.activity_id), request.name, returned.output)
        for sha256, (data, media_type) in returned.files.items():
            await put_file(self.blobs, workflow_id, sha256, data, media_type)
        return output_of(await fold_part(self.blobs, workflow_id, part) if big else part, info.attempt)

    async def _whole_answers(self, request: CallMcpToolInput) -> CallMcpToolInput:
        """The same with answers that were too big to travel."""
        so_far = request.so_far
        if so_far is None or all(answer.blob is None for answer in so_far.answers):
            return request
        answers: list[ServerAnswer] = []
        for answer in so_far.answers:
            part = ToolResult(call_id="", name="", output=answer.content, blob=answer.blob)
            (whole,) = await unfold(self.blobs, (part,))
            assert isinstance(whole, ToolResult)
            answers.append(answer.model_copy(update={"content": whole.output}))
        return request.model_copy(update={"so_far": so_far.model_copy(update={"answers": tuple(answers)})})

    async def _call(
        self, request: CallMcpToolInput, args: dict[str, JsonValue], dialogue: Dialogue
    ) -> CallToolResult | ServerAsks:
        try:
            async with self._connections.to(request.server, dialogue.on_open_connection) as client:
                return await converse(client, request, args, dialogue)
        except McpUnavailable as away:
            raise _unavailable(request, away) from None
        except NotAskable as wanted:
            raise _not_askable(request, str(wanted)) from None
        except Declined:
            _fail(f"{request.label} needs something done first, and a person declined it.", DENIED)
        except ApplicationError:
            raise
        except MCPError as error:
            if dialogue.refused is not None:
                raise _not_askable(request, dialogue.refused) from None
            if _is_other_server(error):
                self._connections.forget(request.server)
            raise _typed(request, error) from None
        except RuntimeError as error:
            # The SDK's word for structured content that does not fit the tool's output schema.
            cause = error.__cause__
            why = told(cause) if isinstance(cause, Misfit) else str(error).partition("\n")[0]
            _fail(f"{request.name} ran, but what it returned does not fit its output schema: {why}", INVALID_RESULT)
        except ValidationError:
            _fail(f"{request.name} ran, but what it returned is no result of an MCP tool.", INVALID_RESULT)
        except Exception as error:
            raise _lost(request, type(error).__name__) from None
        finally:
            dialogue.over.set()


def check_arguments(name: str, args: dict[str, Any], tool: Tool) -> None:
    """Raises ApplicationError `invalid_arguments`, which names the fields."""
    try:
        wrong = [told(error) for error in faults(args, tool.input_schema, foreign=True)]
    except (Unresolvable, RecursionError):
        # The server knows what it meant, and checks by itself.
        return
    if wrong:
        shown = "; ".join(wrong[:10])
        _fail(f"{name} was not called, because its arguments are wrong. {shown}.", INVALID_ARGUMENTS)


def _typed(request: CallMcpToolInput, error: MCPError) -> ApplicationError:
    said = preview(error.message)
    match error.code:
        case _ if _is_other_server(error):
            return _unavailable(request, McpUnavailable(f"it answers {said!r}"))
        case code if code == MISSING_REQUIRED_CLIENT_CAPABILITY or error.message.startswith(_NO_WAY_BACK):
            return _not_askable(request, said)
        case code if code == CONNECTION_CLOSED:
            return _lost(request, "it was closed")
        case code if code == INVALID_PARAMS:
            return ApplicationError(f"{request.label}: {said}", type=INVALID_ARGUMENTS, non_retryable=True)
        case code if code == INTERNAL_ERROR and error.message == _HTTP_ERROR:
            return _lost(request, "it answered with an HTTP error")
        case _:
            return ApplicationError(f"{request.label}: {said}", type=TOOL_FAILED, non_retryable=True)


def _is_other_server(error: MCPError) -> bool:
    return error.code in _OTHER_SERVER or (error.code == INVALID_REQUEST and error.message == _SESSION_GONE)


def _not_askable(request: CallMcpToolInput, why: str) -> ApplicationError:
    message = f"{request.label} wants to know something while {request.name} runs, and gets no answer: {why}"
    return ApplicationError(preview(message), type=INPUT_NOT_SUPPORTED, non_retryable=True)


def _unavailable(request: CallMcpToolInput, away: McpUnavailable) -> ApplicationError:
    message = f"The server {request.label} cannot be reached, so {request.name} did not run: {away}."
    return ApplicationError(message, type=MCP_UNAVAILABLE, non_retryable=away.final)


def _lost(request: CallMcpToolInput, why: str) -> ApplicationError:
    message = f"The connection to {request.label} broke while {request.name} ran ({why})."
    return ApplicationError(message, type=MCP_LOST)


def _fail(message: str, kind: str) -> NoReturn:
    raise ApplicationError(message, type=kind, non_retryable=True) from None
