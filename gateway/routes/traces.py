"""The route of the trace: for every step exactly what the model was given, what it answered, and what its tools did."""

from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.http.problems import invalid
from perdure.gateway.openapi.traces import Trace
from perdure.gateway.routes.context import App, Caller

#: Bytes of JSON after which a page ends: each step shows its whole conversation.
PAGE_BYTES: Final = 8 * 1024 * 1024

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["trace"])


@router.get("/trace", response_model=None, responses={200: {"model": Trace}})
async def get_trace(
    session_id: SessionPath,
    app: App,
    caller: Caller,
    after: Annotated[int, Query(ge=0, le=2**31, description="Steps to leave out: the `next_cursor` of a page")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    step: Annotated[str | None, Query(max_length=100, description="Only this step")] = None,
) -> Response:
    """Steps in order, a page at a time: `{steps, next_cursor}`."""
    session = app.sessions.open(caller, session_id)
    trace = session.trace()
    if step is not None:
        found = await session.step(step)
        if found is None:
            raise invalid("step", "is no step that this session keeps")
        return _answer([await trace.step_json(found)], None)
    shown: list[bytes] = []
    size = 0
    async for one in session.steps(after):
        if len(shown) >= limit or size > PAGE_BYTES:
            return _answer(shown, after + len(shown))
        shown.append(await trace.step_json(one))
        size += len(shown[-1])
    return _answer(shown, None)


def _answer(steps: list[bytes], next_cursor: int | None) -> Response:
    body = {"steps": [orjson.Fragment(step) for step in steps], "next_cursor": next_cursor}
    return Response(orjson.dumps(body), media_type="application/json")
