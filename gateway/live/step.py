"""What viewers are told of the step that streams: which live frames go out, which wait, which are dropped. No I/O.

Rule 1: frames of a step wait until its `step.started` is out, and are dropped once its `step.finished` is.
Rule 2: frames of an attempt lower than the highest seen are dropped. A new attempt or a gap is answered by what the step
has streamed so far, which replaces what viewers have of it.
"""

import time
from collections.abc import Callable
from typing import Final

from perdure.gateway.http.sse import Outgoing, encode_delta, encode_progress
from perdure.temporal.live.live import StepDelta, StepProgress
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics

#: Deltas from one whose delay is measured to the next: a measurement costs more than the look at a clock.
MEASURED_EACH: Final = 16


class LiveStep:
    """`last` is the step that started last, as far as viewers know, and `is_open` whether it has not finished yet.
    `progress` gives what the step that streams now has streamed so far."""

    def __init__(
        self,
        last: str | None,
        is_open: bool,
        progress: Callable[[], StepProgress | None],
        metrics: Metrics = UNMEASURED,
    ) -> None:
        self._last = _order(last)
        self._open = is_open
        self._now = progress
        self._metrics = metrics
        #: What viewers have of the open step.
        self._told: StepProgress | None = None
        self._held: list[StepDelta | StepProgress] = []

    @property
    def waits(self) -> bool:
        """Frames are held back: the session has started a step that viewers do not know of."""
        return bool(self._held)

    def started(self, step_id: str) -> list[Outgoing]:
        """`step.started` is out; returns the frames that waited for it."""
        self._last, self._open, self._told = _order(step_id), True, None
        held, self._held = self._held, []
        return [item for frame in held for item in self.take(frame)]

    def finished(self) -> None:
        """`step.finished` is out."""
        self._open, self._told = False, None

    def so_far(self) -> list[Outgoing]:
        """What somebody who comes now is told of the open step: one frame or none."""
        return _snapshot(self._told)

    def take(self, frame: StepDelta | StepProgress) -> list[Outgoing]:
        """A frame from the live plane; returns what viewers are told: one frame or none."""
        order = _order(frame.step_id)
        if order > self._last:
            self._held.append(frame)
        elif order == self._last and self._open:
            return self._show(frame)
        return []

    def _show(self, frame: StepDelta | StepProgress) -> list[Outgoing]:
        told = self._told
        if told is not None and frame.attempt < told.attempt:
            return []
        if isinstance(frame, StepDelta) and told is not None and frame.attempt == told.attempt and frame.n <= told.n:
            if frame.n < told.n:
                return []
            told.add(frame)
            if frame.n % MEASURED_EACH == 0 and frame.written:
                self._metrics.lag(time.time() - frame.written)
            return [encode_delta(frame)]
        whole = frame if isinstance(frame, StepProgress) else self._now()
        if whole is None or whole.step_id != frame.step_id or whole.attempt < frame.attempt:
            return []
        if isinstance(frame, StepDelta) and told is not None and frame.attempt == told.attempt:
            self._metrics.lost_frames(frame.n - told.n)
        self._told = whole.copy()
        return _snapshot(self._told)


def _snapshot(progress: StepProgress | None) -> list[Outgoing]:
    """Nothing where a viewer can have nothing of the step: neither from this attempt nor from an earlier one."""
    if progress is None or (progress.attempt == 1 and progress.n == 0):
        return []
    return [encode_progress(progress)]


def _order(step_id: str | None) -> tuple[int, int]:
    if step_id is None:
        return 0, 0
    turn, _, step = step_id.partition(".")
    return int(turn[1:]), int(step[1:])
