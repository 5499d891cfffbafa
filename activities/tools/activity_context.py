"""An activity's context on another thread than that of its worker's loop.

The SDK's own is bound to that loop: its events wake who waits there, and a heartbeat starts a task there.
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
    """The running activity's context for another thread than that of `home`, whose events and heartbeats are bound to it."""
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
    """An event of the loop `home`, for whoever waits on another one."""

    def __init__(self, event: _CompositeEvent, home: asyncio.AbstractEventLoop) -> None:
        super().__init__(event.thread_event, None)
        self._event = event
        self._home = home

    async def wait(self) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._event.wait(), self._home))


def from_thread(
    home: asyncio.AbstractEventLoop, do: Callable[[], object], context: contextvars.Context | None = None
) -> None:
    """Has `home` do this soon."""
    with suppress(RuntimeError):  # closed: the worker has ended
        home.call_soon_threadsafe(do, context=context)
