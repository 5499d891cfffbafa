"""One session that this process follows: what Redis tells of it, put together once for all who subscribe here. No I/O.

Rule 1: what comes while the past is read waits for it. What the past holds of it already is known by its number.
Rule 2: a fragment that does not follow on what is known shows that some were lost. The past is then read, and it has them.
Rule 3: nothing goes back: not to an earlier step, not to an earlier attempt, not to fewer fragments.
"""

import math
import time
from collections.abc import Callable, Iterable
from typing import Final

from perdure.temporal.live.bounded_subscription import BoundedSubscription
from perdure.temporal.live.frames import Frame, Poke, StepDelta, StepProgress, ToolProgress
from perdure.temporal.live.redis_frames import Sent, StepEnded, ToolEnded
from perdure.workflows.vocabulary.ids import step_order

#: Frames that wait for the past at most; if more come, the first ones are read with it again.
_HELD: Final = 10_000
#: Seconds from one reading of the past to the next, where it does not have what is missing.
_AGAIN_S: Final = 1.0

#: How far a step is: its place, the attempt, the number of the next fragment.
_Place = tuple[tuple[int, int], int, float]
_NOWHERE: Final[_Place] = ((0, 0), 0, 0)


class Followed:
    def __init__(self, read_past: Callable[[], None]) -> None:
        """`read_past` asks for a call of `past`, which it itself must not make. It is to be called once, to begin with."""
        self.subscriptions: set[BoundedSubscription] = set()
        self._read_past = read_past
        self._read_at = time.monotonic()
        #: What waits for the past; None: it is not being read.
        self._held: list[Sent] | None = []
        self._progress: StepProgress | None = None
        self._place = _NOWHERE
        self._tools: dict[str, ToolProgress] = {}

    def so_far(self) -> list[Frame]:
        """What somebody who subscribes now is told."""
        streams = [self._progress.copy()] if self._progress is not None else []
        return [*streams, *self._tools.values()]

    def missed(self) -> None:
        """The connection was lost, and stands again: the past is being read. No poke is made up for those that were missed:
        the last one is in the past, and to ask all sessions at once would be a storm."""
        self._held = []

    def take(self, frame: Sent) -> None:
        if isinstance(frame, Poke):
            self._send(frame)
        elif self._held is None:
            self._take(frame)
        else:
            if len(self._held) >= _HELD:
                self._held.clear()
            self._held.append(frame)

    def past(self, poke: Sent | None, entries: Iterable[Sent], tools: Iterable[ToolProgress]) -> None:
        """The session's last poke, what its stream holds, and the last word of each of its tools."""
        self._read_at = time.monotonic()
        if isinstance(poke, Poke):
            self._send(poke)
        for entry in entries:
            self._fold(entry)
        self._tools = {word.call_id: word for word in tools}
        for frame in self.so_far():
            self._send(frame)
        held, self._held = self._held or [], None
        for waited in held:
            # The first that shows a gap has the others wait, too.
            self.take(waited)

    def _take(self, frame: Sent) -> None:
        match frame:
            case ToolProgress():
                self._tools[frame.call_id] = frame
                self._send(frame)
            case ToolEnded():
                self._tools.pop(frame.call_id, None)
            case StepEnded():
                self._fold(frame)
            case _ if self._fold(frame):
                self._send(frame)
            case StepDelta() if _place(frame) > self._place and time.monotonic() - self._read_at >= _AGAIN_S:
                self._held = [frame]
                self._read_past()
            case _:
                pass

    def _fold(self, frame: Sent) -> bool:
        """Returns whether it adds to what is known of the step that streams."""
        match frame:
            case StepProgress() if _place(frame) > self._place:
                self._progress, self._place = frame.copy(), _place(frame)
            case StepDelta() if self._follows(frame):
                if self._progress is None or frame.n == 0:
                    self._progress = StepProgress(frame.step_id, frame.attempt)
                self._progress.add(frame)
                self._place = _place(self._progress)
            case StepEnded() if (*_attempt(frame), math.inf) > self._place:
                # Nothing of it comes again.
                self._progress, self._place = None, (*_attempt(frame), math.inf)
            case _:
                return False
        return True

    def _follows(self, delta: StepDelta) -> bool:
        return _place(delta) == self._place or (delta.n == 0 and _attempt(delta) > self._place[:2])

    def _send(self, frame: Frame) -> None:
        for subscription in self.subscriptions:
            subscription.offer(frame)


def _attempt(frame: StepDelta | StepProgress | StepEnded) -> tuple[tuple[int, int], int]:
    return step_order(frame.step_id), frame.attempt


def _place(frame: StepDelta | StepProgress) -> _Place:
    return *_attempt(frame), frame.n
