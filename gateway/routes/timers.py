"""Routes of timers: those that a session has set for itself, and the way to cancel one."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.openapi.answers import SessionNamed, TimerList
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door

router = APIRouter(prefix="/v1/sessions/{session_id}/timers", tags=["timers"], route_class=Door)


@router.get("", response_model=None, responses={200: {"model": TimerList}})
async def list_timers(session_id: SessionPath, app: App, caller: Caller) -> dict[str, Any]:
    """Timers that have not fired: `{timers: [{timer_id, at, note}]}`, in the order in which they were set."""
    page = await app.sessions.open(caller, session_id).timers()
    return {
        "timers": [
            {"timer_id": timer.timer_id, "at": timer.due.isoformat(), "note": timer.note} for timer in page.timers
        ]
    }


@router.delete("/{timer_id}", status_code=202, response_model=SessionNamed)
async def cancel_timer(
    session_id: SessionPath, timer_id: Annotated[str, Path(max_length=300)], app: App, caller: Caller
) -> JSONResponse:
    """Cancels a timer: it will not fire."""
    await app.sessions.open(caller, session_id).cancel_timer(timer_id)
    return JSONResponse({"session_id": session_id}, 202)
