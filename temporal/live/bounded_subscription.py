"""The frames of one session for whoever subscribes to them, of whom nobody knows how fast they are taken."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from perdure.temporal.live.frames import Frame, Poke

#: Frames that wait for who subscribes, after which they are dropped and what there is so far comes in their place.
QUEUE: Final = 10_000


class BoundedSubscription(asyncio.Queue[Frame]):
    """A `Subscription`."""

    def __init__(self, so_far: Callable[[], Iterable[Frame]]) -> None:
        super().__init__()
        self._so_far = so_far
        self.renew()

    def renew(self) -> None:
        for frame in self._so_far():
            self.put_nowait(frame)

    def offer(self, frame: Frame) -> None:
        """`frame` is part of what there is so far already, if it can be."""
        if self.qsize() < QUEUE:
            self.put_nowait(frame)
            return
        while not self.empty():
            self.get_nowait()
        self.put_nowait(Poke())
        self.renew()
