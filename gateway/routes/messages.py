"""Routes of messages: send one, wait for its turn or stream it, stop a turn.

The session is asked first (`receipt`): is it closed, has it seen this message, and at which `seq` is it? Only then is it
signalled, so a 202 means that the message is in the session's history. A message whose id is made here cannot have been
seen: it needs no question where a watch has heard from the session since anything happened to it, and the session's worker
is in this process (`Watch.take_receipt`).
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse
from starlette.responses import Response

from perdure.gateway.backend.admission import full
from perdure.gateway.http.bodies import (
    SendMessageBody,
    SessionPath,
    StopTurn,
    content_sha256,
)
from perdure.gateway.http.json_bytes import to_json
from perdure.gateway.http.problems import Problem
from perdure.gateway.http.sse import EventStreamResponse, Outgoing
from perdure.gateway.http.strict_json import StrictRoute
from perdure.gateway.live.turn_filter import TurnFilter, TurnRecord, asked_by, may_ask_below
from perdure.gateway.openapi.answers import FinishedTurn, MessageAccepted, MessageWaits, SessionNamed
from perdure.gateway.openapi.event_stream import EVENT_STREAM
from perdure.gateway.routes.context import By, Gateway, Here
from perdure.gateway.routes.snapshots import open_questions, sub_questions
from perdure.gateway.routes.streams import frames_of
from perdure.temporal.stores.blobs import fold
from perdure.workflows.protocol.commands import Receipt, SendMessage, Stop
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import SessionStatus

MAX_WAIT_S: Final = 300

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["messages"], route_class=StrictRoute)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is in its session's history."""

    session: str
    message_id: str
    sha256: str
    #: A cursor from before its first event.
    cursor: int
    #: The session's, with the message in it.
    status: SessionStatus
    #: Where the message waits for its turn; None where it does not.
    position: int | None
    #: What the session waits for, as JSON.
    questions: list[dict[str, Any]]


@router.post(
    "/messages",
    status_code=202,
    response_model=MessageAccepted,
    responses={200: {"model": FinishedTurn | MessageWaits, "content": EVENT_STREAM}},
)
async def send_message(
    session_id: SessionPath,
    body: SendMessageBody,
    gateway: Here,
    by: By,
    accept: Annotated[str, Header()] = "",
    wait: Annotated[float | None, Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait for the turn")] = None,
) -> Response:
    """Sends a message. With `Accept: text/event-stream` the answer is the stream of its turn; with `wait`, the finished
    turn as JSON, or the open questions as soon as the session waits for a person (200), or 202 where it takes longer."""
    streams = "text/event-stream" in accept.lower()
    if streams:
        gateway.streams.check(by)
    sent = await _send(gateway, by.workflow_id(session_id), body)
    if streams:
        frames = frames_of(_events_of(gateway, sent))
        return EventStreamResponse(
            frames, keepalive_s=gateway.settings.keepalive_s, opened=lambda: gateway.streams.opened(by)
        )
    answer: dict[str, Any] = {"session_id": session_id, "message_id": sent.message_id, "seq": sent.cursor}
    if wait is not None:
        record, waiting_for = await _wait(gateway, sent, wait)
        if record.rejected is not None:
            raise _rejection(record.rejected)
        if record.turn is not None:
            finished = to_json({**answer, "turn": record.turn, "messages": record.messages})
            return Response(finished, media_type="application/json")
        if waiting_for:
            place = {} if sent.position is None else {"position": sent.position}
            waits = to_json({**answer, "status": "waiting", **place, **waiting_for})
            return Response(waits, media_type="application/json")
    answer["status"] = sent.status
    if sent.position is not None:
        answer["position"] = sent.position
    if sent.questions:
        answer["waiting_for"] = sent.questions
    return Response(to_json(answer), 202, media_type="application/json")


@router.post("/stop", status_code=202, response_model=SessionNamed)
async def stop_turn(session_id: SessionPath, gateway: Here, by: By, body: StopTurn | None = None) -> JSONResponse:
    """Stops the turn that runs and keeps the session; does nothing where none runs."""
    session = by.workflow_id(session_id)
    receipt = await gateway.backend.query(session, SessionWorkflow.receipt, "")
    if receipt.closed:
        raise Problem("session_closed")
    turn_id = body.turn_id if body is not None else None
    await gateway.backend.signal(session, Stop(id=uuid.uuid4().hex, turn_id=turn_id))
    # The model call hears it at once, not at its next heartbeat.
    gateway.live.stop(session)
    gateway.live.poke(session)
    return JSONResponse({"session_id": session_id}, 202)


async def _send(gateway: Gateway, session: str, body: SendMessageBody) -> Sent:
    message_id = body.message_id or uuid.uuid4().hex
    parts = body.neutral_parts()
    sha256 = content_sha256(parts)
    known = None if body.message_id else gateway.watches.take_receipt(session)
    async with gateway.admissions.asking(session, message_id, known) as place:
        receipt = place.receipt
        if receipt.content_sha256 is not None and receipt.cursor is not None:
            if receipt.content_sha256 != sha256:
                raise _rejection("conflict")
            return await _sent(gateway, session, message_id, sha256, receipt, receipt.position)
        if receipt.closed:
            raise _rejection("session_closed")
        agent = None if receipt.pinned else gateway.definitions.current(receipt.agent)
        command = SendMessage(
            message_id=message_id,
            parts=await fold(gateway.blobs, session, parts),
            content_sha256=sha256,
            cursor=receipt.seq,
            digest=agent.digest if agent is not None else None,
        )
        position = await place.take()
        await gateway.backend.signal(session, command)
    gateway.live.poke(session)
    if place.scarce and (await gateway.backend.query(session, SessionWorkflow.receipt, message_id)).cursor is None:
        # Another gateway has filled the last places.
        raise _rejection("queue_full")
    return await _sent(gateway, session, message_id, sha256, place.receipt, position, command.cursor)


async def _sent(
    gateway: Gateway,
    session: str,
    message_id: str,
    sha256: str,
    receipt: Receipt,
    position: int | None,
    cursor: int | None = None,
) -> Sent:
    """`cursor` is that of a message that is new to the session."""
    status = receipt.status
    if cursor is None:
        cursor = receipt.cursor or 0
    elif status == "idle":
        status = "working"
    questions = await open_questions(gateway.backend, gateway.blobs, session, receipt)
    return Sent(session, message_id, sha256, cursor, status, position, questions)


async def _events_of(gateway: Gateway, sent: Sent) -> AsyncGenerator[Outgoing]:
    """The message's own events and those of its turn, live frames among them, to the turn's end."""
    async with aclosing(_chosen(gateway, sent)) as everything:
        async for _, chosen in everything:
            for one in chosen:
                yield one


async def _chosen(gateway: Gateway, sent: Sent) -> AsyncGenerator[tuple[Outgoing, tuple[Outgoing, ...]]]:
    """All that the session sends to the end of the message's turn, each with what of it belongs to the message."""
    wanted = TurnFilter(sent.message_id)
    async with aclosing(gateway.watches.follow(sent.session, sent.cursor, patient=True)) as everything:
        async for item in everything:
            chosen: list[Outgoing] = []
            for one in wanted.take(item):
                if one.type == "message.rejected" and await _means_another(gateway, sent, one):
                    wanted.over = False
                else:
                    chosen.append(one)
            yield item, tuple(chosen)
            if wanted.over:
                return


async def _means_another(gateway: Gateway, sent: Sent, rejected: Outgoing) -> bool:
    """Two messages came under one id at the same moment: was it the other one that was rejected?"""
    if orjson.loads(rejected.data)["reason"] != "conflict":
        return False
    receipt = await gateway.backend.query(sent.session, SessionWorkflow.receipt, sent.message_id)
    return receipt.content_sha256 == sent.sha256


async def _wait(gateway: Gateway, sent: Sent, seconds: float) -> tuple[TurnRecord, dict[str, Any]]:
    """The turn as far as it came, and what the session waits for if people have to answer before the turn's end:
    `questions` and, of sub-agents, `sub_questions`."""
    record = TurnRecord()
    if sent.status == "waiting" and sent.position is not None:
        return record, {"questions": sent.questions}
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(_chosen(gateway, sent)) as events:
            async for item, chosen in events:
                for one in chosen:
                    record.add(one)
                if record.turn is None and (waiting_for := await _asked(gateway, sent, item)):
                    return record, waiting_for
    return record, {}


async def _asked(gateway: Gateway, sent: Sent, item: Outgoing) -> dict[str, Any]:
    """What `item` asks of people. What was asked long ago may be answered by now."""
    if asked := asked_by(item):
        receipt = await gateway.backend.query(sent.session, SessionWorkflow.receipt, sent.message_id)
        questions = await open_questions(gateway.backend, gateway.blobs, sent.session, receipt)
        if any(question["question_id"] in asked for question in questions):
            return {"questions": questions}
    if may_ask_below(item) and (below := await sub_questions(gateway.backend, gateway.blobs, sent.session)):
        return {"questions": [], "sub_questions": below}
    return {}


def _rejection(reason: str) -> Problem:
    if reason == "session_closed":
        return Problem("session_closed", "The session is closed, so the message was not taken.")
    if reason == "queue_full":
        return full()
    return Problem("id_conflict", "This message_id was used for a message with other content.")
