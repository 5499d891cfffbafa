"""The route of forks: a new session that shares the past of another up to one of its turns."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.openapi.answers import SessionCreated
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.requests import ForkSession

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["sessions"], route_class=Door)


@router.post("/fork", status_code=201, response_model=SessionCreated)
async def fork_session(session_id: SessionPath, body: ForkSession, app: App, caller: Caller) -> JSONResponse:
    """Starts a new session with the past of this one up to the end of `turn_id`.

    With `text`, the past ends before that turn, and `text` is sent in the place of its message. Usage and cost of the
    new session begin at zero."""
    forked = await app.sessions.open(caller, session_id).fork(body)
    made = SessionCreated(session_id=forked.session_id, workflow_id=forked.workflow_id, seq=forked.seq)
    return JSONResponse(made.model_dump(), 201)
