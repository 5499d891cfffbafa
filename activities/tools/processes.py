"""Processes of their own for tools that hold the interpreter, or may end their process. They load the same tools.

Rule 1: this side heartbeats. On a stop or a time-out it ends the process at once.
Rule 2: a process that ends by itself during a call fails that call alone, with `tool_crashed`. What the call did is then
unknown.
Rule 3: a process serves one call at a time. It is kept for the next one, with everything that its module holds.
"""

import asyncio
import contextvars
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Final

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError, FailureError

from perdure.activities.tools.activity_context import elsewhere
from perdure.activities.tools.loops import NEVER_BEGAN
from perdure.activities.tools.returned import Returned
from perdure.workflows.vocabulary.errors import TOOL_CRASHED, TOOL_FAILED, TOOL_STOPPED
from perdure.workflows.vocabulary.parts import ToolResult
from perdure.workflows.vocabulary.tool_context import ToolContext

#: Seconds between two checks whether a call was stopped.
_LOOK_S: Final = 0.05
#: Processes have the path of this one: where our packages were found, and last of all the user's folder.
_PROGRAM: Final = """\
import json, signal, sys
# Ctrl-C reaches the whole group, and the worker lets calls that run come to their end.
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = json.loads(sys.argv[1])
from perdure.activities.tools import child as tool_child
tool_child.main()
"""


class ToolProcesses:
    """At most `limit` processes, started when they are needed; further calls wait. `sources` are the tools' modules and
    files."""

    def __init__(self, sources: Sequence[str], limit: int) -> None:
        self._sources = tuple(sources)
        self._free = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._threads = ThreadPoolExecutor(limit * 4, thread_name_prefix="tool-process")

    async def call(self, name: str, args: dict[str, JsonValue], on_behalf: ToolContext | None = None) -> Returned:
        """As `call_in_thread`, from the loop of an `async` activity."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        context.run(activity._Context.set, elsewhere(loop))
        calling = self._threads.submit(context.run, self.call_in_thread, name, args, on_behalf)
        ended = asyncio.wrap_future(calling)
        while not ended.done():
            try:
                await asyncio.wait({ended})
            except asyncio.CancelledError:
                # The thread notices it, too, if it has begun.
                if calling.cancel():
                    raise
        try:
            return ended.result()
        except CancelledError:
            raise asyncio.CancelledError from None

    def call_in_thread(self, name: str, args: dict[str, JsonValue], on_behalf: ToolContext | None = None) -> Returned:
        """What the tool `name` returned. Called within an activity.

        Raises what the tool did, as an ApplicationError, and also `tool_crashed`; and CancelledError where the call was
        ended by a stop or a time-out.
        """
        with activity.shield_thread_cancel_exception():
            self._wait_for_room()
            try:
                process = self._take()
                try:
                    outcome = process.call(name, args, on_behalf)
                except BaseException:
                    self._end(process)
                    raise
                self._put_back(process)
            finally:
                self._free.release()
        if isinstance(outcome, ApplicationError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Ends all of them, whatever they are doing."""
        with self._lock:
            processes, self._idle = list(self._all), []
        for process in processes:
            self._end(process)
        self._threads.shutdown(wait=False)

    def _wait_for_room(self) -> None:
        while not self._free.acquire(timeout=_LOOK_S):
            if activity.is_cancelled():
                raise _never_began()

    def _take(self) -> "_Process":
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.alive:
                    return process
                self._all.discard(process)
        process = _Process(self._sources)
        with self._lock:
            self._all.add(process)
        return process

    def _put_back(self, process: "_Process") -> None:
        with self._lock:
            self._idle.append(process)

    def _end(self, process: "_Process") -> None:
        with self._lock:
            self._all.discard(process)
        process.kill()


class _Process:
    def __init__(self, sources: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path), str(theirs.fileno()), *sources]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self._connection: Connection[Any, Any] = Connection(ours.detach())
        self._ready = False

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, name: str, args: dict[str, JsonValue], on_behalf: ToolContext | None) -> Returned | ApplicationError:
        """Raises ApplicationError `tool_crashed` and CancelledError, after which the process is of no use."""
        if not self._ready:
            try:
                kind, said = self._hear(name)
            except CancelledError:
                raise _never_began() from None
            except ApplicationError as ended:
                kind, said = "unready", ended.message
            if kind == "unready":
                raise ApplicationError(f"{name} was not called: {said}", type=TOOL_FAILED)
            self._ready = True
        if activity.is_cancelled():
            raise _never_began()
        try:
            self._connection.send((name, args, on_behalf, activity.info()))
        except OSError:
            raise self._crashed(name) from None
        while True:
            kind, said = self._hear(name)
            match kind:
                case "heartbeat":
                    activity.heartbeat(*said)
                case "failed":
                    failure = ApplicationError(
                        said["message"],
                        *said["details"],
                        type=said["type"],
                        non_retryable=said["non_retryable"],
                        next_retry_delay=said["next_retry_delay"],
                    )
                    if said["trace"] is not None:
                        # A note is for this worker's log; Temporal never gets it.
                        failure.add_note(said["trace"])
                    return failure
                case _:
                    result, big, files = said
                    return Returned(ToolResult.model_validate_json(result), big, files)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._connection.close()

    def _hear(self, name: str) -> tuple[str, Any]:
        while not self._connection.poll(_LOOK_S):
            if activity.is_cancelled():
                raise CancelledError("stopped")
            # A process that the tool started may hold the connection open.
            if not self.alive and not self._connection.poll():
                raise self._crashed(name)
        try:
            heard: tuple[str, Any] = self._connection.recv()
        except (EOFError, OSError):
            raise self._crashed(name) from None
        return heard

    def _crashed(self, name: str) -> ApplicationError:
        code = self._process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        return ApplicationError(f"The process that ran {name} ended {how}.", type=TOOL_CRASHED)


def _never_began() -> FailureError:
    details = activity.cancellation_details()
    if details is not None and details.cancel_requested:
        # Otherwise nobody would know whether it took effect.
        return ApplicationError(NEVER_BEGAN, type=TOOL_STOPPED, non_retryable=True)
    return CancelledError("ended before it began")
