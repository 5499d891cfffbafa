"""An event loop with virtual time: the clock advances only when nothing else is left to do, and then at once.

So tests of time-outs and intervals take no time and are deterministic. Not for threads or sockets.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Clock(selectors.DefaultSelector):
    """The loop sleeps here."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("deadlock: every task waits, and no timer is set")
            self.now += max(timeout, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` to its end in virtual time. Fails if a task failed without being awaited."""
    loop = VirtualLoop()
    troubles: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: troubles.append(context))
    try:
        result = loop.run_until_complete(main)
    finally:
        loop.run_until_complete(_end_the_others())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert troubles == []
    return result


async def _end_the_others() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
