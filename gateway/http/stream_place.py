"""The place of an event stream: it is taken before anything is done for the stream, and left when the stream ends."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from perdure.temporal.sessions.limits.limits import NOWHERE, Limits, Place
from perdure.temporal.sessions.principal import Principal


class StreamPlace:
    def __init__(self, place: Place) -> None:
        self._place = place
        self.handed_over = False

    def hand_over(self) -> Callable[[], None]:
        """What is to be called when the stream ends. From now on nobody else leaves the place."""
        self.handed_over = True
        return self.leave

    def leave(self) -> None:
        self._place.leave()


@asynccontextmanager
async def stream_place(limits: Limits, by: Principal, *, wanted: bool = True) -> AsyncIterator[StreamPlace]:
    """A place for as long as the block takes, and longer where it is handed over to a stream. Raises `TooManyStreams`."""
    place = StreamPlace(await limits.stream(by) if wanted else NOWHERE)
    try:
        yield place
    finally:
        if not place.handed_over:
            place.leave()
