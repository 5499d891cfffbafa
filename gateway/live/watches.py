"""All watches of one gateway: whoever wants a session's events is given what was missed, and then joins its watch."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from itertools import chain, repeat

import structlog

from perdure.gateway.http.sse import StreamMoved
from perdure.gateway.live.items import Item
from perdure.gateway.live.remote_progress import AskLook
from perdure.gateway.live.viewer import Viewer
from perdure.gateway.live.watch import AskEvents, Patience, Watch
from perdure.temporal.live.protocols import LiveSubscriber
from perdure.temporal.sessions.errors import SessionError, SessionNotFound
from perdure.temporal.sessions.hydrate import whole_event
from perdure.temporal.sessions.sealed import Sealed, all_events
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics
from perdure.workflows.protocol.queries import EventsPage, Receipt

log = structlog.get_logger(__name__)


class Watches:
    """All watches of this gateway. `snapshot` gives a session in whole."""

    def __init__(
        self,
        live: LiveSubscriber,
        blobs: BlobStore,
        sealed: Sealed,
        ask: AskEvents,
        look: AskLook,
        snapshot: Callable[[str], Awaitable[Snapshot]],
        viewer_queue: int,
        *,
        patience: Patience = Patience(),
        metrics: Metrics = UNMEASURED,
    ) -> None:
        self._live = live
        self._blobs = blobs
        self._sealed = sealed
        self._ask = ask
        self._look = look
        self._snapshot = snapshot
        self._viewer_queue = viewer_queue
        self._patience = patience
        self._metrics = metrics
        self._watches: dict[str, Watch] = {}
        self._viewers = 0
        self._shut = asyncio.Event()

    async def follow(self, session: str, after: int | None, *, patient: bool = False) -> AsyncGenerator[Item]:
        """Events greater than `after` (None: all), live frames between them; ends when the session is closed.

        Raises SessionError before the first item where the session cannot be asked, and StreamCut where the reader has to
        come again. One that is `patient` waits until the session can be asked; it must exist.
        """
        cursor = after or 0
        page: EventsPage | None = None
        while not self._shut.is_set():
            watch = self._watch(session, page, cursor)
            # A cursor may be one that the session never had, so one that is ahead of the watch is looked at first.
            if watch is not None and watch.reaches_back_to <= cursor and (page or cursor <= watch.cursor):
                missed = watch.since(cursor)
                if not missed:
                    break
                for event in missed:
                    cursor = event.seq or cursor
                    yield event
                continue
            page = await (self._ask_until_told if patient else self._ask)(session, cursor)
            if cursor > page.seq or page.oldest > cursor + 1:
                whole = await self._snapshot(session)
                cursor, page = whole.page.seq, None
                yield Item(whole)
                continue
            async for events in all_events(self._sealed, session, page, cursor):
                for fact in events:
                    cursor = fact.seq
                    yield Item(await whole_event(fact, self._blobs))
            if page.closed and not page.more:
                return
        else:
            raise StreamMoved
        viewer = Viewer(cursor, self._viewer_queue, self._metrics.viewer_cut)
        watch.join(viewer)
        self._count(+1)
        try:
            while (item := await viewer.read()) is not None:
                yield item
        finally:
            watch.viewers.discard(viewer)
            self._count(-1)
            if not watch.viewers:
                watch.stop()
                if self._watches.get(session) is watch:
                    del self._watches[session]

    def take_receipt(self, session: str) -> Receipt | None:
        """What the session's watch knows for certain in place of the query `receipt`, for a new message; see `Watch`."""
        watch = self._watches.get(session)
        return None if watch is None else watch.take_receipt()

    async def _ask_until_told(self, session: str, cursor: int) -> EventsPage:
        """Raises `SessionNotFound`, and StreamCut where this process stops."""
        for wait in chain(self._patience.retry_s, repeat(self._patience.retry_s[-1])):
            try:
                return await self._ask(session, cursor)
            except SessionNotFound:
                raise
            except SessionError as error:
                log.warning("stream_waits", session=session, code=error.code)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait * random.uniform(0.8, 1.2)):
                    await self._shut.wait()
                    break
        raise StreamMoved

    def _watch(self, session: str, page: EventsPage | None, cursor: int) -> Watch | None:
        """The session's watch; a new one where there is none and `page` went up to `cursor`, the session's last event."""
        watch = self._watches.get(session)
        if watch is not None and not watch.broken:
            return watch
        if page is None or page.seq != cursor:
            return None
        watch = Watch(
            session,
            page,
            self._live,
            self._blobs,
            self._sealed,
            self._ask,
            self._look,
            self.follow,
            patience=self._patience,
            watched=self._watches.__len__,
            metrics=self._metrics,
        )
        self._watches[session] = watch
        return watch

    def _count(self, change: int) -> None:
        self._viewers += change
        self._metrics.viewers(self._viewers)

    @property
    def viewers(self) -> int:
        return self._viewers

    async def until_cut(self) -> None:
        """Returns once this process stops, for whoever waits for something beside its viewers."""
        await self._shut.wait()

    def cut(self) -> None:
        """Drops all viewers; for a process that stops."""
        self._shut.set()
        for watch in self._watches.values():
            for viewer in watch.viewers:
                viewer.cut(moved=True)
