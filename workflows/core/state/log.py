"""The events of a session, and what the trace keeps of its steps."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.events import Event, TurnStarted
from perdure.workflows.vocabulary.ids import turn_number

KEPT_TURNS: Final = 200
KEPT_EVENTS: Final = 4_000


@dataclass(frozen=True, kw_only=True)
class Log(Record):
    #: Of the last event.
    seq: int = 0
    #: When that happened.
    last_at: datetime | None = None
    #: What came before `events`, as far as it is sealed: the oldest first, without gaps.
    segments: tuple[SegmentRef, ...] = ()
    #: The last ones, without gaps: those that are not sealed, or of a session of older behavior the last `KEPT_TURNS` turns'.
    events: tuple[Event, ...] = ()
    #: `seq` of those of `events` that are `turn.started`.
    turn_starts: tuple[int, ...] = ()
    #: The steps that opened in `events`.
    steps: tuple[StepRecord, ...] = ()

    @property
    def oldest(self) -> int:
        """The lowest `seq` that the state holds, or the next one where it holds none."""
        return self.events[0].seq if self.events else self.seq + 1

    @property
    def first(self) -> int:
        """The lowest `seq` that is kept, sealed or not, or the next one where none is."""
        return self.segments[0].first if self.segments else self.oldest

    def step(self, step_id: str) -> StepRecord | None:
        return next((step for step in reversed(self.steps) if step.step_id == step_id), None)

    def before_turn(self, turn_id: str) -> int | None:
        """The cursor from which on the turn is told in whole; None where its beginning is not held."""
        held = (start for start in reversed(self.turn_starts) if start >= self.oldest)
        return next((start - 1 for start in held if self.events[start - self.oldest].turn_id == turn_id), None)

    def with_step(self, record: StepRecord) -> "Log":
        """With this record in the place of the step's former one."""
        steps = list(self.steps)
        for index in reversed(range(len(steps))):
            if steps[index].step_id == record.step_id:
                steps[index] = record
                break
        return replace(self, steps=tuple(steps))

    @property
    def last_answer(self) -> StepRecord | None:
        """The last step that belongs to a turn."""
        return next((step for step in reversed(self.steps) if step.compaction is None), None)

    def appended(self, event: Event) -> "Log":
        """Raises ValueError where `event` does not bear the next `seq`."""
        if event.seq != self.seq + 1:
            raise ValueError(f"event {event.seq} cannot follow {self.seq}")
        starts = (*self.turn_starts, event.seq) if isinstance(event, TurnStarted) else self.turn_starts
        return replace(self, seq=event.seq, last_at=event.at, events=(*self.events, event), turn_starts=starts)

    def pruned(self) -> "Log":
        """Without the events of all but the last turns, always whole turns."""
        starts = self.turn_starts
        while len(starts) > 1 and (len(starts) > KEPT_TURNS or self.seq - starts[0] >= KEPT_EVENTS):
            starts = starts[1:]
        if starts == self.turn_starts:
            return self
        events = self.events[starts[0] - self.oldest :]
        first = next(event.turn_id for event in events if isinstance(event, TurnStarted))
        number = turn_number(first or "") or 0
        steps = tuple(step for step in self.steps if (turn_number(step.turn_id) or 0) >= number)
        return replace(self, turn_starts=starts, events=events, steps=steps)
