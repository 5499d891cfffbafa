"""Which live frames of the step that streams viewers are sent, which wait, and which are dropped. No I/O.

Rule 1: frames of a step wait until its `step.started` is out, and are dropped once its `step.finished` is.
Rule 2: frames of an attempt lower than the highest seen are dropped. A new attempt replaces what viewers have of the step.
Rule 3: after a gap, nothing of the attempt is sent until what it has streamed so far has come again.
"""

import time
from collections.abc import Callable
from typing import Final

from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics
from perdure.workflows.vocabulary.ids import step_order

#: Deltas from one whose delay is measured to the next: a measurement costs more than the look at a clock.
MEASURED_EACH: Final = 16

StepFrame = StepDelta | StepProgress


class LiveStep:
    """`last` is the step that started last, as far as viewers know, and `is_open` whether it has not finished yet.
    `renew` asks for what the step has streamed so far, as a frame to come."""

    def __init__(
        self, last: str | None, is_open: bool, renew: Callable[[], None], metrics: Metrics = UNMEASURED
    ) -> None:
        self._last = _order(last)
        self._open = is_open
        self._renew = renew
        self._metrics = metrics
        #: What viewers have of the open step.
        self._told: StepProgress | None = None
        self._held: list[StepFrame] = []
        #: The first delta after a gap, and how many before it are missing; None: no gap is open.
        self._gap: tuple[StepDelta, int] | None = None

    @property
    def waits(self) -> bool:
        """Frames are held back: the session has started a step that viewers do not know of."""
        return bool(self._held)

    def started(self, step_id: str) -> list[StepFrame]:
        """`step.started` is out; returns the frames that waited for it."""
        self._last, self._open, self._told, self._gap = _order(step_id), True, None, None
        held, self._held = self._held, []
        return [item for frame in held for item in self.take(frame)]

    def finished(self) -> None:
        """`step.finished` is out."""
        self._open, self._told, self._gap = False, None, None

    def so_far(self) -> list[StepFrame]:
        """What a viewer who comes now is sent of the open step: one frame or none."""
        return _snapshot(self._told)

    def take(self, frame: StepFrame) -> list[StepFrame]:
        """A frame from the live plane; returns what viewers are sent: one frame or none."""
        order = _order(frame.step_id)
        if order > self._last:
            self._held.append(frame)
        elif order == self._last and self._open:
            return self._whole(frame) if isinstance(frame, StepProgress) else self._delta(frame)
        return []

    def _delta(self, delta: StepDelta) -> list[StepFrame]:
        told = self._told
        if told is not None and delta.attempt < told.attempt:
            return []
        if told is None or delta.attempt > told.attempt or delta.n > told.n:
            self._lost(delta)
            return []
        if delta.n < told.n:
            return []
        told.add(delta)
        if delta.n % MEASURED_EACH == 0 and delta.written:
            self._metrics.lag(time.time() - delta.written)
        return [delta]

    def _whole(self, progress: StepProgress) -> list[StepFrame]:
        told, gap = self._told, self._gap
        if told is not None and progress.attempt < told.attempt:
            return []
        if gap is not None:
            delta, missing = gap
            if progress.attempt < delta.attempt:
                return []
            self._gap = None
            if missing:
                self._metrics.lost_frames(missing)
        self._told = progress.copy()
        return _snapshot(self._told)

    def _lost(self, delta: StepDelta) -> None:
        if self._gap is not None and delta.attempt <= self._gap[0].attempt:
            return
        told = self._told
        missing = delta.n - told.n if told is not None and told.attempt == delta.attempt else 0
        self._gap = delta, missing
        self._renew()


def _snapshot(progress: StepProgress | None) -> list[StepFrame]:
    """Nothing where a viewer can have nothing of the step: neither from this attempt nor from an earlier one."""
    if progress is None or (progress.attempt == 1 and progress.n == 0):
        return []
    # A copy, for what viewers have of the step grows before the frame is encoded.
    return [progress.copy()]


def _order(step_id: str | None) -> tuple[int, int]:
    return (0, 0) if step_id is None else step_order(step_id)
