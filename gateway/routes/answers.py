"""The route of answers: approvals, results of client tools, and what else a session asks."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.openapi.answers import QuestionAnswered
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.requests import AnswerBody

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["questions"], route_class=Door)


@router.post("/answers", status_code=202, response_model=QuestionAnswered)
async def answer_question(session_id: SessionPath, body: AnswerBody, app: App, caller: Caller) -> JSONResponse:
    """Answers an open question; the first answer counts, and whoever comes later is told so (409).

    An approval takes `approved`, with `reason`, changed `args` and `remember` if wanted. What a client tool or a
    handler asks takes `result`, or `approved: false` where there will be none."""
    seq = await app.sessions.open(caller, session_id).answer(body)
    return JSONResponse({"session_id": session_id, "question_id": body.question_id, "seq": seq}, 202)
