"""The routes of Vercel's AI SDK: `useChat` with a session behind it. A chat's id is its session's."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse, Response

from perdure.gateway.http.ai_sdk_bodies import StopChat, UseChatRequest
from perdure.gateway.http.problems import Problem
from perdure.gateway.http.sse import EventStreamResponse
from perdure.gateway.http.stream_place import StreamPlace, stream_place
from perdure.gateway.openapi.ai_sdk_answers import CHUNKS, ChatMessage, ChatStopped
from perdure.gateway.projections import ai_sdk_chunks as chunks
from perdure.gateway.projections.ai_sdk_ids import read_answer_id, sub_question_id
from perdure.gateway.projections.ai_sdk_message import user_message
from perdure.gateway.projections.ai_sdk_transcript import Transcript
from perdure.gateway.projections.snapshot_json import sub_question_json
from perdure.gateway.routes.ai_sdk_chats import Chat
from perdure.gateway.routes.context import App, Caller, Gateway, Known, StillKnown
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.hydrate import whole_event
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import SessionId
from perdure.temporal.sessions.snapshot import SubQuestion

router = APIRouter(prefix="/v1/ai-sdk/{agent}", tags=["AI SDK"], route_class=Door)

AgentPath = Annotated[str, Path(max_length=64, description="The agent's name")]
ChatPath = Annotated[SessionId, Path(description="The chat's id, which is the session's")]

_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Chunks of the answer, up to its end, or until people have to answer", "content": CHUNKS}
}


@router.post("", response_class=Response, responses=_STREAM)
async def send_chat(agent: AgentPath, body: UseChatRequest, app: App, caller: Caller, known: StillKnown) -> Response:
    """What `useChat` sends, answered with the stream of the answer.

    A new message starts the session where there is none. A user's message whose id is `messageId` is edited, and
    `trigger: regenerate-message` has an answer given again: the conversation goes on from there on a new branch. An answer
    as the last message has its questions answered, and goes on."""
    chat = Chat(app, caller, agent, body.id)
    async with stream_place(app.limits, caller) as place:
        return _stream(app, caller, known, place, await chat.answer(body))


@router.get(
    "/{chat_id}/stream",
    response_class=Response,
    responses={**_STREAM, 204: {"description": "There is no answer yet"}},
)
async def resume_chat(agent: AgentPath, chat_id: ChatPath, app: App, caller: Caller, known: StillKnown) -> Response:
    """The whole answer that runs, or the last one, from its beginning; live from where it is."""
    chat = Chat(app, caller, agent, chat_id)
    async with stream_place(app.limits, caller) as place:
        frames = await chat.resumed()
        return Response(status_code=204) if frames is None else _stream(app, caller, known, place, frames)


@router.post("/{chat_id}/stop", response_model=ChatStopped)
async def stop_chat(
    agent: AgentPath, chat_id: ChatPath, app: App, caller: Caller, body: StopChat | None = None
) -> JSONResponse:
    """Stops the turn that runs. Where the body names another answer, nothing is stopped."""
    chat = Chat(app, caller, agent, chat_id)
    if await chat.receipt() is None:
        raise Problem("session_not_found")
    named = body.named if body is not None else None
    answer = read_answer_id(named) if named is not None else None
    # A message that has not begun to come bears an id of its client's. A stream's id is always ours, or another one's.
    if answer is not None or body is None or body.activeStreamId is None:
        await chat.session.stop(answer.turn_id if answer is not None else None)
    return JSONResponse({"success": True})


@router.get("/{chat_id}/messages", response_model=None, responses={200: {"model": list[ChatMessage]}})
async def load_chat(agent: AgentPath, chat_id: ChatPath, app: App, caller: Caller) -> Response:
    """The conversation for a page that is loaded, with the ids that its streams give: also an answer that is not complete,
    and messages that wait. A chat that has not begun is empty."""
    chat = Chat(app, caller, agent, chat_id)
    if await chat.receipt() is None:
        return JSONResponse([])
    now, transcript = await chat.session.snapshot(0), Transcript(chat_id)
    async for event in chat.session.all_events():
        transcript.add(await whole_event(event, app.blobs))
    messages = transcript.messages()
    if now.sub_questions and messages and messages[-1]["role"] == "assistant":
        messages[-1]["parts"] += map(_sub_question, now.sub_questions)
    # What waited before may have had its turn by now.
    there = {message["id"] for message in messages}
    queued = [user_message(one, chat_id) for one in now.page.queued]
    shown = [*messages, *(message for message in queued if message["id"] not in there)]
    return Response(to_json(shown), media_type="application/json")


def _sub_question(one: SubQuestion) -> dict[str, Any]:
    """What a sub-agent asks, as streams tell it too."""
    name = sub_question_id(one.session_id, one.question.question_id)
    return {"type": "data-question", "id": name, "data": {**sub_question_json(one), "state": "open"}}


def _stream(
    app: Gateway, caller: Principal, known: Known | None, place: StreamPlace, frames: AsyncIterator[bytes]
) -> Response:
    return EventStreamResponse(
        frames,
        keepalive_s=app.settings.keepalive_s,
        headers=chunks.HEADERS,
        closed=place.hand_over(),
        until=caller.expires_at,
        known=known,
    )
