"""An activity's context on a thread other than that of its worker's loop.

The SDK's own context is bound to that loop: its events wake only waiters there, and a heartbeat starts a task there.
"""

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from temporalio import activity
from temporalio.common import _CompositeEvent


def elsewhere(home: asyncio.AbstractEventLoop) -> activity._Context:
    """The running activity's context, for a thread other than that of the loop `home`, to which events and heartbeats are
    bound.
    """
    context = activity._Context.current()
    at_home = contextvars.copy_context()

    def heartbeat(*details: Any) -> None:
        assert context.heartbeat is not None
        from_thread(home, partial(context.heartbeat, *details), at_home)

    return replace(
        context,
        heartbeat=heartbeat,
        cancelled_event=_Elsewhere(context.cancelled_event, home),
        worker_shutdown_event=_Elsewhere(context.worker_shutdown_event, home),
    )


class _Elsewhere(_CompositeEvent):
    """An event of the loop `home`, for those who wait on another loop."""

    def __init__(self, event: _CompositeEvent, home: asyncio.AbstractEventLoop) -> None:
        super().__init__(event.thread_event, None)
        self._event = event
        self._home = home

    async def wait(self) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._event.wait(), self._home))


def from_thread(
    home: asyncio.AbstractEventLoop, do: Callable[[], object], context: contextvars.Context | None = None
) -> None:
    """Schedules `do` on `home`."""
    with suppress(RuntimeError):  # closed: the worker has ended
        home.call_soon_threadsafe(do, context=context)
