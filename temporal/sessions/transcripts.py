"""What was said in a session, read a stretch at a time: the positions of one branch, as of one moment.

Rule: messages are numbered for ever, and a branch is read by the path that its first page gave. So what is put together
is the session as of that page, however far it has moved on meanwhile.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.sealed import Sealed, Shown
from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.queries import PageRequest, SnapshotPage
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import Message


@dataclass(frozen=True, slots=True)
class _SealedPiece:
    refs: tuple[SegmentRef, ...]
    stretches: tuple[Stretch, ...]


class Transcripts:
    """Reads the transcripts of sessions, sealed or not. Raises what `Backend.query` raises, and `StoreUnavailable`."""

    def __init__(self, backend: Backend, sealed: Sealed) -> None:
        self._backend = backend
        self._sealed = sealed

    async def messages(self, session: str, first: SnapshotPage, start: int, stop: int) -> tuple[Message, ...]:
        """The messages at the positions from `start` to `stop` of a branch, big parts still offloaded. `first` is the page
        that was asked for from `start` on, and none behind `stop`."""
        found: list[Message] = []
        async for piece in self._pieces(session, first, start, stop):
            if isinstance(piece, _SealedPiece):
                found += await self._sealed.messages(session, piece.refs, piece.stretches)
            else:
                found += piece
        return tuple(found)

    async def shown(self, session: str, first: SnapshotPage, start: int, stop: int) -> tuple[Message | Shown, ...]:
        """The same messages; those that are sealed as viewers are shown them."""
        found: list[Message | Shown] = []
        async for piece in self._pieces(session, first, start, stop):
            if isinstance(piece, _SealedPiece):
                found += await self._sealed.shown(session, piece.refs, piece.stretches)
            else:
                found += piece
        return tuple(found)

    async def _pieces(
        self, session: str, first: SnapshotPage, start: int, stop: int
    ) -> AsyncIterator[tuple[Message, ...] | _SealedPiece]:
        page = first
        while True:
            if start < page.start:
                yield _SealedPiece(page.sealed, first.path.between(start, min(page.start, stop)))
            yield page.messages
            start = page.start + len(page.messages)
            if start >= stop:
                return
            request = PageRequest(after=start, until=stop, path=first.path)
            page = await self._backend.query(session, SessionWorkflow.snapshot, request)
