"""The Python client for commands that wait for people: it runs on a thread of its own, and its caller is free to be
interrupted."""

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2

from perdure.client import Event, Perdure, Wait, errors
from perdure.gateway.client import following
from perdure.gateway.client.repeating import OnWait
from perdure.temporal.app.console.gateway import GatewayAddress

#: Without an end, Ctrl-C would not be heard on every system.
_HEARD_S: Final = 0.5
#: Events that wait for whoever reads them; then no more is read.
_QUEUE: Final = 100
_FULL_S: Final = 0.02

T = TypeVar("T")


class Connection:
    """A gateway. What fails is tried again, but where a method says otherwise."""

    def __init__(self, address: GatewayAddress, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.address = address
        self._perdure = Perdure(address.url, headers=address.headers, transport=transport)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._perdure.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, on_wait: OnWait | None = None
    ) -> httpx2.Response:
        """The answer, once there is one that does not pass. `on_wait` is called on another thread."""
        return self._run(self._perdure.exchange(method, path, json=body, on_wait=on_wait))

    def ask_once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """The answer; only what was one too many is asked again. Raises `Unreachable`."""
        return self._run(
            self._perdure.exchange(
                method, path, json=body, params=params, content=content, headers=headers, again=False
            )
        )

    def events(self, session_path: str, cursor: int) -> Iterator[Event | Wait]:
        """The session's events after a cursor, to its end, and what is waited for. Raises `PerdureError`."""
        found: queue.Queue[Event | Wait | BaseException | None] = queue.Queue()

        async def read() -> None:
            try:
                async for event in following.events(self._perdure, session_path, cursor, found.put):
                    while found.qsize() >= _QUEUE:  # noqa: ASYNC110 - what empties it is no task of this loop
                        await asyncio.sleep(_FULL_S)
                    found.put(event)
            except errors.PerdureError as error:
                found.put(error)
            else:
                found.put(None)

        reading = asyncio.run_coroutine_threadsafe(read(), self._loop)
        try:
            while (item := _next(found)) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            reading.cancel()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while True:
                try:
                    return future.result(_HEARD_S)
                except concurrent.futures.TimeoutError:
                    if future.done():
                        raise
        except KeyboardInterrupt:
            future.cancel()
            raise


def _next(found: "queue.Queue[Event | Wait | BaseException | None]") -> Event | Wait | BaseException | None:
    while True:
        try:
            return found.get(timeout=_HEARD_S)
        except queue.Empty:
            pass
