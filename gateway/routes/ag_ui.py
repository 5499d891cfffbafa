"""The routes of AG-UI: runs of an agent, with a session behind each thread. A thread's id is its session's."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from perdure.gateway.http.ag_ui_body import RunAgentInput
from perdure.gateway.http.sse import EventStreamResponse
from perdure.gateway.http.stream_place import StreamPlace, stream_place
from perdure.gateway.routes.ag_ui_threads import Thread
from perdure.gateway.routes.context import App, Caller, Gateway, Known, StillKnown
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import SessionId

router = APIRouter(prefix="/v1/ag-ui/{agent}", tags=["AG-UI"], route_class=Door)

AgentPath = Annotated[str, Path(max_length=64, description="The agent's name")]
ThreadPath = Annotated[SessionId, Path(description="The thread's id, which is the session's")]

_EVENTS: Final[dict[str, Any]] = {
    "text/event-stream": {
        "itemSchema": {"type": "object", "description": "events of AG-UI 1.0, each the `data` of a frame"}
    }
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The run's events, from `RUN_STARTED` to `RUN_FINISHED` or `RUN_ERROR`", "content": _EVENTS}
}


@router.post("", response_class=Response, responses=_STREAM)
async def run_agent(agent: AgentPath, body: RunAgentInput, app: App, caller: Caller, known: StillKnown) -> Response:
    """A run, as AG-UI's clients ask for it. The user's last message starts the session where there is none, and is sent once
    however often it comes.

    `resume` answers open interrupts, and messages of the role `tool` give the results of client tools. A run that cannot
    begin with what its client has is begun with all messages (`MESSAGES_SNAPSHOT`)."""
    thread = Thread(app, caller, agent, body.threadId)
    async with stream_place(app.limits, caller) as place:
        return _stream(app, caller, known, place, await thread.run(body))


@router.get("/{thread_id}/events", response_class=Response, responses=_STREAM)
async def follow_thread(
    agent: AgentPath, thread_id: ThreadPath, app: App, caller: Caller, known: StillKnown
) -> Response:
    """The run that goes on, or the last one, for a client that lost its stream or comes anew: all messages, then what follows
    live. Its `runId` is that of the request which began it."""
    thread = Thread(app, caller, agent, thread_id)
    async with stream_place(app.limits, caller) as place:
        return _stream(app, caller, known, place, await thread.follow())


def _stream(
    app: Gateway, caller: Principal, known: Known | None, place: StreamPlace, frames: AsyncIterator[bytes]
) -> Response:
    return EventStreamResponse(
        frames,
        keepalive_s=app.settings.keepalive_s,
        closed=place.hand_over(),
        until=caller.expires_at,
        known=known,
    )
