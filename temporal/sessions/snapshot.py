"""A session as of one moment, in whole or with its last messages, and the open questions of its sub-agents."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import SessionError
from perdure.temporal.sessions.hydrate import whole_message, whole_question
from perdure.temporal.sessions.sealed import Sealed, Shown
from perdure.temporal.sessions.transcripts import Transcripts
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.protocol.paths import Path
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
    #: The agents from the session's own sub-agent down to the one that asks.
    agents: tuple[str, ...]


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
    messages: tuple[Message | Shown, ...]
    #: Not among the session's own questions, for call ids of both may be the same.
    sub_questions: tuple[SubQuestion, ...] = ()
    #: Where the messages begin; None: they are all.
    excerpt: Excerpt | None = None


async def read_facts(backend: Backend, session: str) -> SnapshotPage:
    """The session's snapshot without messages."""
    return await backend.query(session, SessionWorkflow.snapshot, PageRequest(after=NO_MESSAGES, until=0))


async def read_snapshot(backend: Backend, sealed: Sealed, session: str) -> tuple[SnapshotPage, tuple[Message, ...]]:
    """The session as of the first page's `seq`, and its whole transcript, big parts still offloaded."""
    first = await _with_questions(backend, session, PageRequest())
    return first, await Transcripts(backend, sealed).messages(session, first, 0, first.count)


async def whole_snapshot(
    backend: Backend, blobs: BlobStore, sealed: Sealed, session: str, last: int | None = None
) -> Snapshot:
    """The session with all messages, or with the `last` ones. Raises what `Backend.query` raises, and
    `StoreUnavailable`."""
    page = await _with_questions(backend, session, PageRequest(last=last))
    excerpt, messages = await _shown(backend, blobs, sealed, session, page, last)
    below = await questions_below(backend, blobs, session, page.sub_sessions)
    whole = {
        "messages": (),
        "sealed": (),
        "queued": tuple([await whole_message(message, blobs) for message in page.queued]),
        "questions": tuple([await whole_question(question, blobs) for question in page.questions]),
    }
    return Snapshot(page.model_copy(update=whole), messages, below, None if last is None else excerpt)


async def message_page(
    backend: Backend, blobs: BlobStore, sealed: Sealed, session: str, before: int | None, limit: int
) -> tuple[Excerpt, tuple[Message | Shown, ...]]:
    """The last `limit` messages before the position `before`; None: of all. Raises what `whole_snapshot` does."""
    request = PageRequest(after=NO_MESSAGES, until=before, last=limit)
    page = await backend.query(session, SessionWorkflow.snapshot, request)
    return await _shown(backend, blobs, sealed, session, page, limit)


async def branch_page(
    backend: Backend, blobs: BlobStore, sealed: Sealed, session: str, path: Path, count: int, limit: int
) -> tuple[Excerpt, tuple[Message | Shown, ...]]:
    """The last `limit` of the first `count` messages of a branch. Raises what `whole_snapshot` does."""
    request = PageRequest(after=NO_MESSAGES, until=count, last=limit, path=path)
    page = await backend.query(session, SessionWorkflow.snapshot, request)
    excerpt, messages = await _shown(backend, blobs, sealed, session, page, limit)
    # The events behind them tell of other branches.
    return Excerpt(excerpt.before, None), messages


async def _shown(
    backend: Backend, blobs: BlobStore, sealed: Sealed, session: str, page: SnapshotPage, last: int | None
) -> tuple[Excerpt, tuple[Message | Shown, ...]]:
    """The `last` messages before the end that `page` names, which is the first page of them."""
    start = 0 if last is None else max(page.count - last, 0)
    found = await Transcripts(backend, sealed).shown(session, page, start, page.count)
    messages = tuple([await whole_message(one, blobs) if isinstance(one, Message) else one for one in found])
    if last is None or not messages or _is_broken(page, start):
        return Excerpt(start, None), messages
    turn_id, since = messages[0].turn_id, page.since if page.start == start else None
    if since is None and turn_id is not None:
        began = await sealed.turn_began(session, page.sealed, turn_id)
        since = None if began is None else began - 1
    return Excerpt(start, since), messages


def _is_broken(page: SnapshotPage, start: int) -> bool:
    """Whether other branches had their say between the message at `start` and the one behind the page."""
    stretches = page.path.between(start, page.count + 1)
    return any(one.stop != other.start for one, other in pairwise(stretches))


async def open_questions(backend: Backend, blobs: BlobStore, session: str, receipt: Receipt) -> tuple[Question, ...]:
    """The questions that were open when the session gave `receipt`."""
    questions = receipt.waiting_for
    if receipt.more_questions:
        questions = (await _with_questions(backend, session, PageRequest(after=NO_MESSAGES, until=0))).questions
    return tuple([await whole_question(question, blobs) for question in questions])


async def sub_questions(backend: Backend, blobs: BlobStore, session: str) -> tuple[SubQuestion, ...]:
    """Open questions of the session's sub-agents."""
    page = await _with_questions(backend, session, PageRequest(after=NO_MESSAGES, until=0))
    return await questions_below(backend, blobs, session, page.sub_sessions)


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


async def questions_below(
    backend: Backend, blobs: BlobStore, session: str, sub_sessions: Mapping[str, str], above: tuple[str, ...] = ()
) -> tuple[SubQuestion, ...]:
    """Open questions of a session's sub-agents that run, `sub_sessions` by call id, and of their own sub-agents. `above`:
    the agents down to the session."""
    tenant = session.partition("/")[0]
    request = PageRequest(after=NO_MESSAGES, until=0)
    found: list[SubQuestion] = []
    for session_id in sub_sessions.values():
        child = f"{tenant}/{session_id}"
        try:
            below = await _with_questions(backend, child, request)
        except SessionError:
            # It is not there yet, or cannot be asked; the session above can be shown all the same.
            continue
        agents = (*above, below.agent)
        found += [SubQuestion(await whole_question(one, blobs), session_id, agents) for one in below.questions]
        found += await questions_below(backend, blobs, child, below.sub_sessions, agents)
    return tuple(found)
