"""One call of a tool, repeated until the server has its answers or a person has to be asked.

Rule: nothing is open while a call waits for a person (`activities/mcp/questions.py` says why).
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final

from mcp import Client
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    URL_ELICITATION_REQUIRED,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    EmptyResult,
    InputRequiredResult,
    InputResponses,
    PingRequest,
)
from pydantic import JsonValue, TypeAdapter
from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.activities.mcp.client import ALIVE_S
from perdure.activities.mcp.lines import data_of
from perdure.activities.mcp.questions import Dialogue
from perdure.workflows.protocol.activities import CallMcpToolInput
from perdure.workflows.vocabulary.elicitation import MOST_ROUNDS, ServerAsks
from perdure.workflows.vocabulary.errors import EXPIRED, TOO_MANY_QUESTIONS

_GIVEN: Final[TypeAdapter[CallToolResult | InputRequiredResult]] = TypeAdapter(CallToolResult | InputRequiredResult)
#: Seconds before a call is repeated that the server wants repeated without an answer.
_PAUSE_S: Final = 0.25


async def converse(
    client: Client, request: CallMcpToolInput, args: dict[str, JsonValue], dialogue: Dialogue
) -> CallToolResult | ServerAsks:
    """The tool's result, or the questions that a person has to answer first.

    Raises MCPError, `NotAskable`, `Declined`; ApplicationError `expired`, `too_many_questions`.
    """
    responses, state = dialogue.resumed()
    resumed = responses is not None
    for _ in range(MOST_ROUNDS + 1):
        try:
            result = await _unless_asked(_ask(client, request.tool, args, responses, state), dialogue)
        except MCPError as error:
            if error.code == URL_ELICITATION_REQUIRED:
                asks = dialogue.elsewhere(data_of(error.error))
                if asks is None:
                    raise
                return asks
            if error.code != INVALID_PARAMS or not resumed:
                raise
            if request.once:
                message = (
                    f"{request.label} no longer accepts the answer to its question: {request.name} did not continue."
                )
                raise ApplicationError(message, type=EXPIRED, non_retryable=True) from None
            dialogue.begin_anew()
            responses, state, resumed = None, None, False
            continue
        if result is None:
            await _heard(client)
            return dialogue.put()
        if isinstance(result, CallToolResult):
            return result
        resumed, state = False, result.request_state
        if not result.input_requests:
            responses = None
            await asyncio.sleep(_PAUSE_S)
            continue
        taken = dialogue.take(result.input_requests, state)
        if isinstance(taken, ServerAsks):
            return taken
        responses = taken
    message = f"{request.label} asked too many times, so {request.name} was given up."
    raise ApplicationError(message, type=TOO_MANY_QUESTIONS, non_retryable=True)


async def _unless_asked(
    call: Coroutine[Any, Any, CallToolResult | InputRequiredResult], dialogue: Dialogue
) -> CallToolResult | InputRequiredResult | None:
    """The call's result; None if the server asked on the open connection, and the call was cancelled for that."""
    calling = asyncio.ensure_future(call)
    asked = asyncio.ensure_future(dialogue.asked.wait())
    try:
        await asyncio.wait({calling, asked}, return_when=asyncio.FIRST_COMPLETED)
        return await calling if calling.done() else None
    finally:
        for task in (calling, asked):
            task.cancel()
        await asyncio.gather(calling, asked, return_exceptions=True)


async def _heard(client: Client) -> None:
    """Returns once the server has received the cancellation, which closing the connection earlier could lose."""
    with suppress(MCPError, TimeoutError):
        async with asyncio.timeout(ALIVE_S):
            await client.session.send_request(PingRequest(), EmptyResult)


async def _ask(
    client: Client,
    tool: str,
    args: dict[str, JsonValue],
    responses: InputResponses | None,
    state: str | None,
) -> CallToolResult | InputRequiredResult:
    progress = _progress()

    params = CallToolRequestParams(name=tool, arguments=args, input_responses=responses, request_state=state)

    async def call() -> CallToolResult | InputRequiredResult:
        # Not `call_tool`: it lists the tools again after each call, and that may fail when the call did not.
        return await client.session.send_request(CallToolRequest(params=params), _GIVEN, progress_callback=progress)

    try:
        return await call()
    except MCPError as error:
        # Before 2026-07-28, servers gave the code whatever meaning they liked, and the call may have run.
        if error.code != HEADER_MISMATCH or client.session.discover_result is None:
            raise
    # The server requires some arguments in headers as well; its list of tools says which.
    await client.list_tools()
    return await call()


def _progress() -> ProgressFnT:
    # A kept connection reads in a task of its own, which is outside of the activity's context.
    here = copy_context()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        fraction = progress / total if total else None
        here.copy().run(activity.heartbeat, {"message": message, "fraction": fraction})

    return tell
