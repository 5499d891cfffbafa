"""Timers that an agent has set for itself."""

from dataclasses import dataclass
from datetime import datetime

from perdure.workflows.core.state.record import Record
from perdure.workflows.protocol.queries import Timer


@dataclass(frozen=True, kw_only=True)
class Timers(Record):
    #: Those that have not fired, in the order in which they were set.
    pending: tuple[Timer, ...] = ()

    @property
    def due(self) -> Timer | None:
        """The one that fires next, of those whose time has come."""
        return min((one for one in self.pending if one.fires), key=lambda one: one.due, default=None)

    @property
    def next_at(self) -> datetime | None:
        """When the first of them is due."""
        return min((one.due for one in self.pending), default=None)

    def with_timer(self, timer: Timer) -> "Timers":
        return Timers(pending=(*self.pending, timer))

    def without(self, timer_id: str) -> "Timers":
        return Timers(pending=tuple(one for one in self.pending if one.timer_id != timer_id))

    def firing(self, timer_id: str) -> "Timers":
        """With the time of this one come."""
        return Timers(pending=tuple(one.firing() if one.timer_id == timer_id else one for one in self.pending))
