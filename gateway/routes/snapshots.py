"""A session in whole: its snapshot, put together from the pages of one query."""

from typing import Any, Final

from perdure.gateway.backend.sessions import Backend
from perdure.gateway.http.problems import Problem
from perdure.gateway.projections.native import message_json, question_json
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.protocol.commands import PageRequest, Receipt, SnapshotPage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import Message

#: A page that begins after any message holds none.
_NO_MESSAGES: Final = 2**31
#: How often a session is asked again that moves on while its questions are read.
_PATIENCE: Final = 5
_NOT_SHOWN: Final = {"messages", "queued", "count", "questions", "more_questions", "parent", "sub_sessions"}


async def read_snapshot(backend: Backend, session: str) -> tuple[SnapshotPage, tuple[Message, ...]]:
    """The session as of the first page's `seq`, and its whole transcript, folded parts still folded."""
    first = await _with_questions(backend, session, PageRequest())
    messages = list(first.messages)
    while len(messages) < first.count:
        request = PageRequest(after=len(messages), until=first.count)
        page = await backend.query(session, SessionWorkflow.snapshot, request)
        messages += page.messages
    return first, tuple(messages)


async def snapshot_json(backend: Backend, blobs: BlobStore, session: str) -> dict[str, Any]:
    """The snapshot as the route answers it."""
    page, messages = await read_snapshot(backend, session)
    shown = page.model_dump(mode="json", exclude=_NOT_SHOWN)
    if page.parent is not None:
        shown["parent"] = {"session_id": page.parent.session_id, "call_id": page.parent.call_id}
    if below := await _questions_below(backend, blobs, session, page):
        # Not among its own: its call ids and theirs are the same.
        shown["sub_questions"] = below
    return {
        **shown,
        "messages": [await message_json(message, blobs) for message in messages],
        "queued": [await message_json(message, blobs) for message in page.queued],
        "questions": [await question_json(question, blobs) for question in page.questions],
    }


async def open_questions(backend: Backend, blobs: BlobStore, session: str, receipt: Receipt) -> list[dict[str, Any]]:
    """The questions that were open when the session gave `receipt`, as the snapshot shows them."""
    questions = receipt.waiting_for
    if receipt.more_questions:
        questions = (await _with_questions(backend, session, PageRequest(after=_NO_MESSAGES, until=0))).questions
    return [await question_json(question, blobs) for question in questions]


async def sub_questions(backend: Backend, blobs: BlobStore, session: str) -> list[dict[str, Any]]:
    """Open questions of the session's sub-agents, as the snapshot shows them: each with its `session_id`."""
    page = await _with_questions(backend, session, PageRequest(after=_NO_MESSAGES, until=0))
    return await _questions_below(backend, blobs, session, page)


async def _with_questions(backend: Backend, session: str, request: PageRequest) -> SnapshotPage:
    """The page that was asked for, with all open questions as of its `seq`."""
    for _ in range(_PATIENCE):
        page = await backend.query(session, SessionWorkflow.snapshot, request)
        questions, more, seq = page.questions, page.more_questions, page.seq
        while more and seq == page.seq:
            further = PageRequest(after=_NO_MESSAGES, until=0, questions=len(questions))
            rest = await backend.query(session, SessionWorkflow.snapshot, further)
            questions, more, seq = (*questions, *rest.questions), rest.more_questions, rest.seq
        if seq == page.seq:
            break
    # A session that never rests is shown with the questions of its last page: viewers hear of any other by events.
    return page.model_copy(update={"questions": questions, "more_questions": False})


async def _questions_below(
    backend: Backend, blobs: BlobStore, session: str, page: SnapshotPage
) -> list[dict[str, Any]]:
    """Open questions of sub-agents that run, with the session at which each is answered."""
    tenant = session.partition("/")[0]
    request = PageRequest(after=_NO_MESSAGES, until=0)
    found: list[dict[str, Any]] = []
    for session_id in page.sub_sessions.values():
        child = f"{tenant}/{session_id}"
        try:
            below = await _with_questions(backend, child, request)
        except Problem:
            # It is not there yet, or cannot be asked; the session above can be shown all the same.
            continue
        for question in below.questions:
            found.append({**(await question_json(question, blobs)), "session_id": session_id})
        found += await _questions_below(backend, blobs, child, below)
    return found
