"""How far a batch is: a bar in a terminal, else a line now and then."""

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: Seconds between two lines.
_EVERY_S: Final = 10.0


class BatchProgress:
    def __init__(self, console: Console, agent: str, done: int, rows: int) -> None:
        self._console = console
        self._rows = rows
        self._before = self.done = done
        self.failed = 0
        self._began = self._told = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = (
            Progress(*columns, TextColumn("{task.fields[rate]}"), console=console) if console.is_terminal else None
        )
        self._task = None if self._bar is None else self._bar.add_task(agent, total=rows, completed=done, rate="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def rate(self) -> float:
        """Rows a second since it began."""
        return (self.done - self._before) / max(time.monotonic() - self._began, 1e-9)

    def advance(self, *, failed: bool) -> None:
        self.done += 1
        self.failed += failed
        said = f"{self.rate:.1f} rows/s" + (f", {self.failed} failed" if self.failed else "")
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done, rate=said)
        elif time.monotonic() - self._told >= _EVERY_S:
            self._told = time.monotonic()
            self.say(f"{self.done} of {self._rows} rows, {said}")

    def say(self, words: str) -> None:
        self._console.print(words, markup=False, highlight=False, style="dim")
