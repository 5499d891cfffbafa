"""The route of a session's event stream.

Rule: whether the session exists is asked of Temporal alone, so the stream begins at once whatever its worker does, and
waits for the worker while it is open. Only a closed session's worker is asked first, and not for long.
"""

import asyncio
import re
from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.http.problems import invalid
from perdure.gateway.http.sse import EventStreamResponse
from perdure.gateway.http.stream_place import stream_place
from perdure.gateway.live.worker_state import worker_frames
from perdure.gateway.openapi.event_stream import EVENT_STREAM
from perdure.gateway.projections.frames import frames_of
from perdure.gateway.routes.context import App, Caller, StillKnown
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.errors import SessionError, SessionNotFound
from perdure.temporal.sessions.session import Session

_CURSOR: Final = re.compile(r"[0-9]{1,15}")
#: Seconds that a closed session has to say whether it has more; a stream that finds nothing ends by itself.
_CLOSED_S: Final = 1.0
_PREFERRED_S: Final = 1.0

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["events"], route_class=Door)


@router.get(
    "/events",
    response_class=Response,
    responses={200: {"content": EVENT_STREAM}, 204: {"description": "All was sent"}},
)
async def get_events(
    session_id: SessionPath,
    app: App,
    caller: Caller,
    known: StillKnown,
    after: Annotated[str | None, Query(description="A `seq`; the events greater than it follow")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The session's events as server-sent events, from the cursor (`Last-Event-ID`, else `after`) or the start on."""
    # A browser that reconnects sends the header, and still the address that it began with.
    name, given = ("after", after) if last_event_id is None else ("Last-Event-ID", last_event_id)
    cursor = None if given is None else _cursor(name, given)
    session = app.sessions.open(caller, session_id)
    async with stream_place(app.limits, caller) as place:
        look = await session.look()
        if look.ended and cursor and await _has_all(session, cursor):
            return Response(status_code=204)
        if not (look.ended or look.watched):
            # A session that is not preferred is only slower.
            with suppress(SessionError, TimeoutError):
                async with asyncio.timeout(_PREFERRED_S):
                    await session.prefer()
        frames = frames_of(app.watches.follow(session.workflow_id, cursor, patient=True))
        return EventStreamResponse(
            frames,
            keepalive_s=app.settings.keepalive_s,
            closed=place.hand_over(),
            until=caller.expires_at,
            known=known,
            beside=worker_frames(app.missing),
        )


async def _has_all(session: Session, cursor: int) -> bool:
    """Whether a closed session's last event is the one at the cursor; False where no worker says so in time."""
    try:
        async with asyncio.timeout(_CLOSED_S):
            receipt = await session.receipt()
    except SessionNotFound:
        raise
    except (SessionError, TimeoutError):
        return False
    return receipt.status == "closed" and cursor == receipt.seq


def _cursor(name: str, given: str) -> int:
    if _CURSOR.fullmatch(given) is None:
        raise invalid(name, "is not the number of an event")
    return int(given)
