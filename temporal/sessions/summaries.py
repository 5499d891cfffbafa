"""Summaries that requests began with: the session itself keeps only its last ones."""

from collections.abc import Iterable

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.transcripts import Transcripts
from perdure.workflows.protocol.compacted import Summary, fold_id, summary_in
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.steps import View
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import ContextCompacted, Event
from perdure.workflows.vocabulary.parts import Message


class Summaries:
    """Of one session, a workflow id. Raises what `Backend.query` raises, and `StoreUnavailable`."""

    def __init__(self, backend: Backend, sealed: Sealed, session: str) -> None:
        self._backend = backend
        self._sealed = sealed
        self._transcripts = Transcripts(backend, sealed)
        self._session = session
        self._leaves: list[SegmentRef] = []
        #: The events behind those of the leaves; None: nothing has been read yet.
        self._held: tuple[Event, ...] | None = None
        self._known: dict[str, Summary | None] = {}

    async def of(self, view: View) -> Summary | None:
        """The summary that a view begins with; None where it begins with none, or where no event tells it."""
        if view.fold is None:
            return None
        if view.fold not in self._known:
            self._known[view.fold] = await self._read(view.fold, view)
        return self._known[view.fold]

    async def _read(self, fold: str, view: View) -> Summary | None:
        event = await self._event(fold)
        if event is None:
            return None
        pinned: list[Message] = []
        for position in event.pinned:
            request = PageRequest(after=position, until=position + 1, path=view.path)
            page = await self._backend.query(self._session, SessionWorkflow.snapshot, request)
            pinned += await self._transcripts.messages(self._session, page, position, position + 1)
        return summary_in(event, tuple(pinned))

    async def _event(self, fold: str) -> ContextCompacted | None:
        if self._held is None:
            page = await self._backend.events(self._session, 0)
            self._leaves = [leaf async for leaf in self._sealed.leaves(self._session, page.sealed)]
            self._held = page.events
        found = _told_in(self._held, fold)
        for leaf in reversed(self._leaves):
            if found is not None:
                break
            if await self._sealed.tells(self._session, leaf, b'"context.compacted"'):
                found = _told_in((await self._sealed.segment(self._session, leaf)).events, fold)
        return found


def _told_in(events: Iterable[Event], fold: str) -> ContextCompacted | None:
    told = (event for event in events if isinstance(event, ContextCompacted))
    return next((event for event in told if fold_id(event) == fold), None)
