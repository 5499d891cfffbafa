"""Routes of messages: send one, wait for its turn or stream it, stop a turn."""

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse
from starlette.responses import Response

from perdure.gateway.http.bodies import SessionPath, StopTurn
from perdure.gateway.http.sse import EventStreamResponse
from perdure.gateway.http.stream_place import stream_place
from perdure.gateway.live.worker_state import worker_frames
from perdure.gateway.openapi.answers import FinishedTurn, MessageAccepted, MessageWaits, SessionNamed
from perdure.gateway.openapi.event_stream import EVENT_STREAM
from perdure.gateway.projections.frames import frames_of
from perdure.gateway.projections.snapshot_json import sub_question_json
from perdure.gateway.routes.context import App, Caller, StillKnown
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.sent_turn import SentTurn, WaitingFor
from perdure.temporal.sessions.event_json import question_json
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.requests import MessageBody
from perdure.temporal.sessions.sending import rejection

MAX_WAIT_S: Final = 300

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["messages"], route_class=Door)


@router.post(
    "/messages",
    status_code=202,
    response_model=MessageAccepted,
    responses={200: {"model": FinishedTurn | MessageWaits, "content": EVENT_STREAM}},
)
async def send_message(
    session_id: SessionPath,
    body: MessageBody,
    app: App,
    caller: Caller,
    known: StillKnown,
    accept: Annotated[str, Header()] = "",
    wait: Annotated[float | None, Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait for the turn")] = None,
) -> Response:
    """Sends a message. With `Accept: text/event-stream` the answer is the stream of its turn; with `wait`, the finished
    turn as JSON, or the open questions as soon as the session waits for a person (200), or 202 where it takes longer."""
    streams = "text/event-stream" in accept.lower()
    session = app.sessions.open(caller, session_id)
    async with stream_place(app.limits, caller, wanted=streams or bool(wait)) as place:
        if streams or wait is not None:
            await session.check("read")
        parts, receipt = body.neutral_parts(), partial(app.watches.take_receipt, session.workflow_id)
        sent = await session.send(parts, body.message_id, known=receipt, model=body.model, busy=body.busy)
        turn = SentTurn(app.watches, session, sent)
        if streams:
            return EventStreamResponse(
                frames_of(turn.items()),
                keepalive_s=app.settings.keepalive_s,
                closed=place.hand_over(),
                until=caller.expires_at,
                known=known,
                beside=worker_frames(app.missing),
            )
    answer: dict[str, Any] = {"session_id": session_id, "message_id": sent.message_id, "seq": sent.cursor}
    if wait is not None:
        record, waiting_for = await turn.wait(wait)
        if record.rejected is not None:
            raise rejection(record.rejected)
        if record.turn is not None:
            finished = to_json({**answer, "turn": record.turn, "messages": record.messages})
            return Response(finished, media_type="application/json")
        if waiting_for is not None:
            ahead = {} if sent.position is None else {"position": sent.position}
            waits = to_json({**answer, "status": "waiting", **ahead, **_waiting_json(waiting_for)})
            return Response(waits, media_type="application/json")
    answer["status"] = sent.status
    if sent.position is not None:
        answer["position"] = sent.position
    if sent.questions or sent.sub_questions:
        below = map(sub_question_json, sent.sub_questions)
        answer["waiting_for"] = [*map(question_json, sent.questions), *below]
    return Response(to_json(answer), 202, media_type="application/json")


@router.post("/stop", status_code=202, response_model=SessionNamed)
async def stop_turn(session_id: SessionPath, app: App, caller: Caller, body: StopTurn | None = None) -> JSONResponse:
    """Stops the turn that runs and keeps the session; does nothing where none runs."""
    await app.sessions.open(caller, session_id).stop(body.turn_id if body is not None else None)
    return JSONResponse({"session_id": session_id}, 202)


def _waiting_json(waiting_for: WaitingFor) -> dict[str, Any]:
    questions = {"questions": [question_json(question) for question in waiting_for.questions]}
    if not waiting_for.sub_questions:
        return questions
    return {**questions, "sub_questions": [sub_question_json(one) for one in waiting_for.sub_questions]}
