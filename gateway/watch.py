"""Watches: one for each session that somebody looks at, however many do.

Rule 1: events come from the session by query and from nowhere else; the live plane only says when to ask. One query is
in flight for a session at a time.
Rule 2: live frames of a step wait until its `step.started` is out, and are dropped once its `step.finished` is.
Rule 3: a lost poke costs a moment, never an event: while a session works, its history length is compared each second.
Rule 4: a viewer that cannot keep up is cut; it resumes by its cursor.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress

import structlog

from gateway.problems import Problem
from gateway.sse import Outgoing, StreamCut, encode, encode_delta, encode_progress
from gateway.viewer import event_json
from temporal.blobs import BlobStore
from temporal.live import Frame, Live, Poke, StepDelta, StepProgress
from workflows.commands import EventsPage
from workflows.events import Event, StepFinished, StepStarted

log = structlog.get_logger(__name__)

#: Encoded events that a watch keeps for viewers who join or come back.
TAIL = 2_000
WORKING_CHECK_S = 1.0
RESTING_CHECK_S = 30.0
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)

AskEvents = Callable[[str, int], Awaitable[EventsPage]]
#: The length of a session's current history, with its run: what changes when anything happens.
AskLength = Callable[[str], Awaitable[tuple[str, int]]]


class Viewer:
    """One reader: a bounded queue that the watch fills. `None` in it says that the session is closed, all sent."""

    def __init__(self, cursor: int, limit: int) -> None:
        self.cursor = cursor
        self._limit = limit
        self._queue: asyncio.Queue[Outgoing | None] = asyncio.Queue()
        self._cut = False

    def offer(self, item: Outgoing | None) -> None:
        if item is not None and item.seq is not None:
            if item.seq <= self.cursor:
                return
            self.cursor = item.seq
        if self._queue.qsize() >= self._limit:
            self.cut()
        else:
            self._queue.put_nowait(item)

    def cut(self) -> None:
        self._cut = True
        self._queue.put_nowait(None)

    async def read(self) -> Outgoing | None:
        item = await self._queue.get()
        if self._cut:
            raise StreamCut
        return item


class Watch:
    """Follows one session from `cursor` on and hands what it sees to its viewers, in order."""

    def __init__(
        self, session: str, page: EventsPage, live: Live, blobs: BlobStore, ask: AskEvents, length: AskLength
    ) -> None:
        """`page` is the last one that its first viewer was given: the watch goes on from there."""
        self.session = session
        self.viewers: set[Viewer] = set()
        self.closed = False
        self._cursor = page.seq
        self._tail: deque[Outgoing] = deque(maxlen=TAIL)
        self._live = live
        self._blobs = blobs
        self._ask = ask
        self._length = length
        self._wake = asyncio.Event()
        self._working = page.working
        #: The step that started last, as far as viewers know, and whether it is still open.
        self._last_step = _order(page.last_step)
        self._step_open = page.step_open
        self._progress: StepProgress | None = None
        self._held: list[StepDelta | StepProgress] = []
        self._tasks = [
            asyncio.create_task(self._guard(self._follow_live())),
            asyncio.create_task(self._guard(self._follow_session())),
        ]

    @property
    def reaches_back_to(self) -> int:
        """The lowest cursor that can join without asking the session."""
        first = self._tail[0].seq if self._tail else None
        return self._cursor if first is None else first - 1

    def join(self, viewer: Viewer) -> None:
        for item in self._tail:
            viewer.offer(item)
        if self._progress is not None and self._step_open and self._progress.n:
            viewer.offer(encode_progress(self._progress))
        self.viewers.add(viewer)
        if self.closed:
            viewer.offer(None)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        """A watch that breaks cuts its viewers, who come again, rather than leave them waiting."""
        try:
            await work
        except Exception:
            log.exception("watch_broke", session=self.session)
            self._cut_all()

    # The live plane.

    async def _follow_live(self) -> None:
        async with self._live.watch(self.session) as frames:
            while True:
                self._take(await frames.get())

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Poke):
            if frame.seq == 0 or frame.seq > self._cursor:
                self._wake.set()
            return
        order = _order(frame.step_id)
        if order == self._last_step and self._step_open:
            self._show(frame)
        elif order > self._last_step:
            self._held.append(frame)
            self._wake.set()

    def _show(self, frame: StepDelta | StepProgress) -> None:
        known = self._progress_of(frame.step_id)
        if known is not None:
            if frame.attempt < known.attempt:
                return
            if isinstance(frame, StepDelta) and frame.attempt == known.attempt and frame.n <= known.n:
                if frame.n == known.n:
                    known.add(frame)
                    self._broadcast(encode_delta(frame))
                return
        # A new attempt, or a gap: what there is now replaces what viewers have.
        whole = frame if isinstance(frame, StepProgress) else self._live.progress(self.session)
        if whole is None or whole.step_id != frame.step_id:
            return
        self._progress = whole.copy()
        if whole.attempt > 1 or whole.n:
            self._broadcast(encode_progress(whole))

    def _progress_of(self, step_id: str) -> StepProgress | None:
        return self._progress if self._progress is not None and self._progress.step_id == step_id else None

    # The durable plane.

    async def _follow_session(self) -> None:
        failures = 0
        seen: tuple[str, int] | None = None
        while not self.closed:
            try:
                self._wake.clear()
                await self._catch_up()
                failures = 0
                seen = await self._until_news(seen)
            except Problem as problem:
                if problem.status == 404:
                    raise
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)] * random.uniform(0.8, 1.2))
                failures += 1
                log.warning("watch_waits", session=self.session, code=problem.code, failures=failures)

    async def _until_news(self, seen: tuple[str, int] | None) -> tuple[str, int] | None:
        """Returns on a poke, or when the history is not as long as it was; then with what it is now."""
        while not self.closed and not await self._woken():
            now = await self._length(self.session)
            if now != seen:
                return now
        return seen

    async def _woken(self) -> bool:
        """Waits for a poke, or until it is time to look whether one was lost."""
        resting = RESTING_CHECK_S * random.uniform(0.8, 1.2)
        patience = WORKING_CHECK_S if self._working else resting
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._wake.wait()
        return self._wake.is_set()

    async def _catch_up(self) -> None:
        while True:
            page = await self._ask(self.session, self._cursor)
            if page.oldest > self._cursor + 1:
                # More happened unseen than the session keeps: viewers must start over from a snapshot.
                raise StreamCut
            for event in page.events:
                await self._publish(event)
            if not page.more:
                break
        self._working = page.working
        if page.closed:
            self.closed = True
            for viewer in self.viewers:
                viewer.offer(None)

    async def _publish(self, event: Event) -> None:
        item = await encoded(event, self._blobs)
        self._cursor = event.seq
        self._tail.append(item)
        self._broadcast(item)
        match event:
            case StepStarted():
                self._last_step, self._step_open = _order(event.step_id), True
                held, self._held = self._held, []
                for frame in held:
                    self._take(frame)
            case StepFinished():
                self._step_open = False
                self._progress = None
            case _:
                pass

    def _broadcast(self, item: Outgoing) -> None:
        for viewer in self.viewers:
            viewer.offer(item)

    def _cut_all(self) -> None:
        for viewer in self.viewers:
            viewer.cut()


async def encoded(event: Event, blobs: BlobStore) -> Outgoing:
    return encode(event.type, await event_json(event, blobs), event.seq, event.turn_id)


def _order(step_id: str | None) -> tuple[int, int]:
    if step_id is None:
        return 0, 0
    turn, _, step = step_id.partition(".")
    return int(turn[1:]), int(step[1:])


class Watches:
    """All watches of this gateway. `snapshot` gives a session in whole, as `session.snapshot` shows it."""

    def __init__(
        self,
        live: Live,
        blobs: BlobStore,
        ask: AskEvents,
        length: AskLength,
        snapshot: Callable[[str], Awaitable[dict[str, object]]],
        viewer_queue: int,
    ) -> None:
        self._live = live
        self._blobs = blobs
        self._ask = ask
        self._length = length
        self._snapshot = snapshot
        self._viewer_queue = viewer_queue
        self._watches: dict[str, Watch] = {}
        self._shut = False

    async def follow(self, session: str, after: int | None) -> AsyncGenerator[Outgoing]:
        """Events greater than `after` (None: all), live frames between them; ends when the session is closed.

        Raises Problem before the first item where the session cannot be asked, and StreamCut where the reader has to
        come again.
        """
        cursor = after or 0
        while True:
            watch = self._watches.get(session)
            if self._shut:
                raise StreamCut
            if watch is not None and watch.reaches_back_to <= cursor:
                break
            page = await self._ask(session, cursor)
            if cursor > page.seq or page.oldest > cursor + 1:
                whole = await self._snapshot(session)
                cursor = int(str(whole["seq"]))
                yield encode("session.snapshot", whole)
                continue
            for event in page.events:
                cursor = event.seq
                yield await encoded(event, self._blobs)
            if page.more:
                continue
            if page.closed:
                return
            watch = self._watches.get(session)
            if watch is None:
                watch = Watch(session, page, self._live, self._blobs, self._ask, self._length)
                self._watches[session] = watch
                break
        viewer = Viewer(cursor, self._viewer_queue)
        watch.join(viewer)
        try:
            while (item := await viewer.read()) is not None:
                yield item
        finally:
            watch.viewers.discard(viewer)
            if not watch.viewers and self._watches.get(session) is watch:
                del self._watches[session]
                watch.stop()

    @property
    def viewers(self) -> int:
        return sum(len(watch.viewers) for watch in self._watches.values())

    def cut(self) -> None:
        """Drops all viewers; for a process that stops."""
        self._shut = True
        for watch in self._watches.values():
            for viewer in watch.viewers:
                viewer.cut()
