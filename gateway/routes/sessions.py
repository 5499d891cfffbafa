"""Routes of sessions: create, list, snapshot, configure, limits, close, erase.

Creating is a plain start of a workflow: Temporal itself refuses the second of two, also of two at the same moment, and the
sha256 of the body in the memo tells a repeat from another create.
"""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from starlette.responses import Response

from perdure.gateway.backend.starting import first_message, launch, title_of
from perdure.gateway.backend.visibility import Status
from perdure.gateway.http.auth import Principal
from perdure.gateway.http.bodies import (
    ConfigureSession,
    CreateSession,
    Label,
    SessionPath,
)
from perdure.gateway.http.json_bytes import to_json
from perdure.gateway.http.problems import Problem, invalid
from perdure.gateway.http.strict_json import StrictRoute
from perdure.gateway.openapi.answers import SessionCreated, SessionList, SessionNamed, Snapshot
from perdure.gateway.routes.context import By, Gateway, Here
from perdure.gateway.routes.session_list import list_sessions
from perdure.gateway.routes.snapshots import snapshot_json
from perdure.temporal.definitions.store import InputProblem, check_inputs
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.definition.agent import AgentDefinition, Limits
from perdure.workflows.protocol.commands import Configure, NewSession, PageRequest, SnapshotPage
from perdure.workflows.session import SessionWorkflow

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=StrictRoute)


@router.post("", status_code=201, response_model=SessionCreated, responses={200: {"model": SessionCreated}})
async def create_session(body: CreateSession, gateway: Here, by: By) -> JSONResponse:
    """Starts a session. The same body with the same `session_id` again is answered alike, with 200."""
    session_id = body.session_id or uuid.uuid4().hex
    workflow_id = by.workflow_id(session_id)
    answer = SessionCreated(session_id=session_id, workflow_id=workflow_id, seq=0).model_dump()
    try:
        if await _start(gateway, by, body, session_id):
            return JSONResponse(answer, 201)
    except Problem as refused:
        # What could be created yesterday is answered as it was, even where its agent has changed since.
        if refused.code == "validation" and await gateway.backend.body_sha256(workflow_id) == body.sha256():
            return JSONResponse(answer, 200)
        raise
    if await gateway.backend.body_sha256(workflow_id) != body.sha256():
        raise Problem("id_conflict", f"The session {session_id} exists and was created with another body.")
    return JSONResponse(answer, 200)


@router.get("", response_model=None, responses={200: {"model": SessionList}})
async def get_sessions(
    gateway: Here,
    by: By,
    agent: Annotated[Label | None, Query(description="Only sessions of this agent")] = None,
    status: Annotated[Status | None, Query(description="Only sessions in this status")] = None,
    user: Annotated[Label | None, Query(description="Only sessions of this user")] = None,
    cursor: Annotated[str | None, Query(max_length=4096, description="The `next_cursor` of a page")] = None,
) -> dict[str, Any]:
    """Open sessions, the newest first, then closed ones. A new one may take a second to be listed."""
    return await list_sessions(gateway.backend, by, agent=agent, status=status, user=user, cursor=cursor)


@router.get("/{session_id}", response_model=None, responses={200: {"model": Snapshot}})
async def get_session(session_id: SessionPath, gateway: Here, by: By) -> Response:
    """The session in whole."""
    snapshot = await snapshot_json(gateway.backend, gateway.blobs, by.workflow_id(session_id))
    return Response(to_json(snapshot), media_type="application/json")


@router.patch("/{session_id}", response_model=SessionNamed)
async def configure_session(session_id: SessionPath, body: ConfigureSession, gateway: Here, by: By) -> JSONResponse:
    """Changes what is given; it holds from the session's next step (`model`) or turn (`digest`) on."""
    session = by.workflow_id(session_id)
    page = await _open_session(gateway, session)
    definition = await _definition(gateway, page, body.digest)
    if body.model is not None and (definition is None or body.model not in definition.models):
        known = ", ".join(definition.models) if definition else "unknown"
        raise invalid("model", f"is not a model of {page.agent}; its models are: {known}")
    if body.model_fields_set:
        command = Configure(id=uuid.uuid4().hex, model=body.model, metadata=body.metadata, digest=body.digest)
        await gateway.backend.signal(session, command)
        gateway.live.poke(session)
    return JSONResponse({"session_id": session_id})


@router.patch("/{session_id}/limits", response_model=SessionNamed)
async def change_limits(session_id: SessionPath, body: Limits, gateway: Here, by: By) -> JSONResponse:
    """Limits in the shape of the definition's; what is left out stays as it is, and null lifts a cap."""
    session = by.workflow_id(session_id)
    page = await _open_session(gateway, session)
    limits = page.limits
    if page.use is None and (definition := await _definition(gateway, page, None)) is not None:
        # The session has not loaded its definition yet, so it does not know the limits that it will have.
        limits = definition.limits
    changes = body.model_dump(mode="json", exclude_unset=True)
    merged = {part: {**whole, **changes.get(part, {})} for part, whole in limits.model_dump(mode="json").items()}
    command = Configure(id=uuid.uuid4().hex, limits=Limits.model_validate(merged))
    await gateway.backend.signal(session, command)
    gateway.live.poke(session)
    return JSONResponse({"session_id": session_id})


@router.delete("/{session_id}", status_code=202, response_model=SessionNamed, responses={200: {"model": SessionNamed}})
async def close_session(
    session_id: SessionPath,
    gateway: Here,
    by: By,
    erase: Annotated[
        Literal["true", "false"], Query(description="Also delete its histories and blobs, for good")
    ] = "false",
) -> JSONResponse:
    """Closes the session: its turn is stopped, its last event is `session.closed`. Again: 200.

    Erasing waits until all is deleted (200; 202 where Temporal is still at it), and can be repeated."""
    session = by.workflow_id(session_id)

    def closing() -> None:
        # The model call hears it at once, not at its next heartbeat.
        gateway.live.stop(session)
        gateway.live.poke(session)

    if erase == "true":
        erased = await gateway.eraser.erase(session, closing=closing)
        # Whoever still looks on is told now.
        gateway.live.poke(session)
        return JSONResponse({"session_id": session_id}, 200 if erased.complete else 202)
    if not await gateway.backend.close(session):
        return JSONResponse({"session_id": session_id}, 200)
    closing()
    return JSONResponse({"session_id": session_id}, 202)


async def _start(gateway: Gateway, by: Principal, body: CreateSession, session_id: str) -> bool:
    """False where a session with this id exists. Raises Problem where the agent does not take what it is given."""
    agent = gateway.definitions.current(body.agent)
    if agent is None:
        names = ", ".join(gateway.definitions.names()) or "none"
        raise invalid("agent", f"is not known; there are: {names}")
    try:
        inputs = check_inputs(agent.definition, body.inputs)
    except InputProblem as problem:
        raise invalid(f"inputs.{problem.field}", problem.message) from None
    session = by.workflow_id(session_id)
    message, title = None, ""
    if body.message is not None:
        parts = body.message.neutral_parts()
        title = title_of(parts)
        message = await first_message(gateway.blobs, session, parts, agent.digest, body.message.message_id)
    new = NewSession(
        tenant=by.tenant,
        session_id=session_id,
        agent=agent.definition.name,
        digest=agent.digest,
        inputs=inputs,
        user=by.user or body.user,
        metadata=body.metadata,
        message=message,
        continue_as_new_after=gateway.settings.continue_as_new_after,
    )
    return await launch(
        gateway.backend,
        session,
        SessionInput(new=new),
        digest=agent.digest,
        title=title,
        demo=agent.demo,
        body_sha256=body.sha256(),
    )


async def _open_session(gateway: Gateway, session: str) -> SnapshotPage:
    # Only the facts are wanted: a page that begins after any message holds none.
    request = PageRequest(after=2**31, until=0)
    page = await gateway.backend.query(session, SessionWorkflow.snapshot, request)
    if page.status == "closed":
        raise Problem("session_closed")
    return page


async def _definition(gateway: Gateway, page: SnapshotPage, digest: str | None) -> AgentDefinition | None:
    """The definition that the session runs, or will run with `digest`. Raises Problem where that is none of its agent's."""
    definition = await gateway.definitions.by_digest(digest or page.digest)
    if digest is not None and (definition is None or definition.name != page.agent):
        raise invalid("digest", f"is of no definition of {page.agent}")
    return definition
