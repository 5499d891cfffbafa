"""The route of a session's messages, a page at a time, from its end to its beginning."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.openapi.answers import MessagePage
from perdure.gateway.projections.snapshot_json import excerpt_json, said_json
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.json_bytes import to_json

#: Messages of one page.
MOST_MESSAGES: Final = 1000

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["messages"], route_class=Door)


@router.get("/messages", response_model=None, responses={200: {"model": MessagePage}})
async def get_messages(
    session_id: SessionPath,
    app: App,
    caller: Caller,
    before: Annotated[
        int | None, Query(ge=0, le=2**31, description="Messages before this position: the `before` of a page")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_MESSAGES)] = 100,
) -> Response:
    """Messages of the current branch, oldest first: the last ones, or those before a position."""
    excerpt, messages = await app.sessions.open(caller, session_id).messages(before, limit)
    body = {
        "session_id": session_id,
        "messages": said_json(messages),
        **excerpt_json(excerpt),
    }
    return Response(to_json(body), media_type="application/json")
