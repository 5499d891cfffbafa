"""The numbered events of one response, as they go to one reader.

Rule 1: a number belongs to one event for ever: events are numbered by what the session's record holds, whenever and however
often they are sent. A reader who has come to a number is sent those above it.
Rule 2: a lost attempt at a step, and what of a stopped answer was not kept, are no part of the record, and were perhaps sent.
So each attempt has `STRIDE` numbers of its own, and what follows a step that did not end by itself begins behind them.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from perdure.gateway.projections.openai_step import ItemStatus, Said, StepItems, StreamEvent, said_so_far
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.live.streamed import follow_step

#: Far more events than an answer has (`openai_pieces`), and few enough that numbers stay below 2 to the power of 31.
STRIDE: Final = 100_000


@dataclass(slots=True)
class _Attempt:
    number: int
    items: StepItems
    #: Events sent of it.
    sent: int = 0


@dataclass(slots=True)
class _Step:
    step_id: str
    #: Nothing of it is shown.
    hidden: bool
    attempt: _Attempt | None = None
    progress: StepProgress | None = None


@dataclass(slots=True)
class NumberedEvents:
    """`mark` tells the session's items from those of others; `after` is the number that the reader has come to."""

    mark: str
    after: int = -1
    #: All items of the record.
    items: list[dict[str, Any]] = field(default_factory=list)
    #: The number of the record's next event, and the last one that this reader was sent or has passed.
    _next: int = 0
    _last: int = -1
    #: Items that were sent and are no part of the record.
    _astray: int = 0
    _step: _Step | None = None
    _out: list[StreamEvent] = field(default_factory=list)

    def drain(self) -> list[StreamEvent]:
        """What is to be sent."""
        out, self._out = self._out, []
        return out

    @property
    def index(self) -> int:
        """The output index of the next item."""
        return len(self.items) + self._astray

    def tell(self, event: StreamEvent, *, anyway: bool = False) -> None:
        """The record's next event; `anyway`: also to a reader who has come further."""
        self._send(self._next, event, anyway=anyway)
        self._next += 1

    def step_started(self, step_id: str, *, hidden: bool) -> None:
        self._step = _Step(step_id, hidden)

    def step_streams(self, frame: StepDelta | StepProgress) -> None:
        """What is certain of the step's answer so far."""
        step = self._step
        if step is None or step.hidden or step.step_id != frame.step_id:
            return
        if step.attempt is not None and frame.attempt < step.attempt.number:
            return
        step.progress = follow_step(step.progress, frame)
        attempt = self._attempt(step, step.progress.attempt)
        for event in attempt.items.grow(said_so_far(step.progress)):
            self._send_live(attempt, event)

    def step_finished(self, step_id: str, number: int, said: list[Said], *, by_itself: bool) -> None:
        """`number` is the attempt that gave the answer; `by_itself`: the answer is whole as it has streamed."""
        step = self._step or _Step(step_id, hidden=False)
        self._step = None
        if step.hidden:
            return
        status: ItemStatus = "completed" if by_itself else "incomplete"
        attempt = self._attempt(step, number)
        for event in attempt.items.close(said, status):
            self._send_live(attempt, event)
        count = attempt.sent
        if not attempt.items.true:
            count = sum(1 for _ in self._fresh(step_id, number).close(said, status))
        self._astray += max(attempt.items.begun - len(said), 0)
        self.items += attempt.items.items(said, status)
        self._next += (number - 1) * STRIDE + (count if by_itself else STRIDE)

    def _attempt(self, step: _Step, number: int) -> _Attempt:
        """The attempt of this number; an earlier one is ended."""
        before = step.attempt
        if before is not None and before.number == number:
            return before
        if before is not None:
            for event in before.items.abandon():
                self._send_live(before, event)
            self._astray += before.items.begun
        step.attempt = _Attempt(number, self._fresh(step.step_id, number))
        return step.attempt

    def _fresh(self, step_id: str, number: int) -> StepItems:
        return StepItems(f"{self.mark}_{step_id}.{number}", self.index)

    def _send_live(self, attempt: _Attempt, event: StreamEvent) -> None:
        self._send(self._next + (attempt.number - 1) * STRIDE + attempt.sent, event)
        attempt.sent += 1

    def _send(self, number: int, event: StreamEvent, *, anyway: bool = False) -> None:
        # A number that was sent for what has turned out to be something else is not given again.
        number = max(number, self._last + 1)
        self._last = number
        if anyway or number > self.after:
            self._out.append({**event, "sequence_number": number})
