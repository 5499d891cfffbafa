"""A session's event stream as `perdure chat` reads it, however often it breaks."""

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx2

from perdure.temporal.app.chat.waits import pause, told_to_wait
from perdure.temporal.app.console.gateway import problem_of
from perdure.temporal.app.console.refused import Refused

AWAY: Final = (httpx2.TransportError, httpx2.RemoteProtocolError)
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


def events_in(lines: Iterator[str]) -> Iterator[Frame]:
    """Type, `seq` (None for live frames) and data of each frame of an event stream."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line:
            fields[name] = value.removeprefix(" ")
            continue
        if "data" in fields:
            yield fields.get("event", ""), int(fields["id"]) if "id" in fields else None, json.loads(fields["data"])
        fields = {}


def frames_after(http: httpx2.Client, path: str, cursor: int) -> Iterator[Frame]:
    """The session's frames after a cursor, for ever; `SILENT` where nobody answers for the second time, `LIMITED` where
    there are too many streams or requests. Raises `Refused`."""
    failures = 0
    while True:
        wait: float | None = None
        try:
            headers = {"Last-Event-ID": str(cursor)}
            with http.stream("GET", f"{path}/events", headers=headers) as response:
                if response.status_code == 204:
                    yield ENDED, None, {}
                    return
                if response.status_code == 200:
                    for kind, seq, data in events_in(response.iter_lines()):
                        failures = 0
                        cursor = data["seq"] if kind == "session.snapshot" else max(cursor, seq or 0)
                        yield kind, seq, data
                elif response.status_code < 500:
                    response.read()
                    if (told := told_to_wait(response)) is not None:
                        words, wait = told
                        yield LIMITED, None, {"words": words}
                    elif response.status_code != 429:
                        raise Refused(problem_of(response))
        except AWAY:
            pass
        if wait is not None:
            time.sleep(wait)
            continue
        if failures == 1:
            # The first time, a stream that was cut is simply taken up again.
            yield SILENT, None, {}
        pause(failures)
        failures += 1


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
