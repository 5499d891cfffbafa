"""What of a session's past is sealed, as its readers want it: events from a cursor on, messages by number, steps.

Rule: a part that is lost is told as `StateLost`, which names its blob. Whatever does not need it is answered all the same.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

from perdure.temporal.sessions.errors import StateLost
from perdure.temporal.sessions.event_json import message_json
from perdure.temporal.sessions.hydrate import whole_message
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.segments import SegmentLost, Segments
from perdure.workflows.core.fork import still_waiting
from perdure.workflows.core.traced import traced
from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.queries import EventsPage
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.segments import Segment
from perdure.workflows.protocol.traces import TraceStep
from perdure.workflows.vocabulary.events import Event, TurnStarted
from perdure.workflows.vocabulary.ids import turn_number, turn_of
from perdure.workflows.vocabulary.parts import Message

#: Bytes of JSON that are kept in memory, of messages as viewers see them.
_KEPT: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as viewers are shown it."""

    id: str
    turn_id: str | None
    json: bytes


class Sealed:
    """Reads the sealed past of sessions; `session` is always a workflow id. All raise `StateLost` and `StoreUnavailable`."""

    def __init__(self, blobs: BlobStore, kept_bytes: int = _KEPT) -> None:
        self._blobs = blobs
        self._segments = Segments(blobs)
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[str, tuple[tuple[Shown, ...], int]] = OrderedDict()
        self._size = 0

    async def events(self, session: str, refs: tuple[SegmentRef, ...], after: int) -> AsyncIterator[tuple[Event, ...]]:
        """The sealed events greater than `after`, a segment at a time."""
        async for leaf in self.leaves(session, refs, lambda ref: ref.last > after):
            segment = await self.segment(session, leaf)
            yield segment.events[max(after + 1 - segment.first, 0) :]
            # However much there is to read, others have their turn.
            await asyncio.sleep(0)

    async def messages(
        self, session: str, refs: tuple[SegmentRef, ...], stretches: tuple[Stretch, ...]
    ) -> tuple[Message, ...]:
        """The messages of these numbers, big parts still offloaded."""
        with _lost():
            return await self._segments.messages(session, refs, stretches)

    async def shown(
        self, session: str, refs: tuple[SegmentRef, ...], stretches: tuple[Stretch, ...]
    ) -> tuple[Shown, ...]:
        """The messages of these numbers as viewers are shown them."""
        leaves = [leaf async for leaf in self.leaves(session, refs, lambda ref: any(map(ref.holds, stretches)))]
        found: list[Shown] = []
        for stretch in stretches:
            before = len(found)
            for leaf in filter(lambda ref: ref.holds(stretch), leaves):
                whole = await self._shown_of(session, leaf)
                found += whole[max(stretch.start - leaf.start, 0) : stretch.stop - leaf.start]
            if len(found) - before != stretch.length:
                raise StateLost(
                    f"Messages {stretch.start} to {stretch.stop - 1} of the session are in none of its segments."
                )
        return tuple(found)

    async def steps(self, session: str, refs: tuple[SegmentRef, ...], after: int) -> AsyncIterator[TraceStep]:
        """The steps in what `refs` hold, but for the first `after` ones."""
        for ref in refs:
            if ref.steps <= after:
                after -= ref.steps
            elif ref.level:
                async for step in self.steps(session, await self._index(session, ref), after):
                    yield step
                after = 0
            else:
                for step in islice(_steps_in(await self.segment(session, ref)), after, None):
                    yield step
                after = 0

    async def step(self, session: str, refs: tuple[SegmentRef, ...], step_id: str) -> TraceStep | None:
        """A step of this id in what `refs` hold; None where there is none."""
        async for segment in self._of_turn(session, refs, turn_of(step_id)):
            for step in _steps_in(segment):
                if step.record.step_id == step_id:
                    return step
        return None

    async def turn_began(self, session: str, refs: tuple[SegmentRef, ...], turn_id: str) -> int | None:
        """`seq` of the sealed `turn.started` of a turn; None where there is none."""
        async for segment in self._of_turn(session, refs, turn_id):
            for event in segment.events:
                if isinstance(event, TurnStarted) and event.turn_id == turn_id:
                    return event.seq
        return None

    async def segments(
        self, session: str, refs: Iterable[SegmentRef], wanted: Callable[[SegmentRef], bool] = lambda ref: True
    ) -> AsyncIterator[Segment]:
        """The segments below `refs`, oldest first, where `wanted` is true of their refs and of those above them."""
        async for leaf in self.leaves(session, refs, wanted):
            yield await self.segment(session, leaf)

    async def _of_turn(self, session: str, refs: tuple[SegmentRef, ...], turn_id: str) -> AsyncIterator[Segment]:
        number = turn_number(turn_id) or 0
        async for segment in self.segments(session, refs, lambda ref: ref.first_turn <= number <= ref.last_turn):
            yield segment

    async def waiting(self, session: str, refs: tuple[SegmentRef, ...]) -> tuple[str, ...]:
        """The ids of the messages that waited for a turn after all that `refs` hold."""
        found: dict[str, None] = {}
        async for leaf in self.leaves(session, refs):
            # Few segments tell of a message that waits, and reading the others would take long.
            if found or await self.tells(session, leaf, b'"message.queued"'):
                found = still_waiting((await self.segment(session, leaf)).events, found)
        return tuple(found)

    async def before(self, session: str, refs: tuple[SegmentRef, ...], leaf: SegmentRef) -> tuple[SegmentRef, ...]:
        """The refs of what comes before a segment below `refs`; an index that holds it gives way to what it holds."""
        found: list[SegmentRef] = []
        for ref in refs:
            if ref == leaf:
                break
            if ref.level and ref.stop >= leaf.stop and ref.last >= leaf.last:
                return (*found, *await self.before(session, await self._index(session, ref), leaf))
            found.append(ref)
        return tuple(found)

    def forget(self, session: str) -> None:
        """Drops what is kept in memory of a session that is erased."""
        for key in [key for key in self._kept if key.startswith(f"{session}/")]:
            self._size -= self._kept.pop(key)[1]
        self._segments.forget(session)

    async def leaves(
        self, session: str, refs: Iterable[SegmentRef], wanted: Callable[[SegmentRef], bool] = lambda ref: True
    ) -> AsyncIterator[SegmentRef]:
        """The refs of segments below `refs`, oldest first, where `wanted` is true of them and of those above them."""
        with _lost():
            async for leaf in self._segments.leaves(session, refs, wanted):
                yield leaf

    async def tells(self, session: str, leaf: SegmentRef, words: bytes) -> bool:
        """Whether the JSON of a segment contains these words. False if it is lost: whoever reads it is told of that."""
        try:
            return words in await self._segments.raw(session, leaf)
        except SegmentLost:
            return False

    async def _index(self, session: str, ref: SegmentRef) -> tuple[SegmentRef, ...]:
        with _lost():
            return await self._segments.index(session, ref)

    async def segment(self, session: str, leaf: SegmentRef) -> Segment:
        with _lost():
            return await self._segments.segment(session, leaf)

    async def _shown_of(self, session: str, leaf: SegmentRef) -> tuple[Shown, ...]:
        """All messages of a segment."""
        key = leaf.key(session)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][0]
        said = (await self.segment(session, leaf)).said()
        whole = [await whole_message(message, self._blobs) for message in said]
        shown = await asyncio.to_thread(_encoded, whole)
        self._keep(key, shown)
        return shown

    def _keep(self, key: str, shown: tuple[Shown, ...]) -> None:
        size = sum(len(one.json) for one in shown)
        if key in self._kept or size > self._kept_bytes // 4:
            return
        self._kept[key] = shown, size
        self._size += size
        while self._size > self._kept_bytes:
            self._size -= self._kept.popitem(last=False)[1][1]


async def all_events(sealed: Sealed, session: str, page: EventsPage, after: int) -> AsyncIterator[tuple[Event, ...]]:
    """The events of a page that was asked for those greater than `after`: first those that are sealed."""
    async for events in sealed.events(session, page.sealed, after):
        yield events
    yield page.events


def _steps_in(segment: Segment) -> Iterator[TraceStep]:
    for step in traced(segment.steps, segment.events):
        yield step.model_copy(update={"agent": segment.agents.get(step.record.digest)})


def _encoded(messages: Iterable[Message]) -> tuple[Shown, ...]:
    return tuple(Shown(one.id, one.turn_id, to_json(message_json(one))) for one in messages)


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except SegmentLost as error:
        raise StateLost(
            f"{str(error)[:1].upper()}{str(error)[1:]}. Put it back from a backup of the blob store."
        ) from error
