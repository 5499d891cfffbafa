"""The route of feedback: what people think of a session's turns."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.openapi.answers import FeedbackTaken
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.requests import FeedbackBody

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["messages"], route_class=Door)


@router.post("/feedback", status_code=202, response_model=FeedbackTaken)
async def give_feedback(session_id: SessionPath, body: FeedbackBody, app: App, caller: Caller) -> JSONResponse:
    """Keeps a score, and a text, on a turn that has begun. The latest on a turn counts, whoever gave it, and the same
    once more changes nothing. Viewers are told at once (`feedback.given`), and snapshots have the scores."""
    seq = await app.sessions.open(caller, session_id).give_feedback(body)
    return JSONResponse({"session_id": session_id, "turn_id": body.turn_id, "seq": seq}, 202)
