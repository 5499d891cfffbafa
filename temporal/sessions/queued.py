"""Queued messages: replacing the content of one, or withdrawing it.

The session is asked first whether the message still waits, then signalled, then asked whether the command came in time: the
message's turn may begin meanwhile.
"""

import uuid
from dataclasses import dataclass

from perdure.temporal.live.protocols import LivePublisher
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import MessageNotFound, MessageNotQueued, MessageWithdrawn
from perdure.temporal.sessions.message_files import MessageFiles
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.stores.blobs import BlobStore, fold
from perdure.workflows.protocol.queries import Receipt
from perdure.workflows.protocol.signals import EditMessage, WithdrawMessage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import File, Part


@dataclass(frozen=True, slots=True)
class Queued:
    """Changes queued messages. All methods raise `MessageNotFound`, `MessageNotQueued`, `MessageWithdrawn` and what
    `Backend.query` raises."""

    backend: Backend
    blobs: BlobStore
    files: MessageFiles
    live: LivePublisher

    async def edit(self, caller: Principal, session_id: str, message_id: str, parts: tuple[Part, ...]) -> int | None:
        """Replaces a message's parts. Returns its place in the queue, from 1, or None if its turn has begun with the new
        parts. Raises also what `MessageFiles.take_in` raises."""
        session = caller.workflow_id(session_id)
        receipt = await self._waiting(session, message_id)
        if any(isinstance(part, File) for part in parts):
            parts = await self.files.take_in(caller, session, parts, await self.files.taker(caller.tenant, receipt))
        folded = await fold(self.blobs, session, parts)
        command = EditMessage(id=uuid.uuid4().hex, message_id=message_id, parts=folded, sender=caller.sender)
        await self.backend.signal(session, command)
        self.live.poke(session)
        after = await self._receipt(session, message_id)
        if after.withdrawn:
            raise MessageWithdrawn
        if after.position is None and after.edited_by != command.id:
            raise MessageNotQueued
        return after.position

    async def withdraw(self, caller: Principal, session_id: str, message_id: str) -> None:
        """Withdraws a message, or an event that no handler has taken yet; does nothing if it was withdrawn before."""
        session = caller.workflow_id(session_id)
        try:
            await self._waiting(session, message_id, kept=True)
        except MessageWithdrawn:
            return
        await self.backend.signal(session, WithdrawMessage(id=uuid.uuid4().hex, message_id=message_id))
        self.live.poke(session)
        if not (await self._receipt(session, message_id)).withdrawn:
            raise MessageNotQueued

    async def _waiting(self, session: str, message_id: str, *, kept: bool = False) -> Receipt:
        """What the session knows of the message. `kept`: an event that is kept will do, too."""
        receipt = await self._receipt(session, message_id)
        if receipt.cursor is None:
            raise MessageNotFound
        if receipt.withdrawn:
            raise MessageWithdrawn
        if receipt.position is None and not (kept and receipt.kept):
            raise MessageNotQueued
        return receipt

    async def _receipt(self, session: str, message_id: str) -> Receipt:
        return await self.backend.query(session, SessionWorkflow.receipt, message_id)
