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
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse
from starlette.responses import Response

from gateway.bodies import MessageAccepted, SendMessageBody, SessionNamed, SessionPath, StopTurn, content_sha256
from gateway.context import By, Gateway, Here
from gateway.json_bytes import to_json
from gateway.problems import Problem
from gateway.sse import EventStreamResponse, Outgoing
from gateway.streams import frames_of
from gateway.strict_json import StrictRoute
from gateway.turns import TurnFilter, TurnRecord
from temporal.blobs import fold
from workflows.commands import SendMessage, Stop
from workflows.session import SessionWorkflow

MAX_QUEUED: Final = 100
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


@router.post("/messages", status_code=202, response_model=MessageAccepted)
async def send_message(
    session_id: SessionPath,
    body: SendMessageBody,
    gateway: Here,
    by: By,
    accept: Annotated[str, Header()] = "",
    wait: Annotated[float | None, Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait for the turn")] = None,
) -> Response:
    """Sends a message. With `Accept: text/event-stream` the answer is the stream of its turn; with `wait`, the finished
    turn as JSON (200), or 202 where it takes longer."""
    sent = await _send(gateway, by.workflow_id(session_id), body)
    if "text/event-stream" in accept.lower():
        frames = frames_of(_events_of(gateway, sent))
        return EventStreamResponse(frames, keepalive_s=gateway.settings.keepalive_s)
    answer = {"session_id": session_id, "message_id": sent.message_id, "seq": sent.cursor}
    if wait is not None:
        record = await _wait(gateway, sent, wait)
        if record.rejected is not None:
            raise _rejection(record.rejected)
        if record.turn is not None:
            finished = to_json({**answer, "turn": record.turn, "messages": record.messages})
            return Response(finished, media_type="application/json")
    return JSONResponse(answer, 202)


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
    receipt = None if body.message_id else gateway.watches.take_receipt(session)
    if receipt is None:
        receipt = await gateway.backend.query(session, SessionWorkflow.receipt, message_id)
    if receipt.content_sha256 is not None and receipt.cursor is not None:
        if receipt.content_sha256 != sha256:
            raise _rejection("conflict")
        return Sent(session, message_id, sha256, receipt.cursor)
    if receipt.closed:
        raise _rejection("session_closed")
    if receipt.queued >= MAX_QUEUED:
        raise Problem("too_many", f"{receipt.queued} messages wait for their turn already.")
    agent = None if receipt.pinned else gateway.definitions.current(receipt.agent)
    command = SendMessage(
        message_id=message_id,
        parts=await fold(gateway.blobs, session, parts),
        content_sha256=sha256,
        cursor=receipt.seq,
        digest=agent.digest if agent is not None else None,
    )
    await gateway.backend.signal(session, command)
    gateway.live.poke(session)
    return Sent(session, message_id, sha256, receipt.seq)


async def _events_of(gateway: Gateway, sent: Sent) -> AsyncGenerator[Outgoing]:
    """The message's own events and those of its turn, live frames among them, to the turn's end."""
    wanted = TurnFilter(sent.message_id)
    async with aclosing(gateway.watches.follow(sent.session, sent.cursor, patient=True)) as everything:
        async for item in everything:
            for chosen in wanted.take(item):
                if chosen.type == "message.rejected" and await _means_another(gateway, sent, chosen):
                    wanted.over = False
                else:
                    yield chosen
            if wanted.over:
                return


async def _means_another(gateway: Gateway, sent: Sent, rejected: Outgoing) -> bool:
    """Two messages came under one id at the same moment: was it the other one that was rejected?"""
    if orjson.loads(rejected.data)["reason"] != "conflict":
        return False
    receipt = await gateway.backend.query(sent.session, SessionWorkflow.receipt, sent.message_id)
    return receipt.content_sha256 == sent.sha256


async def _wait(gateway: Gateway, sent: Sent, seconds: float) -> TurnRecord:
    record = TurnRecord()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(_events_of(gateway, sent)) as events:
            async for item in events:
                record.add(item)
    return record


def _rejection(reason: str) -> Problem:
    if reason == "session_closed":
        return Problem("session_closed", "The session is closed, so the message was not taken.")
    return Problem("id_conflict", "This message_id was used for a message with other content.")
