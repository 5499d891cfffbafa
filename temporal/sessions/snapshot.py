"""A session as of one moment, in whole or with its last messages, and the open questions of its sub-agents."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import SessionError
from perdure.temporal.sessions.hydrate import whole_message, whole_question
from perdure.temporal.sessions.transcripts import read_messages
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.protocol.queries import PageRequest, Receipt, SnapshotPage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import Message
from perdure.workflows.vocabulary.questions import Question

#: A page that begins after any message holds none.
NO_MESSAGES: Final = 2**31
#: How often a session is asked again that moves on while its questions are read.
_PATIENCE: Final = 5


@dataclass(frozen=True, slots=True)
class SubQuestion:
    """An open question of a sub-agent."""

    question: Question
    #: The session at which it is answered.
    session_id: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some messages of a branch, one after the other."""

    #: Messages of the branch that come before them.
    before: int
    #: The cursor from which on the events tell them and all that followed; None: the events tell other branches as well, or
    #: are no longer kept.
    since: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session as of `page.seq`; parts of it that were offloaded are whole."""

    #: Without messages, but with all open questions.
    page: SnapshotPage
    #: All of the branch that goes on, or the last ones.
    messages: tuple[Message, ...]
    #: Not among the session's own questions, for call ids of both may be the same.
    sub_questions: tuple[SubQuestion, ...] = ()
    #: Where the messages begin; None: they are all.
    excerpt: Excerpt | None = None


async def read_facts(backend: Backend, session: str) -> SnapshotPage:
    """The session's snapshot without messages."""
    return await backend.query(session, SessionWorkflow.snapshot, PageRequest(after=NO_MESSAGES, until=0))


async def read_snapshot(
    backend: Backend, session: str, last: int | None = None
) -> tuple[SnapshotPage, tuple[Message, ...]]:
    """The session as of the first page's `seq`, and its transcript, or the `last` messages of it; big parts still
    offloaded."""
    first = await _with_questions(backend, session, PageRequest(last=last))
    start = 0 if last is None else max(first.count - last, 0)
    return first, await read_messages(backend, session, first, start, first.count)


async def whole_snapshot(backend: Backend, blobs: BlobStore, session: str, last: int | None = None) -> Snapshot:
    """The session with all messages, or with the `last` ones. Raises what `Backend.query` raises, and
    `StoreUnavailable`."""
    page, messages = await read_snapshot(backend, session, last)
    below = await _questions_below(backend, blobs, session, page)
    whole = {
        "messages": (),
        "queued": tuple([await whole_message(message, blobs) for message in page.queued]),
        "questions": tuple([await whole_question(question, blobs) for question in page.questions]),
    }
    return Snapshot(
        page.model_copy(update=whole),
        tuple([await whole_message(message, blobs) for message in messages]),
        below,
        None if last is None else _excerpt(page, page.count - len(messages), page.count),
    )


async def message_page(
    backend: Backend, blobs: BlobStore, session: str, before: int | None, limit: int
) -> tuple[Excerpt, tuple[Message, ...]]:
    """The last `limit` messages before the position `before`; None: of all. Raises what `whole_snapshot` does."""
    request = PageRequest(after=NO_MESSAGES, until=before, last=limit)
    page = await backend.query(session, SessionWorkflow.snapshot, request)
    start = max(page.count - limit, 0)
    messages = await read_messages(backend, session, page, start, page.count)
    return _excerpt(page, start, page.count), tuple([await whole_message(message, blobs) for message in messages])


def _excerpt(page: SnapshotPage, start: int, stop: int) -> Excerpt:
    """`page` begins with the message at `start`."""
    stretches = page.path.between(start, stop + 1)
    unbroken = all(one.stop == other.start for one, other in pairwise(stretches))
    return Excerpt(start, page.since if unbroken else None)


async def open_questions(backend: Backend, blobs: BlobStore, session: str, receipt: Receipt) -> tuple[Question, ...]:
    """The questions that were open when the session gave `receipt`."""
    questions = receipt.waiting_for
    if receipt.more_questions:
        questions = (await _with_questions(backend, session, PageRequest(after=NO_MESSAGES, until=0))).questions
    return tuple([await whole_question(question, blobs) for question in questions])


async def sub_questions(backend: Backend, blobs: BlobStore, session: str) -> tuple[SubQuestion, ...]:
    """Open questions of the session's sub-agents."""
    page = await _with_questions(backend, session, PageRequest(after=NO_MESSAGES, until=0))
    return await _questions_below(backend, blobs, session, page)


async def _with_questions(backend: Backend, session: str, request: PageRequest) -> SnapshotPage:
    """The page that was asked for, with all open questions as of its `seq`."""
    for _ in range(_PATIENCE):
        page = await backend.query(session, SessionWorkflow.snapshot, request)
        questions, more, seq = page.questions, page.more_questions, page.seq
        while more and seq == page.seq:
            further = PageRequest(after=NO_MESSAGES, until=0, questions=len(questions))
            rest = await backend.query(session, SessionWorkflow.snapshot, further)
            questions, more, seq = (*questions, *rest.questions), rest.more_questions, rest.seq
        if seq == page.seq:
            break
    # A session that never rests is shown with the questions of its last page: viewers hear of any other by events.
    return page.model_copy(update={"questions": questions, "more_questions": False})


async def _questions_below(
    backend: Backend, blobs: BlobStore, session: str, page: SnapshotPage
) -> tuple[SubQuestion, ...]:
    """Open questions of sub-agents that run, those of their own sub-agents included."""
    tenant = session.partition("/")[0]
    request = PageRequest(after=NO_MESSAGES, until=0)
    found: list[SubQuestion] = []
    for session_id in page.sub_sessions.values():
        child = f"{tenant}/{session_id}"
        try:
            below = await _with_questions(backend, child, request)
        except SessionError:
            # It is not there yet, or cannot be asked; the session above can be shown all the same.
            continue
        found += [SubQuestion(await whole_question(question, blobs), session_id) for question in below.questions]
        found += await _questions_below(backend, blobs, child, below)
    return tuple(found)
