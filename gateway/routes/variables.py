"""The route of session variables: what a session remembers by the names that its agent's definition gives."""

from fastapi import APIRouter
from starlette.responses import Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.openapi.variable_answers import VariableValues
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.json_bytes import to_json

router = APIRouter(prefix="/v1/sessions/{session_id}/variables", tags=["sessions"], route_class=Door)


@router.get("", response_model=None, responses={200: {"model": VariableValues}})
async def get_variables(session_id: SessionPath, app: App, caller: Caller) -> Response:
    """The session's variables, as handlers have set them, else with their defaults; empty where the agent declares none, and
    until the session has loaded its definition."""
    values = await app.sessions.open(caller, session_id).variables()
    return Response(to_json({"variables": values}), media_type="application/json")
