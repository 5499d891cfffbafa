"""Routes of responses, for OpenAI's clients: a turn of a session as a response of the Responses API."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from perdure.gateway.http.openai_bodies import CreateResponse
from perdure.gateway.http.openai_input import read_input
from perdure.gateway.http.sse import EventStreamResponse
from perdure.gateway.http.stream_place import StreamPlace, stream_place
from perdure.gateway.openapi.openai_answers import REFUSALS, InputItems, ResponseObject
from perdure.gateway.projections.openai_frames import response_frames
from perdure.gateway.projections.openai_inputs import answer_items, message_item
from perdure.gateway.projections.openai_response import ResponseProjection
from perdure.gateway.routes.context import App, Caller, Gateway, StillKnown
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.messages import MAX_WAIT_S
from perdure.gateway.routes.openai_asking import Asking
from perdure.gateway.routes.openai_checks import check_parameters, serving_agent
from perdure.gateway.routes.response_turn import ResponseTurn, Settled
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.principal import Principal

#: Seconds that a cancel waits until the turn has stopped.
_STOPPED_S: Final = 30
#: How a route says that it may answer with a stream.
_STREAM: Final[dict[str, Any]] = {"text/event-stream": {"schema": {"type": "string"}}}

router = APIRouter(prefix="/v1/responses", tags=["responses"], route_class=Door, responses=REFUSALS)

ResponsePath = Annotated[str, Path(max_length=1000, description="The response's id")]


@router.post("", response_model=None, responses={200: {"model": ResponseObject, "content": _STREAM}})
async def create_response(
    body: CreateResponse,
    app: App,
    caller: Caller,
    known: StillKnown,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="The same key again: the same response")
    ] = None,
) -> Response:
    """Sends a message to an agent, or answers what it asks, and answers with the response: at its end, at once
    (`background`), or as a stream (`stream`).

    One that takes longer than 5 minutes is answered as it is then, `in_progress`, and goes on."""
    caller.need_act("read")
    agent = serving_agent(app, caller, body.model)
    given = read_input(body.input)
    check_parameters(body, agent.definition)
    async with stream_place(app.limits, caller, wanted=bool(body.stream) or not body.background) as place:
        turn = await Asking(app, caller, body, given, idempotency_key).begin()
        if body.stream:
            return _stream(app, caller, place, turn, -1, known)
        # What waits behind a question does not end by itself.
        waits = turn.sent.status == "waiting" and turn.sent.position is not None
        at_once = bool(body.background) or waits
        return _shown(await turn.at_once() if at_once else await turn.wait(MAX_WAIT_S))


@router.get("/{response_id}", response_model=None, responses={200: {"model": ResponseObject, "content": _STREAM}})
async def get_response(
    response_id: ResponsePath,
    app: App,
    caller: Caller,
    known: StillKnown,
    stream: Annotated[bool, Query(description="Answer with the events instead")] = False,
    starting_after: Annotated[
        int, Query(ge=-1, le=2**53, description="With `stream`: only the events with a greater `sequence_number`")
    ] = -1,
    include_obfuscation: Annotated[bool, Query(description="Of no effect")] = False,
) -> Response:
    """The response as it is now; with `stream`, its events from the start, or after a number, to its end.

    An event has the same number whenever it is sent, so whoever comes again after a number misses nothing and is sent
    nothing twice. The event that ends a response is always sent."""
    turn = await ResponseTurn.find(app, caller, response_id)
    if not stream:
        return _shown(await turn.now())
    async with stream_place(app.limits, caller) as place:
        await turn.now()
        return _stream(app, caller, place, turn, starting_after, known)


@router.post("/{response_id}/cancel", response_model=None, responses={200: {"model": ResponseObject}})
async def cancel_response(response_id: ResponsePath, app: App, caller: Caller) -> Response:
    """Stops the turn, or withdraws a message that waits, and answers with the response. One that is over stays as it is."""
    turn = await ResponseTurn.find(app, caller, response_id)
    before = await turn.now()
    if before.over:
        return _shown(before)
    if before.message is None:
        await turn.session.withdraw(turn.id.message_id)
        return _shown(await turn.now())
    await turn.session.stop(before.turn_id)
    return _shown(await turn.wait(_STOPPED_S))


@router.get("/{response_id}/input_items", response_model=None, responses={200: {"model": InputItems}})
async def get_input_items(
    response_id: ResponsePath,
    app: App,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
) -> Response:
    """The message, or the answers, to which it is the response."""
    turn = await ResponseTurn.find(app, caller, response_id)
    mark, settled = turn.id.mark, Settled(turn.id.message_id)
    if turn.id.part == 0:
        message = (await turn.now()).message
        items = [] if message is None else [message_item(mark, message)]
    else:
        await turn.now()
        asked = (await turn.before().now(settled)).asked
        items = answer_items(mark, asked, settled.answers, settled.results)
    items = (items if order == "asc" else items[::-1])[:limit]
    ids = [item["id"] for item in items]
    shown = {"object": "list", "data": items, "first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return Response(to_json({**shown, "has_more": False}), media_type="application/json")


def _shown(projection: ResponseProjection) -> Response:
    return Response(to_json(projection.response), media_type="application/json")


def _stream(
    app: Gateway, caller: Principal, place: StreamPlace, turn: ResponseTurn, after: int, known: StillKnown
) -> Response:
    return EventStreamResponse(
        response_frames(turn.events(after)),
        keepalive_s=app.settings.keepalive_s,
        closed=place.hand_over(),
        until=caller.expires_at,
        known=known,
        plain=True,
    )
