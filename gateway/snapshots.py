"""A session in whole: its snapshot, put together from the pages of one query."""

from typing import Any

from gateway.backend import Backend
from gateway.problems import Problem
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
    shown = page.model_dump(mode="json", exclude={"messages", "queued", "count", "questions", "parent", "sub_sessions"})
    if page.parent is not None:
        shown["parent"] = {"session_id": page.parent.session_id, "call_id": page.parent.call_id}
    if below := await _questions_below(backend, session, page):
        # Not among its own: its call ids and theirs are the same.
        shown["sub_questions"] = below
    return {
        **shown,
        "messages": [await message_json(message, blobs) for message in messages],
        "queued": [await message_json(message, blobs) for message in page.queued],
        "questions": [question.model_dump(mode="json", exclude_none=True) for question in page.questions],
    }


async def _questions_below(backend: Backend, session: str, page: SnapshotPage) -> list[dict[str, Any]]:
    """Open questions of sub-agents that run, with the session at which each is answered."""
    tenant = session.partition("/")[0]
    # Only the facts are wanted: a page that begins after any message holds none.
    request = PageRequest(after=2**31, until=0)
    found: list[dict[str, Any]] = []
    for session_id in page.sub_sessions.values():
        child = f"{tenant}/{session_id}"
        try:
            below = await backend.query(child, SessionWorkflow.snapshot, request)
        except Problem:
            # It is not there yet, or cannot be asked; the session above can be shown all the same.
            continue
        for question in below.questions:
            found.append({**question.model_dump(mode="json", exclude_none=True), "session_id": session_id})
        found += await _questions_below(backend, child, below)
    return found
