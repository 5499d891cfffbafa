"""A session in whole: its snapshot, put together from the pages of one query."""

from typing import Any

from gateway.backend import Backend
from gateway.viewer import message_json
from temporal.blobs import BlobStore
from workflows.commands import PageRequest, SnapshotPage
from workflows.session import SessionWorkflow
from workflows.types import Message


async def read_snapshot(backend: Backend, session: str) -> tuple[SnapshotPage, tuple[Message, ...]]:
    """The session as of the first page's `seq`, and its whole transcript, folded parts still folded."""
    first = await backend.query(session, SessionWorkflow.snapshot, PageRequest())
    messages = list(first.messages)
    while len(messages) < first.count:
        request = PageRequest(after=len(messages), until=first.count)
        page = await backend.query(session, SessionWorkflow.snapshot, request)
        messages += page.messages
    return first, tuple(messages)


async def snapshot_json(backend: Backend, blobs: BlobStore, session: str) -> dict[str, Any]:
    """The snapshot as CONTRACT section 2 has it."""
    page, messages = await read_snapshot(backend, session)
    shown = page.model_dump(mode="json", exclude={"messages", "queued", "count", "questions"})
    return {
        **shown,
        "messages": [await message_json(message, blobs) for message in messages],
        "queued": [await message_json(message, blobs) for message in page.queued],
        "questions": [question.model_dump(mode="json", exclude_none=True) for question in page.questions],
    }
