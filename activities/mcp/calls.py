"""The activity `call_mcp_tool`: one call of an MCP server's tool.

Rule 1: Temporal owns retries and time-outs. Failures leave as typed `ApplicationError`s.
Rule 2: `mcp_unavailable` means that the tool did not run. After a call was sent, a missing or unreadable answer is
`mcp_lost`: it is unknown whether the tool ran.
Rule 3: an error from the server itself is final, whatever its code: the server received the call, so calling again is
the decision of the model, which gets the message.
Rule 4: a call is validated: its arguments against the server's input schema, its result against its output schema.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY, CallToolResult, Tool
from pydantic import JsonValue, ValidationError
from referencing.exceptions import Unresolvable
from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.activities.encoding.compact_json import compact
from perdure.activities.encoding.raw_bytes import Files, whole_texts
from perdure.activities.mcp.connections import Connections
from perdure.activities.mcp.conversation import converse
from perdure.activities.mcp.errors import McpLost, McpTooMuch, McpUnavailable
from perdure.activities.mcp.lines import data_of
from perdure.activities.mcp.listing import Listings, spec_of
from perdure.activities.mcp.published import Published, server_of
from perdure.activities.mcp.questions import Declined, Dialogue, NotAskable
from perdure.activities.mcp.results import read_failure, read_result
from perdure.activities.tools.outputs import keep_files, output_of, sized_result
from perdure.activities.tools.results import BadResult, explained
from perdure.activities.tools.tool import tool_changed, whole_arguments
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.schemas.faults import faults
from perdure.temporal.stores.blobs import BlobStore, fold_part, unfold
from perdure.temporal.telemetry.redaction import redacted
from perdure.workflows.core.binding import spec_sha256
from perdure.workflows.definition.tools import McpAddress
from perdure.workflows.protocol.activities import CallMcpToolInput, ToolOutput
from perdure.workflows.vocabulary.elicitation import ServerAnswer, ServerAsks
from perdure.workflows.vocabulary.errors import (
    CONTEXT_UNFIT,
    DENIED,
    INPUT_NOT_SUPPORTED,
    INVALID_ARGUMENTS,
    INVALID_RESULT,
    MCP_LOST,
    MCP_UNAVAILABLE,
    RESULT_TOO_LARGE,
    TOOL_FAILED,
    UNKNOWN_TOOL,
)
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.ids import call_of_activity
from perdure.workflows.vocabulary.parts import ToolError, ToolResult
from perdure.workflows.vocabulary.tool_context import ToolContext

#: The SDK's messages for errors that have no code in the protocol.
_NO_WAY_BACK = ("Cannot send 'elicitation/", "Cannot send 'sampling/", "Cannot send 'roots/")


class McpServers:
    """The MCP servers that a worker knows: lists of their tools, and calls."""

    def __init__(
        self, environment: Mapping[str, str], blobs: BlobStore, published: Published, allowed: Allowed | None = None
    ) -> None:
        """`environment` fills in `${NAME}` in addresses; large results and files go to `blobs`. `published` finds the
        definitions that addresses and commands are taken from; `allowed` None: what the settings allow."""
        self._published = published
        self._allowed = allowed or Allowed.load()
        self._connections = Connections(environment)
        self.listings = Listings(self._connections)
        self.blobs = blobs

    async def aclose(self) -> None:
        await self.listings.aclose()
        await self._connections.aclose()

    @activity.defn(name="call_mcp_tool")
    async def call_mcp_tool(self, request: CallMcpToolInput) -> ToolOutput | ServerAsks:
        """The tool's output, or the questions that a person has to answer first.

        Raises ApplicationError `mcp_unavailable`, `mcp_lost`, `unknown_tool`, `invalid_arguments`, `tool_failed`,
        `invalid_result`, `result_too_large`, `input_not_supported`, `too_many_questions`, `denied`, `expired`,
        `tool_changed`, `context_unfit`; `agent_unavailable`, `not_published`.
        """
        info = activity.info()
        address = (await server_of(request, self._published, self._allowed)).address
        args: dict[str, JsonValue] = whole_texts(await whole_arguments(self.blobs, request.args))
        try:
            find = self.listings.tool if request.spec_sha256 is None else self.listings.tool_now
            tool = await find(address, request.tool)
        except McpUnavailable as away:
            raise _unavailable(request, away) from None
        if tool is None:
            _fail(f"The server {request.label} no longer has a tool {request.tool!r}.", UNKNOWN_TOOL)
        if request.spec_sha256 not in (None, spec_sha256(spec_of(request.name, tool))):
            raise tool_changed(request.name)
        check_arguments(request.name, args, tool)
        dialogue = Dialogue(await self._whole_answers(request))
        result = await self._call(request, address, args, dialogue)
        if isinstance(result, ServerAsks):
            return result
        if result.is_error and dialogue.refused is not None:
            raise _not_askable(request, dialogue.refused)
        workflow_id = info.workflow_id or "default/none"
        files = Files(lambda sha256: f"{workflow_id}/{sha256}")
        try:
            # In a thread: parsing a result of many megabytes takes seconds, and other tasks must run meanwhile.
            part, big = await asyncio.to_thread(
                _part, call_of_activity(info.activity_id), request.name, tool, result, files
            )
        except BadResult as bad:
            _fail(f"{request.name} ran, but returned {bad}", INVALID_RESULT)
        await keep_files(self.blobs, workflow_id, request.name, files.found)
        return output_of(await fold_part(self.blobs, workflow_id, part) if big else part, info.attempt)

    async def _whole_answers(self, request: CallMcpToolInput) -> CallMcpToolInput:
        """The request with its offloaded answers hydrated."""
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
        self, request: CallMcpToolInput, address: McpAddress, args: dict[str, JsonValue], dialogue: Dialogue
    ) -> CallToolResult | ServerAsks:
        try:
            context = _on_behalf(request) if address.has_templates else None
            async with self._connections.to(address, dialogue.on_open_connection, context) as client:
                return await converse(client, request, args, dialogue)
        except McpUnavailable as away:
            raise _unavailable(request, away) from None
        except NotAskable as wanted:
            raise _not_askable(request, str(wanted)) from None
        except Declined:
            _fail(f"{request.label} requires a step first that the person declined.", DENIED)
        except ApplicationError:
            raise
        except McpLost as lost:
            if dialogue.refused is not None:
                raise _not_askable(request, dialogue.refused) from None
            raise _lost(request, str(lost)) from None
        except McpTooMuch:
            message = f"{request.name} ran, but its result is too large: the server's answer exceeds the limit."
            _fail(message, RESULT_TOO_LARGE)
        except MCPError as error:
            if dialogue.refused is not None:
                raise _not_askable(request, dialogue.refused) from None
            raise _typed(request, error) from None
        except ValidationError:
            _fail(f"{request.name} ran, but what it returned is not a valid MCP result.", INVALID_RESULT)
        except Exception as error:
            raise _lost(request, type(error).__name__) from None
        finally:
            dialogue.over.set()


def _on_behalf(request: CallMcpToolInput) -> ToolContext:
    """The call's context; which session and which call it is, Temporal itself says."""
    info, given = activity.info(), request.context or ToolContext()
    tenant, _, session_id = (info.workflow_id or "").partition("/")
    if not session_id:
        return given
    return replace(given, tenant=tenant, session_id=session_id, call_id=call_of_activity(info.activity_id))


def _part(call_id: str, name: str, tool: Tool, result: CallToolResult, files: Files) -> tuple[ToolResult, bool]:
    """The tool's result, and whether it is too large to travel inline. Raises `BadResult`, ApplicationError."""
    if not result.is_error:
        _check_structure(name, tool, result)
        return sized_result(call_id, name, read_result(result, files))
    words, content = read_failure(result, files)
    if content is None:
        _fail(words, TOOL_FAILED)
    error = ToolError(type=TOOL_FAILED, message=words, content=content)
    return sized_result(call_id, name, error.model_dump(), is_error=True)


def _check_structure(name: str, tool: Tool, result: CallToolResult) -> None:
    if tool.output_schema is None:
        return
    misfit = f"{name} ran, but what it returned does not fit its output schema"
    if result.structured_content is None:
        _fail(f"{misfit}: there is no structured content.", INVALID_RESULT)
    try:
        wrong = next(faults(result.structured_content, tool.output_schema, foreign=True), None)
    except (Unresolvable, RecursionError):
        # The output schema itself is broken, so the result cannot be checked.
        return
    if wrong is not None:
        _fail(f"{misfit}: {explained(wrong)}", INVALID_RESULT)


def check_arguments(name: str, args: dict[str, Any], tool: Tool) -> None:
    """Raises ApplicationError `invalid_arguments`, which names the fields."""
    try:
        wrong = [explained(error) for error in faults(args, tool.input_schema, foreign=True)]
    except (Unresolvable, RecursionError):
        # The input schema itself is broken; the server validates the arguments itself.
        return
    if wrong:
        shown = "; ".join(wrong[:10])
        _fail(f"{name} was not called, because its arguments are wrong. {shown}.", INVALID_ARGUMENTS)


def _typed(request: CallMcpToolInput, error: MCPError) -> ApplicationError:
    said = error.message.strip() or f"it failed with the code {error.code} and did not say why"
    data = data_of(error.error)
    if data is not None:
        said = f"{said} {compact(data)}"
    said = preview(redacted(said))
    if error.code == MISSING_REQUIRED_CLIENT_CAPABILITY or error.message.startswith(_NO_WAY_BACK):
        return _not_askable(request, said)
    kind = INVALID_ARGUMENTS if error.code == INVALID_PARAMS else TOOL_FAILED
    return ApplicationError(f"{request.label}: {said}", type=kind, non_retryable=True)


def _not_askable(request: CallMcpToolInput, why: str) -> ApplicationError:
    message = f"{request.label} asked for input while {request.name} ran and got no answer: {why}"
    return ApplicationError(preview(message), type=INPUT_NOT_SUPPORTED, non_retryable=True)


def _unavailable(request: CallMcpToolInput, away: McpUnavailable) -> ApplicationError:
    if away.unfilled:
        message = f"{request.name} did not run, because {request.label} cannot be told on whose behalf: {away}."
        return ApplicationError(message, type=CONTEXT_UNFIT, non_retryable=True)
    how = "is there, but" if away.refused else "cannot be reached, so"
    message = f"The server {request.label} {how} {request.name} did not run: {away}."
    return ApplicationError(message, type=MCP_UNAVAILABLE, non_retryable=away.final)


def _lost(request: CallMcpToolInput, why: str) -> ApplicationError:
    message = f"The connection to {request.label} broke while {request.name} ran ({why})."
    return ApplicationError(message, type=MCP_LOST)


def _fail(message: str, kind: str) -> NoReturn:
    raise ApplicationError(message, type=kind, non_retryable=True) from None
