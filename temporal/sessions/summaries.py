"""Summaries that the requests of sealed steps began with: the session itself keeps only its last ones."""

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.sealed import Sealed
from perdure.workflows.protocol.compacted import Summary, fold_id, summary_in
from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.steps import View
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import ContextCompacted


class Summaries:
    """Of one session, a workflow id. Raises what `Backend.query` raises, and `StoreUnavailable`."""

    def __init__(self, backend: Backend, sealed: Sealed, session: str) -> None:
        self._backend = backend
        self._sealed = sealed
        self._session = session
        self._leaves: list[SegmentRef] | None = None
        self._known: dict[str, Summary | None] = {}

    async def of(self, view: View) -> Summary | None:
        """The summary that a view begins with; None where it begins with none, or where that is not sealed."""
        if view.fold is None:
            return None
        if view.fold not in self._known:
            self._known[view.fold] = await self._read(view.fold, view)
        return self._known[view.fold]

    async def _read(self, fold: str, view: View) -> Summary | None:
        event = await self._event(fold)
        if event is None:
            return None
        numbers = [view.path.number(position) for position in event.pinned]
        stretches = tuple(Stretch(start=number, stop=number + 1) for number in numbers)
        pinned = await self._sealed.messages(self._session, tuple(await self._all()), stretches)
        return summary_in(event, pinned)

    async def _event(self, fold: str) -> ContextCompacted | None:
        for leaf in reversed(await self._all()):
            if not await self._sealed.tells(self._session, leaf, b'"context.compacted"'):
                continue
            for event in (await self._sealed.segment(self._session, leaf)).events:
                if isinstance(event, ContextCompacted) and fold_id(event) == fold:
                    return event
        return None

    async def _all(self) -> list[SegmentRef]:
        if self._leaves is None:
            page = await self._backend.query(self._session, SessionWorkflow.trace, 0)
            self._leaves = [leaf async for leaf in self._sealed.leaves(self._session, page.sealed)]
        return self._leaves
