"""Keys that are pressed while an answer streams to a terminal.

Rule 1: what streams and what is typed never share a line: with the first key, the output waits until the line is sent or
given up.
Rule 2: the terminal is left as it was found.
"""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

try:
    import readline
    import termios
    import tty

    _WORKS = True
except ImportError:  # A system whose terminals work otherwise: what is typed is read between turns.
    _WORKS = False

ESCAPE: Final = "\x1b"
#: What opens no line: control characters, among them the keys that edit one.
_CONTROL: Final = frozenset(map(chr, range(32))) | {"\x7f"}


class Keyboard:
    """`wake`, which may be called in any thread, ends a wait."""

    def __init__(self) -> None:
        self.works = _WORKS and sys.stdin.isatty() and sys.stdout.isatty()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)

    def wake(self) -> None:
        # A pipe that is full wakes already.
        with suppress(BlockingIOError):
            os.write(self._waker, b"x")

    def key(self) -> str | None:
        """Waits for a key or for `wake`. The key as text, `ESCAPE` for Esc alone; None: it was woken, or the key opens no
        line."""
        with self._by_key():
            ready, _, _ = select.select([sys.stdin.fileno(), self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                return None
            typed = os.read(sys.stdin.fileno(), 1024).decode(errors="replace")
        if typed == ESCAPE:
            return ESCAPE
        return None if not typed or typed[0] in _CONTROL else typed

    def line(self, begun: str) -> str:
        """The rest of a line that was begun, with the beginning. Raises EOFError and KeyboardInterrupt."""
        whole = begun.splitlines()[0]
        if whole != begun:
            # Pasted, with its end. What comes behind it is not sent unseen.
            print(f"> {whole}")  # noqa: T201 - what the terminal would have shown
            return whole
        readline.set_startup_hook(lambda: readline.insert_text(begun))
        try:
            return input("> ")
        finally:
            readline.set_startup_hook()

    @contextmanager
    def _by_key(self) -> Iterator[None]:
        """Each key comes at once, and is not shown. Ctrl-C stays what it is."""
        fd = sys.stdin.fileno()
        before: Any = termios.tcgetattr(fd)
        tty.setcbreak(fd, termios.TCSANOW)
        try:
            yield
        finally:
            termios.tcsetattr(fd, termios.TCSANOW, before)
