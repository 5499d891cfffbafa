"""Watches: one for each session that somebody looks at, however many do.

Rule 1: events come from the session by query and from nowhere else; the live plane only says when to ask. One query is
in flight for a session at a time.
Rule 2: a lost poke costs a moment, never an event: while a session works, its history length is compared each second;
more rarely where the live plane is whole, which loses none. A session at rest is looked at each half minute, and ever more
rarely the longer it has rested while the live plane carries what other processes publish. While nothing is heard, because
what carries the live plane is away, sessions at rest are looked at more often, but all of a gateway's together no more than
so many times a second.
Rule 3: what a session that rests last told of itself holds until something happens to it. That is certain only where the
live plane is whole, for then everything that happens pokes, and its worker is in this process.
Rule 4: a viewer that has been told more than its watch knows yet gets live frames only once the watch knows it too.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass

import structlog

from perdure.gateway.http.sse import StreamCut
from perdure.gateway.live.items import Frame, Item, weight
from perdure.gateway.live.remote_progress import AskLook, RemoteProgress
from perdure.gateway.live.step import LiveStep
from perdure.gateway.live.sub_agents import Follow, LiveChildren
from perdure.gateway.live.tail import Tail
from perdure.gateway.live.tools import LiveTools
from perdure.gateway.live.trouble import Trouble
from perdure.gateway.live.viewer import Viewer
from perdure.temporal.live.frames import Frame as LiveFrame
from perdure.temporal.live.frames import Poke, ToolProgress
from perdure.temporal.live.protocols import LiveSubscriber, Subscription
from perdure.temporal.sessions.errors import SessionError, SessionNotFound
from perdure.temporal.sessions.hydrate import whole_event
from perdure.temporal.sessions.sealed import Sealed, all_events
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.telemetry.metrics import Metrics
from perdure.workflows.protocol.queries import EventsPage, Receipt
from perdure.workflows.vocabulary.events import Event, StepFinished, StepStarted

log = structlog.get_logger(__name__)

#: Events that a watch keeps for viewers who join or come back, and about how many bytes of them.
TAIL = 2_000
TAIL_BYTES = 8 * 1024 * 1024

AskEvents = Callable[[str, int], Awaitable[EventsPage]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a watch waits before it looks whether a poke was lost, and before it asks again in vain."""

    working_s: float = 1.0
    #: The former where the live plane is whole.
    whole_s: float = 5.0
    resting_s: float = 30.0
    #: The former at most, which each look that finds nothing doubles. Thousands of idle viewers cost little that way.
    rested_s: float = 120.0
    #: Looks a second at all sessions that rest, together, while the live plane is lost; and how soon that is noticed.
    lost_looks: float = 50.0
    notice_s: float = 5.0
    retry_s: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0)


class Watch:
    """Follows one session from `cursor` on and hands what it sees to its viewers, in order."""

    def __init__(
        self,
        session: str,
        page: EventsPage,
        live: LiveSubscriber,
        blobs: BlobStore,
        sealed: Sealed,
        ask: AskEvents,
        look: AskLook,
        follow: Follow,
        *,
        patience: Patience,
        watched: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        """`page` is the last one that its first viewer was given: the watch goes on from there. `follow` gives the
        streams of sub-agents' sessions, `watched` the number of the gateway's watches."""
        self.session = session
        self.viewers: set[Viewer] = set()
        self.cursor = page.seq
        self.closed = False
        #: It goes on no more, and viewers who come need another.
        self.broken = False
        #: Its session's tasks are taken first.
        self.preferred = False
        self._patience = patience
        self._watched = watched
        self._tail: Tail[Item] = Tail(TAIL, TAIL_BYTES)
        self._live = live
        self._blobs = blobs
        self._sealed = sealed
        self._ask = ask
        self._wake = asyncio.Event()
        #: The highest `seq` that a poke told; and whether one came, or a viewer, that did not tell how far to ask.
        self._poked = 0
        self._unsure = False
        self.working = page.working
        self._rests: Receipt | None = None
        self._subscription: Subscription | None = None
        self._step = LiveStep(page.last_step, page.step_open, self._renew, metrics)
        self._tools = LiveTools(page.running)
        self._remote = RemoteProgress(session, set(page.running) - page.sub_sessions.keys(), look, self._take)
        open_step = page.last_step if page.step_open else None
        self._trouble = Trouble(open_step, self._remote.look, self._send)
        self._children = LiveChildren(session, page.sub_sessions, follow, self._send)
        self._tasks = [
            asyncio.create_task(self._guard(self._follow_live())),
            asyncio.create_task(self._guard(self._follow_session())),
            asyncio.create_task(self._guard(self._remote.run())),
            asyncio.create_task(self._guard(self._trouble.run())),
        ]

    @property
    def reaches_back_to(self) -> int:
        """The lowest cursor that can join without asking the session."""
        return self.cursor - len(self._tail)

    def since(self, cursor: int) -> list[Item]:
        """The events greater than `cursor`, which is at least `reaches_back_to`, as far as the watch knows them."""
        return self._tail.since(max(cursor - self.reaches_back_to, 0))

    def take_receipt(self) -> Receipt | None:
        """What `receipt` would tell now of a message that the session has not seen; None where only it can tell. Given
        once: whoever takes it is about to change the session."""
        told, self._rests = self._rests, None
        return None if self._unsure or self._poked > self.cursor or self.broken else told

    def join(self, viewer: Viewer) -> None:
        """`viewer` has been given all that the watch knows, or more."""
        self.viewers.add(viewer)
        self._let_in(viewer)
        if not viewer.live:
            self._unsure = True
            self._wake.set()
        if self.closed:
            viewer.offer(None)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._children.stop()

    def _let_in(self, viewer: Viewer) -> None:
        """Live frames from here on, first what the open step has streamed so far; not while the viewer is ahead."""
        if viewer.live or viewer.cursor > self.cursor:
            return
        viewer.live = True
        for frame in (*self._step.so_far(), *self._trouble.so_far(), *self._tools.so_far(), *self._children.so_far()):
            viewer.offer(Item(frame))

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        """A watch that breaks cuts its viewers, who come again, rather than leave them waiting."""
        try:
            await work
        except StreamCut:
            self._break()
        except Exception:
            log.exception("watch_broke", session=self.session)
            self._break()

    def _break(self) -> None:
        self.broken = True
        self.stop()
        for viewer in self.viewers:
            viewer.cut()

    # The live plane.

    async def _follow_live(self) -> None:
        async with self._live.subscribe(self.session) as frames:
            self._subscription = frames
            while True:
                self._take(await frames.get())

    def _renew(self) -> None:
        if self._subscription is not None:
            self._subscription.renew()

    def _take(self, frame: LiveFrame) -> None:
        if isinstance(frame, Poke):
            self._poked = max(self._poked, frame.seq)
            self._unsure = self._unsure or frame.seq == 0
            if frame.seq == 0 or frame.seq > self.cursor:
                self._wake.set()
            return
        if not isinstance(frame, ToolProgress):
            self._trouble.hear(frame)
        for shown in self._tools.take(frame) if isinstance(frame, ToolProgress) else self._step.take(frame):
            self._send(shown)
        if self._step.waits:
            self._wake.set()

    # The durable plane.

    async def _follow_session(self) -> None:
        failures = 0
        seen: tuple[str, int] | None = None
        while not self.closed:
            try:
                self._wake.clear()
                self._unsure = False
                page = await self._catch_up()
                failures = 0
                if not (self._unsure or self._step.waits or self._poked > self.cursor):
                    # What came while the question was under way is in its answer: asking again would tell nothing.
                    self._wake.clear()
                    self._rests = page.rests if self._live.whole else None
                seen = await self._until_news(seen)
            except SessionNotFound:
                raise
            except SessionError as error:
                waits = self._patience.retry_s
                await asyncio.sleep(waits[min(failures, len(waits) - 1)] * random.uniform(0.8, 1.2))
                failures += 1
                log.warning("watch_waits", session=self.session, code=error.code, failures=failures)

    async def _until_news(self, seen: tuple[str, int] | None) -> tuple[str, int] | None:
        """Returns on a poke, or when the history is not as long as it was, or of another run; then with what it is now."""
        quiet = 0
        while not self.closed and not await self._woken(quiet):
            quiet += 1
            look = await self._remote.look()
            self._trouble.take(look)
            if (look.run_id, look.length) != seen:
                return look.run_id, look.length
        return seen

    async def _woken(self, quiet: int) -> bool:
        """Waits for a poke, or until it is time to look whether one was lost, after so many looks that found nothing."""
        loop = asyncio.get_running_loop()
        began, share = loop.time(), random.uniform(0.8, 1.2)
        while not self._wake.is_set() and (left := began + self._pause_s(quiet, share) - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, self._patience.notice_s)):
                    await self._wake.wait()
        return self._wake.is_set()

    def _pause_s(self, quiet: int, share: float) -> float:
        patience = self._patience
        if self.working:
            return patience.whole_s if self._live.whole else patience.working_s
        if self._live.state == "lost":
            return min(patience.resting_s, max(patience.working_s, self._watched() / patience.lost_looks)) * share
        if self._live.state == "missing":
            return patience.resting_s * share
        # Bounded before it is shifted: `quiet` grows for days.
        grown = patience.resting_s * (1 << min(quiet, 16))
        return min(grown, max(patience.rested_s, patience.resting_s)) * share

    async def _catch_up(self) -> EventsPage:
        """Returns the last page."""
        self._rests = None
        while True:
            page = await self._ask(self.session, self.cursor)
            if page.oldest > self.cursor + 1 or page.seq < self.cursor:
                # More happened unseen than the session keeps, or it is not the one that it was: viewers must start
                # over from a snapshot.
                raise StreamCut
            async for events in all_events(self._sealed, self.session, page, self.cursor):
                for event in events:
                    await self._publish(event)
            if not page.more:
                break
        self.working = page.working
        if page.closed:
            self.closed = True
            for viewer in self.viewers:
                viewer.offer(None)
        return page

    async def _publish(self, event: Event) -> None:
        item = Item(await whole_event(event, self._blobs))
        self.cursor = event.seq
        self._tail.keep(item, weight(event))
        self._broadcast(item)
        for progress in self._tools.follow(event):
            self._send(progress)
        self._remote.follow(event)
        self._trouble.follow(event)
        self._children.follow(event)
        match event:
            case StepStarted():
                for frame in self._step.started(event.step_id):
                    self._send(frame)
            case StepFinished():
                self._step.finished()
            case _:
                pass
        for viewer in self.viewers:
            self._let_in(viewer)

    def _send(self, frame: Frame) -> None:
        self._broadcast(Item(frame))

    def _broadcast(self, item: Item) -> None:
        for viewer in self.viewers:
            viewer.offer(item)
