"""Routes of messages that wait for their turn: edit one, withdraw one."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from perdure.gateway.http.bodies import MessagePath, SessionPath
from perdure.gateway.openapi.answers import MessageEdited, MessageNamed
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.requests import EditMessageBody

router = APIRouter(prefix="/v1/sessions/{session_id}/messages/{message_id}", tags=["messages"], route_class=Door)


@router.put("", response_model=MessageEdited)
async def edit_message(
    session_id: SessionPath, message_id: MessagePath, body: EditMessageBody, app: App, caller: Caller
) -> JSONResponse:
    """Replaces the content of a queued message. 409 once its turn has begun."""
    position = await app.sessions.open(caller, session_id).edit(message_id, body.neutral_parts())
    place = {} if position is None else {"position": position}
    return JSONResponse({"session_id": session_id, "message_id": message_id, **place})


@router.delete("", response_model=MessageNamed)
async def withdraw_message(session_id: SessionPath, message_id: MessagePath, app: App, caller: Caller) -> JSONResponse:
    """Withdraws a queued message; doing so again changes nothing. 409 once its turn has begun."""
    await app.sessions.open(caller, session_id).withdraw(message_id)
    return JSONResponse({"session_id": session_id, "message_id": message_id})
