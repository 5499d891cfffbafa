"""For how long models and tools have worked in a turn. The time in which the turn waits for people does not count."""

from dataclasses import dataclass
from datetime import datetime

from perdure.workflows.core.state.record import Record, replace


@dataclass(frozen=True, kw_only=True)
class Clock(Record):
    #: Seconds, without those since `since`.
    worked: float = 0.0
    #: Since when something works; None: nothing does.
    since: datetime | None = None

    def started(self, at: datetime) -> "Clock":
        return self if self.since is not None else replace(self, since=at)

    def stopped(self, at: datetime) -> "Clock":
        if self.since is None:
            return self
        return Clock(worked=self.worked + max((at - self.since).total_seconds(), 0.0))
