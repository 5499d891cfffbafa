"""Routes of runs: an agent without a chat, run once for its result."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import JSONResponse, Response

from perdure.gateway.http.stream_place import stream_place
from perdure.gateway.openapi.run_answers import RunShown, RunStarted
from perdure.gateway.routes.context import App, Caller, Gateway
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.event_json import question_json
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import RunAgent, SessionId
from perdure.temporal.sessions.worker_runs import RunState

MAX_WAIT_S: Final = 300

router = APIRouter(prefix="/v1/runs", tags=["runs"], route_class=Door)

RunPath = Annotated[SessionId, Path(description="The run's id")]


@router.post(
    "",
    status_code=202,
    response_model=RunStarted,
    responses={200: {"model": RunStarted}},
)
async def run_agent(body: RunAgent, app: App, caller: Caller) -> JSONResponse:
    """Runs an agent once. The same body with the same `idempotency_key` again is answered alike, with 200; another body: 409.

    The run is a session that closes by itself once its agent has answered."""
    started = await app.sessions.run(caller, body)
    answer = RunStarted(run_id=started.run_id, session_id=started.run_id, workflow_id=started.workflow_id)
    return JSONResponse(answer.model_dump(), 202 if started.is_new else 200)


@router.get("/{run_id}", response_model=None, responses={200: {"model": RunShown}})
async def get_run(
    run_id: RunPath,
    app: App,
    caller: Caller,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait for its end")] = 0,
) -> Response:
    """What has become of a run, at once or as soon as it is over."""
    async with stream_place(app.limits, caller, wanted=bool(wait)):
        state = await _state(app, caller, run_id, wait)
    return Response(to_json({"run_id": run_id, "session_id": run_id, **_shown(state)}), media_type="application/json")


async def _state(app: Gateway, caller: Principal, run_id: str, wait: float) -> RunState:
    """What has become of the run at its end, or after `wait` seconds, or as soon as this process stops."""
    if not wait:
        return await app.sessions.run_state(caller, run_id)
    ended = asyncio.create_task(app.sessions.run_state(caller, run_id, wait))
    stopped = asyncio.create_task(app.watches.until_cut())
    try:
        await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
        return ended.result() if ended.done() else await app.sessions.run_state(caller, run_id)
    finally:
        ended.cancel()
        stopped.cancel()


def _shown(state: RunState) -> dict[str, Any]:
    if state.answer is not None:
        books = {"usage": state.answer.usage.model_dump(mode="json"), "cost_usd": state.answer.cost_usd}
        if state.error is not None:
            return {"status": "failed", "error": state.error.model_dump(mode="json"), **books}
        return {"status": "done", "result": state.result, **books}
    page = state.page
    assert page is not None
    books = {"usage": page.usage.model_dump(mode="json"), "cost_usd": page.cost_usd}
    if state.questions:
        return {"status": "waiting", **books, "questions": [question_json(one) for one in state.questions]}
    return {"status": "working", **books}
