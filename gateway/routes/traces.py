"""The route of the trace: for every step exactly what the model was given, what it answered, and what its tools did."""

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.http.problems import Problem, invalid
from perdure.gateway.openapi.traces import Trace
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.errors import FieldError

#: Bytes of JSON after which a page ends: each step with its prompt shows its whole conversation.
PAGE_BYTES: Final = 8 * 1024 * 1024

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["trace"], route_class=Door)


@router.get("/trace", response_model=None, responses={200: {"model": Trace}})
async def get_trace(
    session_id: SessionPath,
    app: App,
    caller: Caller,
    after: Annotated[
        int | None, Query(ge=0, le=2**31, description="Steps to leave out: the `next_cursor` of a page. Default: 0")
    ] = None,
    before: Annotated[
        int | None,
        Query(
            ge=0, le=2**31, description="Only steps before this number, the last ones: the `previous_cursor` of a page"
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    step: Annotated[str | None, Query(max_length=100, description="Only this step")] = None,
    prompts: Annotated[
        bool, Query(description="`false`: `prompt` and `request` are null, so that a page of many steps is small")
    ] = True,
) -> Response:
    """Steps in order, a page at a time: from the first on, or, with `before`, from the last one back."""
    if after is not None and before is not None:
        both = "after and before do not go together; give one of them"
        raise Problem("validation", both, errors=[FieldError(name, both) for name in ("after", "before")])
    session = app.sessions.open(caller, session_id)
    trace = session.trace()
    if step is not None:
        found = await session.step(step)
        if found is None:
            raise invalid("step", "is no step that this session keeps")
        return _answer([await trace.step_json(found, with_prompt=prompts)], None)
    shown: list[bytes] = []
    size = 0
    if before is not None:
        start, steps = await session.last_steps(before, limit)
        for one in reversed(steps):
            if size > PAGE_BYTES:
                break
            shown.insert(0, await trace.step_json(one, with_prompt=prompts))
            size += len(shown[0])
        return _answer(shown, None, previous=start + len(steps) - len(shown))
    start = after or 0
    async for one in session.steps(start):
        if len(shown) >= limit or size > PAGE_BYTES:
            return _answer(shown, start + len(shown))
        shown.append(await trace.step_json(one, with_prompt=prompts))
        size += len(shown[-1])
    return _answer(shown, None)


def _answer(steps: list[bytes], next_cursor: int | None, *, previous: int = 0) -> Response:
    body: dict[str, Any] = {"steps": [orjson.Fragment(step) for step in steps], "next_cursor": next_cursor}
    if previous:
        body["previous_cursor"] = previous
    return Response(orjson.dumps(body), media_type="application/json")
