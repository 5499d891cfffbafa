"""Routes of rewinds: going back to a message or to an earlier branch, the branches, and continuing a turn."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from starlette.responses import Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.openapi.branch_answers import BranchList, BranchMessages, RewindTaken, TurnRetried
from perdure.gateway.projections.snapshot_json import excerpt_json, said_json
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.transcripts import MOST_MESSAGES
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.requests import RetryTurn, RewindSession

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["branches"], route_class=Door)


@router.post("/rewind", status_code=202, response_model=RewindTaken)
async def rewind_session(session_id: SessionPath, body: RewindSession, app: App, caller: Caller) -> JSONResponse:
    """Goes back to an earlier message, on a new branch, or returns to an earlier branch.

    With `message_id`, that message and all later ones leave the conversation. A user's message is sent again, or replaced by
    `text` or `parts`; an answer of the model is given again. With `branch`, the conversation is as it was when that branch
    was left, and no turn begins.

    A running turn is stopped first. Queued messages keep waiting, and come after the turn that the rewind begins.
    Calls that leave, and whose tools have an `undo`, are taken back: the session first asks a person
    (`approval.requested` with `subject: rewind`), unless `undo` decides. `transcript.rewound` says when the rewind has
    happened, what was taken back, and what still stands."""
    rewound = await app.sessions.open(caller, session_id).rewind(body)
    answer: dict[str, Any] = {
        "session_id": session_id,
        "rewind_id": rewound.command_id,
        "seq": rewound.cursor,
        "branch": rewound.branch,
    }
    if rewound.message_id is not None:
        answer["message_id"] = rewound.message_id
    return JSONResponse(answer, 202)


@router.get("/branches", response_model=BranchList)
async def list_branches(session_id: SessionPath, app: App, caller: Caller) -> BranchList:
    """All branches of the session, the oldest first, and the places where they part from the current one."""
    page = await app.sessions.open(caller, session_id).branches()
    return BranchList.model_validate(
        {
            "session_id": session_id,
            "current": page.current,
            "branches": [line.model_dump() for line in page.branches],
            "places": [place.model_dump() for place in page.places],
        }
    )


@router.get("/branches/{branch}", response_model=None, responses={200: {"model": BranchMessages}})
async def get_branch(
    session_id: SessionPath,
    branch: Annotated[str, Path(max_length=20, description="The branch's id, such as `b2`")],
    app: App,
    caller: Caller,
    before: Annotated[
        int | None, Query(ge=0, le=2**31, description="Messages before this position: the `before` of a page")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_MESSAGES)] = MOST_MESSAGES,
) -> Response:
    """Messages of any branch, oldest first: the last ones, or those before a position."""
    excerpt, messages = await app.sessions.open(caller, session_id).branch(branch, before, limit)
    body = {
        "session_id": session_id,
        "branch": branch,
        "messages": said_json(messages),
        **excerpt_json(excerpt),
    }
    return Response(to_json(body), media_type="application/json")


@router.post("/retry", status_code=202, response_model=TurnRetried)
async def retry_turn(session_id: SessionPath, app: App, caller: Caller, body: RetryTurn | None = None) -> JSONResponse:
    """Continues the last turn, which failed or was stopped, in a new turn that does not repeat the user's message.

    Calls that have results are not made again. A partial answer leaves first (`transcript.rewound` with `cause: retry`)."""
    retried = await app.sessions.open(caller, session_id).retry(body or RetryTurn())
    answer = {
        "session_id": session_id,
        "retry_id": retried.command_id,
        "seq": retried.cursor,
        "branch": retried.branch,
        "turn_id": retried.turn_id,
    }
    return JSONResponse(answer, 202)
