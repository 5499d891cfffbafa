"""Routes of sessions: create, list, snapshot, configure, limits, close, erase."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime
from starlette.responses import Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.openapi.answers import LimitsChanged, SessionCreated, SessionList, SessionNamed, Snapshot
from perdure.gateway.projections.snapshot_json import snapshot_json
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.transcripts import MOST_MESSAGES
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.requests import ConfigureSession, CreateSession, Label
from perdure.temporal.sessions.visibility import Status
from perdure.workflows.definition.agent import Limits

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=Door)


@router.post("", status_code=201, response_model=SessionCreated, responses={200: {"model": SessionCreated}})
async def create_session(body: CreateSession, app: App, caller: Caller) -> JSONResponse:
    """Starts a session. The same body with the same `session_id` again is answered alike, with 200."""
    created = await app.sessions.start(caller, body)
    answer = SessionCreated(session_id=created.session_id, workflow_id=created.workflow_id, seq=0).model_dump()
    return JSONResponse(answer, 201 if created.is_new else 200)


@router.get("", response_model=None, responses={200: {"model": SessionList}})
async def get_sessions(
    app: App,
    caller: Caller,
    agent: Annotated[Label | None, Query(description="Only sessions of this agent")] = None,
    status: Annotated[Status | None, Query(description="Only sessions in this status")] = None,
    user: Annotated[Label | None, Query(description="Only sessions of this user")] = None,
    active_after: Annotated[
        AwareDatetime | None,
        Query(description="Only sessions that were begun, or whose status changed, after this time (RFC 3339)"),
    ] = None,
    cursor: Annotated[str | None, Query(max_length=4096, description="The `next_cursor` of a page")] = None,
) -> dict[str, Any]:
    """Open sessions, the newest first, then closed ones. A new one may take a second to be listed."""
    return await app.sessions.list(
        caller, agent=agent, status=status, user=user, active_after=active_after, cursor=cursor
    )


@router.get("/{session_id}", response_model=None, responses={200: {"model": Snapshot}})
async def get_session(
    session_id: SessionPath,
    app: App,
    caller: Caller,
    messages: Annotated[
        int | None, Query(ge=0, le=MOST_MESSAGES, description="Only this many messages, the last ones")
    ] = None,
) -> Response:
    """The whole session, or the session with its last messages.

    `before` then says how many messages come before those, and `since` is the cursor from which events tell them."""
    snapshot = await app.sessions.open(caller, session_id).snapshot(messages)
    return Response(to_json(snapshot_json(snapshot)), media_type="application/json")


@router.patch("/{session_id}", response_model=SessionNamed)
async def configure_session(session_id: SessionPath, body: ConfigureSession, app: App, caller: Caller) -> JSONResponse:
    """Changes what is given; it holds from the session's next step (`model`) or turn (`digest`) on."""
    await app.sessions.open(caller, session_id).configure(body)
    return JSONResponse({"session_id": session_id})


@router.patch("/{session_id}/limits", response_model=LimitsChanged)
async def change_limits(session_id: SessionPath, body: Limits, app: App, caller: Caller) -> JSONResponse:
    """Limits in the shape of the definition's; what is left out stays as it is, and null lifts a cap. The answer has all
    that hold then."""
    limits = await app.sessions.open(caller, session_id).limit(body)
    return JSONResponse({"session_id": session_id, "limits": limits.model_dump(mode="json")})


@router.delete("/{session_id}", status_code=202, response_model=SessionNamed, responses={200: {"model": SessionNamed}})
async def close_session(
    session_id: SessionPath,
    app: App,
    caller: Caller,
    erase: Annotated[
        Literal["true", "false"], Query(description="Also delete its histories and blobs, for good")
    ] = "false",
) -> JSONResponse:
    """Closes the session: its turn is stopped, its last event is `session.closed`. Again: 200.

    Erasing waits until all is deleted (200; 202 where Temporal is still at it), and can be repeated."""
    session = app.sessions.open(caller, session_id)
    goes_on = not (await session.erase()).complete if erase == "true" else await session.close()
    return JSONResponse({"session_id": session_id}, 202 if goes_on else 200)
