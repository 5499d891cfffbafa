"""One reader of a session's stream.

Rule: a viewer that cannot keep up is cut; it resumes by its cursor.
"""

import asyncio
from collections.abc import Callable

from perdure.gateway.http.sse import StreamCut, StreamMoved
from perdure.gateway.live.items import Item


class Viewer:
    """A bounded queue that the watch fills. `None` in it says that the session is closed, all sent."""

    def __init__(self, cursor: int, limit: int, too_slow: Callable[[], None] = lambda: None) -> None:
        """`too_slow` is called when it is cut because `limit` frames wait for it."""
        self.cursor = cursor
        #: Whether it gets live frames.
        self.live = False
        self._limit = limit
        self._too_slow = too_slow
        self._queue: asyncio.Queue[Item | None] = asyncio.Queue()
        self._cut: type[StreamCut] | None = None

    def offer(self, item: Item | None) -> None:
        if self._cut:
            return
        if item is not None:
            if item.seq is None and not self.live:
                return
            if item.seq is not None:
                if item.seq <= self.cursor:
                    return
                self.cursor = item.seq
        if self._queue.qsize() >= self._limit:
            self.cut()
            self._too_slow()
        else:
            self._queue.put_nowait(item)

    def cut(self, *, moved: bool = False) -> None:
        """`moved`: the process stops, and another one goes on."""
        if self._cut:
            return
        self._cut = StreamMoved if moved else StreamCut
        # A reader whose connection is stuck may come back for this late or never.
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def read(self) -> Item | None:
        item = await self._queue.get()
        if self._cut:
            raise self._cut
        return item
