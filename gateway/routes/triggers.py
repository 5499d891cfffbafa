"""The route of triggers: a handler of the agent's is carried out because somebody asks for it by its name; events, too."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.openapi.trigger_answers import HandlerTriggered
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.requests import TriggerBody

router = APIRouter(prefix="/v1/sessions/{session_id}/triggers", tags=["triggers"], route_class=Door)


@router.post("/{name}", status_code=202, response_model=HandlerTriggered)
async def trigger_handler(
    session_id: SessionPath,
    name: Annotated[str, Path(max_length=64, description="The handler or event, as the agent's definition calls it")],
    app: App,
    caller: Caller,
    body: TriggerBody | None = None,
) -> JSONResponse:
    """Carries out a handler of the session's agent, in a turn of its own (`turn.started` with its `trigger_id`), behind what
    runs and waits already. An event begins no turn: the handler that waits for it goes on with it (`turn.started` with its
    `trigger_id`), and until one does, it is kept. The same `trigger_id` again does nothing and is answered alike."""
    sent = await app.sessions.open(caller, session_id).trigger(name, body or TriggerBody())
    answer: dict[str, Any] = {"session_id": session_id, "trigger_id": sent.trigger_id, "seq": sent.cursor}
    if sent.position is not None:
        answer["position"] = sent.position
    return JSONResponse(answer, 202)
