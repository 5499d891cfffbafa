"""How a session's workflow is started, be the session new or a fork: its first message, and what lists show of it."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from perdure.gateway.backend.sessions import Backend
from perdure.gateway.http.bodies import content_sha256
from perdure.gateway.http.json_bytes import rfc3339
from perdure.temporal.sessions.starting import Memo
from perdure.temporal.stores.blobs import BlobStore, fold
from perdure.workflows.core.answers import last_words
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.protocol.commands import SendMessage
from perdure.workflows.vocabulary.parts import Message, Part, Text


async def first_message(
    blobs: BlobStore, session: str, parts: tuple[Part, ...], digest: str, message_id: str | None = None, cursor: int = 0
) -> SendMessage:
    """The message that a session starts with; big parts of it go to `blobs`. `session` is a workflow id."""
    return SendMessage(
        message_id=message_id or uuid.uuid4().hex,
        parts=await fold(blobs, session, parts),
        content_sha256=content_sha256(parts),
        cursor=cursor,
        digest=digest,
    )


async def launch(
    backend: Backend, session: str, start: SessionInput, *, digest: str, title: str, demo: bool, body_sha256: str
) -> bool:
    """Starts the workflow `session`. False where one with this id exists or existed. Raises Problem.

    `digest` is that of the definition which the first turn runs; `body_sha256` tells the same create from another."""
    new = start.carried.new if start.carried is not None else start.new
    assert new is not None
    memo = Memo(body_sha256, rfc3339(datetime.now(UTC)), title, demo)
    summary = f"{new.agent}: {title}" if title else new.agent
    details = f"Session of the agent **{new.agent}** (definition {digest[:12]})."
    if new.forked_from is not None:
        details += f" Forked from {new.forked_from.session_id}, {new.forked_from.turn_id}."
    return await backend.start(session, start, memo, summary, details)


def title_of(parts: Sequence[Part]) -> str:
    """The beginning of a message's first text; short, for the summary that Temporal takes has 400 bytes."""
    if not any(isinstance(part, Text) for part in parts):
        return ""
    return last_words(Message(id="first", role="user", parts=tuple(parts), at=datetime.now(UTC)))[:60]
