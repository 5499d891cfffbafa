"""A session's event stream as `perdure chat` reads it, however often it breaks."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from perdure.client import Event, errors
from perdure.temporal.app.chat.waits import away, too_many
from perdure.temporal.app.console.connection import Connection
from perdure.temporal.app.console.gateway import problem_in
from perdure.temporal.app.console.refused import Refused

_HEARD_S: Final = 0.5
#: Frames that wait while a person answers a question, or types.
QUEUE: Final = 10_000
#: What is told in place of a frame: nobody answers; it was one too many, in `words`; the session is closed, and all of it
#: was sent.
SILENT: Final = "perdure.silent"
LIMITED: Final = "perdure.limited"
ENDED: Final = "perdure.ended"

#: Type, `seq` (None for live frames) and data.
Frame = tuple[str, int | None, dict[str, Any]]


def frames_after(gateway: Connection, path: str, cursor: int) -> Iterator[Frame]:
    """The session's frames after a cursor, to its end; `SILENT` where nobody answers for the second time, `LIMITED` where
    there are too many streams or requests. Raises `Refused`."""
    try:
        for item in gateway.events(path, cursor):
            if isinstance(item, Event):
                yield item.type, item.seq, item.data
            elif (words := too_many(item)) is not None:
                yield LIMITED, None, {"words": words}
            elif away(item) is not None:
                yield SILENT, None, {}
    except errors.PerdureError as error:
        raise Refused(problem_in(error, keyed=bool(gateway.address.key))) from None
    yield ENDED, None, {}


class InBackground:
    """Reads frames in a thread of its own; `arrived` is called there with each, and with None where reading failed.

    Once `QUEUE` frames wait, no more is read; a gateway cuts whoever reads nothing, and the stream is taken up again."""

    def __init__(self, frames: Iterator[Frame], arrived: Callable[[Frame | None], None]) -> None:
        self._found: queue.Queue[Frame | Exception] = queue.Queue(QUEUE)
        self._arrived = arrived
        threading.Thread(target=self._read, args=(frames,), daemon=True).start()

    def next(self) -> Frame | None:
        """The next one; None: it has not come yet. Raises `Refused`."""
        try:
            return _frame(self._found.get_nowait())
        except queue.Empty:
            return None

    def wait(self) -> Frame:
        """The next one, once it has come. Raises `Refused`."""
        while True:
            try:
                # Without an end, Ctrl-C would not be heard on every system.
                return _frame(self._found.get(timeout=_HEARD_S))
            except queue.Empty:
                pass

    def _read(self, frames: Iterator[Frame]) -> None:
        try:
            for frame in frames:
                self._found.put(frame)
                self._arrived(frame)
        except Exception as error:  # It is raised where the frames are used; once the program ends, nobody does.
            self._found.put(error)
            self._arrived(None)


def _frame(found: Frame | Exception) -> Frame:
    if isinstance(found, Exception):
        raise found
    return found
