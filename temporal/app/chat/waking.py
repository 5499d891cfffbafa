"""Waking the main thread of `perdure chat` while it waits for a line.

Python runs the handler of a signal in the main thread, and only once that thread runs Python again (Python's documentation of
`signal`, "Execution of Python signal handlers"). A signal that comes between a prompt and the wait for a line therefore
interrupts nothing, and its handler would run after the next line. So the signal that wakes is sent until its handler has run.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_SIGNAL: Final = getattr(signal, "SIGUSR1", None)
_AGAIN_S: Final = 0.05


class Waking:
    """`wake` is for any thread but the main one. Where a system has no such signal, nothing is woken."""

    def __init__(self, woken: Callable[[], None]) -> None:
        """`woken` is called in the main thread, in the middle of whatever it does, and may raise. To be made there."""
        self._woken = woken
        self._count = 0
        if _SIGNAL is not None:
            signal.signal(_SIGNAL, self._handle)

    def wake(self) -> None:
        """Returns once `woken` was called."""
        before = self._count
        while _SIGNAL is not None and self._count == before:
            signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
            time.sleep(_AGAIN_S)

    @contextmanager
    def hears_ctrl_c(self) -> Iterator[None]:
        """Within it, a Ctrl-C is heard at once, also one that comes just before a wait."""
        if _SIGNAL is None:
            yield
            return
        ours, pythons = os.pipe()
        os.set_blocking(pythons, False)
        # Python writes the number of each signal as it comes, whatever the main thread does.
        before = signal.set_wakeup_fd(pythons, warn_on_full_buffer=False)
        threading.Thread(target=self._pass_on, args=(ours,), daemon=True).start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            os.close(pythons)

    def _pass_on(self, signals: int) -> None:
        with open(signals, "rb", buffering=0) as numbers:
            while got := numbers.read(64):
                if signal.SIGINT in got:
                    # Whoever is woken runs the handlers of all signals that have come.
                    self.wake()

    def _handle(self, *_signal: object) -> None:
        self._count += 1
        self._woken()
