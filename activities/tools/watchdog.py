"""The watchdog: it notices a tool that blocks others, and names the tool and the line.

Rule 1: two things are noticed. First, a loop that is blocked for longer than `BLOCKED_S` while tools run, be it a loop of
tools or the one that streams and heartbeats share; its thread's stack gives the line. Second, an interpreter that one
thread holds for as long. That is only known afterwards: this thread slept for too long although it kept asking for the
interpreter.
Rule 2: each block gets one warning as soon as it is known, and its length is logged once it is over.
Rule 3: nothing is watched while no tool runs.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from perdure.activities.tools.interpreter import cpu_seconds, times_waited
from perdure.activities.tools.user_lines import user_line
from perdure.workflows.vocabulary.parts import Blocked

#: Seconds without a turn after which a loop counts as blocked.
BLOCKED_S: Final = 1.0
#: Seconds between two checks, and the number of checks without a tool after which they end.
_LOOK_S: Final = 0.1
_IDLE_LOOKS: Final = 50
#: A thread that waits for the interpreter asks for it every 5 ms. One that was not scheduled, or was stopped, does not.
_ASKED_PER_S: Final = 20
#: Seconds that a call which has just ended waits for an overdue check.
_LAST_LOOK_S: Final = 0.5
#: For the owner of a tool that holds the interpreter.
_ADVICE: Final = "give the tool process: true in the definition"

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Running:
    """A call that runs in this process."""

    name: str
    #: Where the tool is defined: `file:line`.
    source: str
    workflow_id: str = ""
    call_id: str = ""
    #: The thread that it runs in, once it does.
    thread: int | None = None
    #: The longest time for which it blocked others.
    blocked: Blocked | None = None

    def held_up(self, seconds: float, line: str) -> None:
        if self.blocked is None or seconds > self.blocked.seconds:
            self.blocked = Blocked(seconds=round(seconds, 3), line=line)


@dataclass(eq=False)
class Pulse:
    """The signs of life of a loop."""

    loop: asyncio.AbstractEventLoop
    thread: int
    #: Returns the call whose code the loop is in.
    current: Callable[[], Running | None]
    #: When it was asked for a sign of life. None: it has answered.
    asked_at: float | None = None
    #: The call and the line that block it, once they are known.
    spell: "tuple[Running | None, str] | None" = None
    users: int = field(default=0)


class Watchdog:
    """`on_blocked(name, seconds)` is called each time that a tool has blocked others, once it is over, on any thread."""

    def __init__(self, on_blocked: Callable[[str, float], None] = lambda name, seconds: None) -> None:
        self._on_blocked = on_blocked
        self._lock = threading.Condition()
        self._running: set[Running] = set()
        self._pulses: dict[asyncio.AbstractEventLoop, Pulse] = {}
        self._home: Pulse | None = None
        #: How long each thread that matters had worked by the last check.
        self._worked: dict[int, float | None] = {}
        self._looked_at = 0.0
        self._thread: threading.Thread | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watches `loop`, which runs in this thread, as the one that streams and heartbeats share."""
        self._home = Pulse(loop, threading.get_ident(), lambda: None)

    def begin(self, running: Running, pulse: Pulse) -> None:
        """Watches a call that is to run on a loop of tools."""
        with self._lock:
            self._add(running)
            pulse.users += 1
            self._pulses[pulse.loop] = pulse

    def end(self, running: Running, pulse: Pulse | None = None) -> None:
        """Ends the watch of a call. Called on the thread that it ran in, which may wait a moment for the last check."""
        with self._lock:
            asked = time.monotonic()
            if self._thread is not None and asked - self._looked_at > _LOOK_S + BLOCKED_S:
                self._lock.wait_for(lambda: self._looked_at >= asked, _LAST_LOOK_S)
            self._running.discard(running)
            if pulse is not None:
                pulse.users -= 1
                if pulse.users == 0:
                    self._pulses.pop(pulse.loop, None)

    @contextmanager
    def in_thread(self, running: Running) -> Iterator[None]:
        """Watches a call that runs in this thread. It may wait as long as it likes, but not hold the interpreter."""
        running.thread = threading.get_ident()
        with self._lock:
            self._add(running)
        try:
            yield
        finally:
            self.end(running)

    def _add(self, running: Running) -> None:
        self._running.add(running)
        if self._thread is None:
            self._looked_at = time.monotonic()
            self._thread = threading.Thread(target=self._watch, name="tool-watchdog", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        idle = 0
        while True:
            before, waited = time.monotonic(), times_waited()
            time.sleep(_LOOK_S)
            late = time.monotonic() - before - _LOOK_S
            with self._lock:
                if late < BLOCKED_S:
                    self._look_at_loops()
                else:
                    self._was_late(late, times_waited() - waited)
                self._note_work()
                self._looked_at = time.monotonic()
                self._lock.notify_all()
                idle = 0 if self._running else idle + 1
                if idle >= _IDLE_LOOKS:
                    self._thread = None
                    return

    def _look_at_loops(self) -> None:
        now = time.monotonic()
        for pulse in self._all_pulses():
            if pulse.asked_at is None:
                pulse.asked_at = now
                try:
                    pulse.loop.call_soon_threadsafe(self._answered, pulse, now)
                except RuntimeError:
                    continue  # the loop is closed: the process is ending
            elif now - pulse.asked_at > BLOCKED_S:
                if pulse.spell is None:
                    self._found(pulse, now - pulse.asked_at)
                elif pulse.spell[0] is not None:
                    pulse.spell[0].held_up(now - pulse.asked_at, pulse.spell[1])

    def _all_pulses(self) -> list[Pulse]:
        return [*([self._home] if self._home is not None and self._running else []), *self._pulses.values()]

    def _found(self, pulse: Pulse, seconds: float) -> None:
        call = pulse.current()
        frame = sys._current_frames().get(pulse.thread)
        line = user_line(frame, call.source if call is not None else "")
        if pulse is self._home:
            line = line or (f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "")
            log.warning("loop.blocks", line=line or None, seconds=round(seconds, 1))
        elif call is None and not line:
            return  # no user's code runs: the machine is busy
        pulse.spell = (call, line)
        if pulse is self._home:
            return
        if call is not None:
            call.held_up(seconds, line)
        log.warning("tool.blocks", **_log_fields(call), line=line or None, seconds=round(seconds, 1), held="its loop")

    def _answered(self, pulse: Pulse, asked_at: float) -> None:
        """Called on the loop itself, which turns again."""
        seconds = time.monotonic() - asked_at
        with self._lock:
            if pulse.asked_at != asked_at:
                return
            spell, pulse.spell, pulse.asked_at = pulse.spell, None, None
        if spell is None or pulse is self._home:
            return
        call, line = spell
        if call is not None:
            call.held_up(seconds, line)
        log.info("tool.goes_on", **_log_fields(call), line=line or None, seconds=round(seconds, 1))
        self._on_blocked(_name(call), seconds)

    def _was_late(self, seconds: float, waited: float) -> None:
        """This thread was late: either one thread held the interpreter, or the process did not run."""
        for pulse in self._all_pulses():
            # The loops are asked again: they had no turn either.
            pulse.asked_at = None if pulse.spell is None else pulse.asked_at
        if waited < _ASKED_PER_S * seconds:
            return
        holder, others = self._holder(seconds)
        frames = sys._current_frames()
        if holder is None and not others:
            log.warning("loop.blocks", seconds=round(seconds, 1), held="the interpreter")
            return
        line = None
        fields = {"tool": f"one of {', '.join(sorted(one.name for one in others))}"}
        if holder is not None:
            frame = frames.get(holder.thread) if holder.thread is not None else None
            line = user_line(frame, holder.source, was=True)
            holder.held_up(seconds, line)
            fields = _log_fields(holder)
        log.warning(
            "tool.blocks", **fields, line=line, seconds=round(seconds, 1), held="the interpreter", advice=_ADVICE
        )
        self._on_blocked(_name(holder), seconds)

    def _holder(self, seconds: float) -> tuple[Running | None, list[Running]]:
        """The call whose thread worked meanwhile. If none did, those that may have held the interpreter while they waited."""
        if self._home is not None and self._has_worked(self._home.thread, seconds):
            return None, []
        threads: dict[int, list[Running]] = {}
        for call in self._running:
            if call.thread is not None:
                threads.setdefault(call.thread, []).append(call)
        busy = [calls for thread, calls in threads.items() if self._has_worked(thread, seconds)]
        suspects = busy[0] if busy else [call for calls in threads.values() for call in calls]
        return (suspects[0], []) if len(suspects) == 1 else (None, suspects)

    def _note_work(self) -> None:
        threads = {call.thread for call in self._running if call.thread is not None}
        if self._home is not None and threads:
            threads.add(self._home.thread)
        self._worked = {thread: cpu_seconds(thread) for thread in threads & _alive()}

    def _has_worked(self, thread: int, seconds: float) -> bool:
        """Whether the thread worked for at least half of the last `seconds`."""
        before = self._worked.get(thread)
        now = cpu_seconds(thread) if before is not None and thread in _alive() else None
        return now is not None and before is not None and now - before > seconds / 2


def _alive() -> set[int | None]:
    """Threads whose clock may be read: reading that of any other thread ends the process."""
    return {thread.ident for thread in threading.enumerate()}


def _name(call: Running | None) -> str:
    return call.name if call is not None else "(unknown)"


def _log_fields(call: Running | None) -> dict[str, str]:
    """Fields of a log line about a call, which the watchdog's own thread does not have in its context."""
    if call is None:
        return {"tool": _name(call)}
    tenant, _, session = call.workflow_id.partition("/")
    return {"tool": call.name, "tenant": tenant, "session": session, "call_id": call.call_id}
