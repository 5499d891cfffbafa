"""The world of a driver without Temporal, as far as it is the same for all tests that play a session by themselves."""

from datetime import datetime, timedelta

from perdure.workflows.core.changes import Change
from perdure.workflows.core.effects import Effect
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.running.driver import Driver
from perdure.workflows.vocabulary.events import Event, EventBase


class PlainWorld:
    """Of a session without sub-agents. An effect stays open until its outcome is settled."""

    driver: Driver
    time: datetime
    events: list[Event]
    open: dict[str, Effect]

    @property
    def state(self) -> SessionState:
        return self.driver.state

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def start(self, effect: Effect, state: SessionState) -> None:
        assert effect.key not in self.open
        self.open[effect.key] = effect

    def end(self, key: str) -> None:
        assert key in self.open

    def tell(self, key: str) -> None:
        """There are no sub-agents."""

    def keep(self, keys: frozenset[str]) -> None:
        self.open = {key: effect for key, effect in self.open.items() if key in keys}

    def took(self, before: SessionState, change: Change, after: SessionState) -> None:
        if isinstance(change, EventBase):
            self.events.append(change)
