"""Sending a message to a session, once however often it is sent.

The session is asked first (`receipt`): is it closed, has it seen this message, and at which `seq` is it? Only then is
anything of the message stored, and the session signalled, so whoever is told that a message was sent finds it in the
session's history. A message whose id is made here cannot have been seen: it needs no question where the receipt is known
for certain.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from perdure.temporal.definitions.files import Taker
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.protocols import LivePublisher
from perdure.temporal.sessions.admission import Admissions, full
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.configuring import check_role
from perdure.temporal.sessions.content import content_sha256, new_message
from perdure.temporal.sessions.errors import (
    IdConflict,
    MessageWithdrawn,
    SessionBusy,
    SessionClosed,
    SessionError,
    TooMany,
)
from perdure.temporal.sessions.message_files import MessageFiles
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.snapshot import SubQuestion, open_questions, questions_below
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.core.handlers.events import MOST_BYTES, MOST_KEPT, TOO_MANY
from perdure.workflows.protocol.queries import Receipt
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.content_marks import is_same
from perdure.workflows.vocabulary.parts import File, Part, SessionStatus
from perdure.workflows.vocabulary.questions import Question

#: What a session's receipt is for certain for a message that is new to it; None where only the session can tell. It is
#: asked once a message: whoever takes the receipt is about to change the session.
KnownReceipt = Callable[[], Receipt | None]
#: Where a message stands: the session's status with it, or that it joins the turn that runs, or has that turn stopped.
Standing = SessionStatus | Literal["steering", "interrupting"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is in its session's history."""

    #: The workflow id of the session.
    session: str
    message_id: str
    sha256: str
    #: A cursor from before its first event.
    cursor: int
    status: Standing
    #: Where the message waits, from 1; None where it does not.
    position: int | None
    #: What the session waits for, and what its sub-agents do.
    questions: tuple[Question, ...]
    sub_questions: tuple[SubQuestion, ...] = ()

    @property
    def without_questions(self) -> "Sent":
        """For a caller that may not read what the session asks."""
        return replace(self, questions=(), sub_questions=())


class Sender:
    def __init__(
        self,
        backend: Backend,
        admissions: Admissions,
        blobs: BlobStore,
        definitions: Definitions,
        live: LivePublisher,
        files: MessageFiles,
    ) -> None:
        self._files = files
        self._backend = backend
        self._admissions = admissions
        self._blobs = blobs
        self._definitions = definitions
        self._live = live

    async def send(
        self,
        caller: Principal,
        session_id: str,
        parts: tuple[Part, ...],
        message_id: str | None,
        known: KnownReceipt = lambda: None,
        model: str | None = None,
        busy: Busy | None = None,
        *,
        follows: bool = False,
        run_id: str | None = None,
    ) -> Sent:
        """Without a `message_id` the message gets one. `model` is the role that shall answer it; `busy`, what becomes of it
        while the session works; `run_id`, what its client calls the run that it begins. `follows`: the caller reads the
        session's events, which tell where another message took the id at the same moment. Raises `InvalidRequest` where the
        session's agent has no such role, `SessionClosed`,
        `SessionBusy`, `TooMany` where no more messages may wait, `IdConflict` where the id is that of another message,
        `MessageWithdrawn` where it is that of one that was taken back, what `MessageFiles.take_in` raises of its files, and
        what `Backend.query` raises."""
        session = caller.workflow_id(session_id)
        receipt = None if message_id else known()
        may_clash = message_id is not None and not follows
        message_id = message_id or uuid.uuid4().hex
        sha256 = content_sha256(parts, model)
        async with self._admissions.asking(session, message_id, receipt) as place:
            receipt = place.receipt
            if receipt.content_sha256 is not None and receipt.cursor is not None:
                if not is_same(receipt.content_sha256, sha256):
                    raise rejection("conflict")
                if receipt.withdrawn:
                    raise rejection("withdrawn")
                return await self._sent(session, message_id, sha256, receipt, receipt.position)
            if receipt.closed:
                raise rejection("session_closed")
            policy = (busy or receipt.busy) if place.is_busy else "queue"
            if policy == "reject":
                raise rejection("busy")
            agent = None if receipt.pinned else self._definitions.current(receipt.agent, caller.tenant)
            digest = agent.digest if agent is not None else None
            taker = await self._taker(caller.tenant, receipt, digest, model)
            place.check_room()
            async with self._backend.going_to_work(True, session, receipt.user):
                if any(isinstance(part, File) for part in parts):
                    taker = taker or await self._files.taker(caller.tenant, receipt)
                    parts = await self._files.take_in(caller, session, parts, taker)
                command = await new_message(
                    self._blobs, session, parts, digest, message_id, receipt.seq, sha256, model, busy, run_id
                )
                command = command.model_copy(update={"traceparent": caller.traceparent, "sender": caller.sender})
                position = await place.take()
                await self._backend.spend(session, receipt.user, command)
        if policy == "interrupt":
            # The model call hears it at once, not at its next heartbeat.
            self._live.stop(session)
        self._live.poke(session)
        if policy in ("steer", "interrupt"):
            return await self._sent_ahead(session, message_id, sha256, command.cursor)
        if place.scarce or may_clash:
            # Another gateway may have filled the last places, or sent another message under the id.
            await self._taken_in(session, message_id, sha256)
        return await self._sent(session, message_id, sha256, place.receipt, position, command.cursor)

    async def _taker(self, tenant: str, receipt: Receipt, digest: str | None, model: str | None) -> Taker | None:
        """The model behind the role that a message asks for; None where it asks for none. Raises `InvalidRequest`."""
        if model is None:
            return None
        definition = check_role(
            await self._definitions.by_digest(digest or receipt.digest, tenant), model, receipt.agent
        )
        return self._files.taker_of(definition, model)

    async def _sent_ahead(self, session: str, message_id: str, sha256: str, cursor: int) -> Sent:
        """What became of a message that goes before others, which the session alone can tell."""
        receipt = await self._taken_in(session, message_id, sha256)
        return await self._sent(session, message_id, sha256, receipt, receipt.position, cursor)

    async def _taken_in(self, session: str, message_id: str, sha256: str) -> Receipt:
        """The receipt of a message that the session was signalled. Raises what says why the session did not take it in."""
        receipt = await self._backend.query(session, SessionWorkflow.receipt, message_id)
        if receipt.cursor is None:
            raise rejection("session_closed" if receipt.closed else "queue_full")
        if receipt.content_sha256 is not None and not is_same(receipt.content_sha256, sha256):
            raise rejection("conflict")
        return receipt

    async def _sent(
        self,
        session: str,
        message_id: str,
        sha256: str,
        receipt: Receipt,
        position: int | None,
        cursor: int | None = None,
    ) -> Sent:
        """`cursor` is that of a message that is new to the session."""
        status: Standing = receipt.status
        if cursor is None:
            cursor = receipt.cursor or 0
        elif status == "idle" and receipt.content_sha256 is None:
            status = "working"
        if receipt.steers:
            status = "steering"
        elif receipt.ahead == "interrupt":
            status = "interrupting"
        asked = await open_questions(self._backend, self._blobs, session, receipt)
        # What a handler asks keeps no message waiting.
        questions = tuple(one for one in asked if one.subject != "handler")
        if status == "waiting" and not questions:
            status = "working"
        below: tuple[SubQuestion, ...] = ()
        if status not in ("steering", "interrupting"):
            # What sub-agents ask is settled by a message that goes before others.
            below = await questions_below(self._backend, self._blobs, session, receipt.sub_sessions)
        return Sent(session, message_id, sha256, cursor, status, position, questions, below)


def rejection(reason: str) -> SessionError:
    """Why a session did not take a message, by the `reason` of `message.rejected`."""
    if reason == "session_closed":
        return SessionClosed("The session is closed, so the message was not taken.")
    if reason == "busy":
        return SessionBusy("A turn runs or messages wait, and this message is not to wait.")
    if reason == "withdrawn":
        return MessageWithdrawn()
    if reason == "queue_full":
        return full()
    if reason == TOO_MANY:
        return TooMany(f"{MOST_KEPT} events, or {MOST_BYTES // 1024} KiB of them, wait for a handler already.")
    return IdConflict("This message_id was used for a message with other content.")
