"""Where `async def` tools run: event loops of their own, each in a thread, apart from the gateway, streams and heartbeats.

Rule 1: calls go to the first loop that is not blocked. So as long as no tool blocks there is only one, and what tools
keep from call to call (clients, locks) stays on it.
Rule 2: a call that a blocked loop has not begun goes to another loop. One that has begun there cannot be ended: if it
does not react to a stop, it is given up, and its result is dropped.
Rule 3: everything that the SDK gives an activity works there, too: context variables and the current span, info, heartbeats,
cancellation, shutdown.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.activities.tools.activity_context import elsewhere, from_thread
from perdure.activities.tools.watchdog import Pulse, Running, Watchdog
from perdure.workflows.vocabulary.errors import TOOL_STOPPED

#: Checks of a call that has not begun, and seconds between them. There are several because after a pause of the whole process
#: one of them is late, which is not the loop's fault.
_LOOKS: Final = 4
_LOOK_S: Final = 0.25
#: Seconds that a loop has to react to the stop of one of its calls.
_HEARS_S: Final = 0.5
#: Seconds that a worker which ends waits for the loops.
_END_S: Final = 1.0
_MAX_LOOPS: Final = 64
#: What a stop says of a call that had not begun.
NEVER_BEGAN: Final = "The call was stopped before it began."

#: The call that the running code belongs to.
_CALL: contextvars.ContextVar["_Call | None"] = contextvars.ContextVar("tool_call", default=None)

log = structlog.get_logger(__name__)


class ToolLoops:
    """Loops, each made when it is first needed."""

    def __init__(self, watch: Watchdog) -> None:
        self._watch = watch
        self._loops: list[_ToolLoop] = []

    async def run(self, running: Running, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Returns or raises what `work()` does. Called within an activity, whose cancellation is passed on to it.

        Raises CancelledError, too, for a call that does not react to a stop.
        """
        while True:
            loop = self._free()
            call = _Call(running, work, loop)
            self._watch.begin(running, loop.pulse)
            loop.start(call)
            try:
                begun = await _begins(call)
            except asyncio.CancelledError:
                if not call.claim():
                    return await _end_of(call, stopping=True)
                self._watch.end(running, loop.pulse)
                details = activity.cancellation_details()
                if details is not None and details.cancel_requested:
                    # Otherwise nobody would know whether it took effect.
                    raise ApplicationError(NEVER_BEGAN, type=TOOL_STOPPED, non_retryable=True) from None
                raise
            if begun:
                return await _end_of(call)
            self._watch.end(running, loop.pulse)
            loop.is_stuck()

    async def aclose(self) -> None:
        """Ends the loops and what still runs on them, except for blocked ones."""
        loops, self._loops = self._loops, []
        for loop in loops:
            loop.end()
        for loop in loops:
            await asyncio.to_thread(loop.thread.join, _END_S)

    def _free(self) -> "_ToolLoop":
        """The first loop that is not known to be blocked. At the limit of loops, the last one."""
        for loop in self._loops:
            if not loop.stuck:
                return loop
        if len(self._loops) == _MAX_LOOPS:
            log.error("tool.loops_blocked", loops=_MAX_LOOPS, note="calls wait until one of them turns")
            return self._loops[-1]
        self._loops.append(_ToolLoop(self._watch, len(self._loops) + 1))
        return self._loops[-1]


class _Call:
    def __init__(self, running: Running, work: Callable[[], Coroutine[Any, Any, Any]], loop: "_ToolLoop") -> None:
        self.running = running
        self.work = work
        self._loop = loop
        self._home = asyncio.get_running_loop()
        #: What it returned, or raised.
        self.done: asyncio.Future[tuple[Any, BaseException | None]] = self._home.create_future()
        self.context = contextvars.copy_context()
        self.context.run(_CALL.set, self)
        self.context.run(activity._Context.set, elsewhere(self._home))
        self.task: asyncio.Task[Any] | None = None
        self.begun = False
        self._taken = threading.Lock()

    def claim(self) -> bool:
        """Whether the caller may decide what becomes of the call: run it, or take it back. Only the first caller may."""
        return self._taken.acquire(blocking=False)

    def cancel(self) -> "asyncio.Future[None]":
        """Returns a future that is done once the call's loop has reacted."""
        heard: asyncio.Future[None] = self._home.create_future()

        def tell() -> None:
            if self.task is not None:
                self.task.cancel("Activity cancelled")
            from_thread(self._home, partial(_set, heard, None))

        self._loop.call_soon(tell)
        return heard

    def finish(self, task: "asyncio.Task[Any]") -> None:
        """On its loop."""
        error: BaseException | None = asyncio.CancelledError() if task.cancelled() else task.exception()
        outcome = (None, error) if error is not None else (task.result(), None)
        from_thread(self._home, partial(_set, self.done, outcome))


async def _begins(call: _Call) -> bool:
    """Whether the call begins in time. If not, it never will."""
    for _ in range(_LOOKS):
        await asyncio.wait({call.done}, timeout=_LOOK_S)
        if call.begun:
            return True
    return not call.claim()


async def _end_of(call: _Call, *, stopping: bool = False) -> Any:
    while not call.done.done():
        if stopping:
            heard = call.cancel()
            either: set[asyncio.Future[Any]] = {call.done, heard}
            await asyncio.wait(either, timeout=_HEARS_S, return_when=asyncio.FIRST_COMPLETED)
            if not heard.done() and not call.done.done():
                raise asyncio.CancelledError
            stopping = False
        try:
            await asyncio.wait({call.done})
        except asyncio.CancelledError:
            stopping = True
    value, error = call.done.result()
    if error is not None:
        raise error
    return value


class _ToolLoop:
    def __init__(self, watch: Watchdog, number: int) -> None:
        self._watch = watch
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(self._task)
        self._owners: WeakKeyDictionary[asyncio.Task[Any], Running] = WeakKeyDictionary()
        self._ending = False
        #: It did not begin a call in time, and has shown no sign of life since.
        self.stuck = False
        self.thread = threading.Thread(target=self._turn, name=f"tool-loop-{number}", daemon=True)
        self.thread.start()
        assert self.thread.ident is not None
        self.pulse = Pulse(self._loop, self.thread.ident, self._current)

    def call_soon(self, do: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # closed, so that nothing runs here
            self._loop.call_soon_threadsafe(do)

    def start(self, call: _Call) -> None:
        self.call_soon(lambda: self._begin(call))

    def is_stuck(self) -> None:
        def turns() -> None:
            self.stuck = False

        self.stuck = True
        self.call_soon(turns)

    def end(self) -> None:
        self.call_soon(lambda: self._loop.create_task(self._wind_up()))

    def _begin(self, call: _Call) -> None:
        if not call.claim():
            return
        call.begun = True
        call.running.thread = self.thread.ident
        task = call.task = self._loop.create_task(call.work(), context=call.context)
        self._owners[task] = call.running

        def ended(task: "asyncio.Task[Any]") -> None:
            self._watch.end(call.running, self.pulse)
            call.finish(task)

        task.add_done_callback(ended)

    def _task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
        task = asyncio.Task(work, loop=loop, **options)
        # Tasks that a tool starts belong to the tool.
        call = _CALL.get()
        if call is not None:
            self._owners[task] = call.running
        return task

    def _current(self) -> Running | None:
        task = asyncio.current_task(self._loop)
        return self._owners.get(task) if task is not None else None

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._ending:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # Of a task that a tool has left behind; the calls of others go on.
                log.warning("tool.exits", note="a task that a tool left behind called sys.exit()")
        self._loop.close()

    async def _wind_up(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        self._ending = True
        self._loop.stop()


def _set(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)
