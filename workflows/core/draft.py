"""The changes that one decision makes, each folded into the state before the next one is made."""

from collections.abc import Iterable
from datetime import datetime

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.changes import CallChanged, Change, Changes, Stamp, stamp
from perdure.workflows.core.fold import apply
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.core.state.turn import Turn


class Draft:
    """Lives as long as the call of the pure function that makes it."""

    def __init__(self, state: SessionState, now: datetime) -> None:
        #: With all changes so far.
        self.state = state
        self.now = now
        self._changes: list[Change] = []

    @property
    def changes(self) -> Changes:
        return tuple(self._changes)

    @property
    def stamp(self) -> Stamp:
        """Of the event that is added next."""
        return stamp(self.state, self.now)

    @property
    def turn(self) -> Turn:
        return in_turn(self.state)

    def add(self, *changes: Change) -> None:
        for change in changes:
            self.state = apply(self.state, change)
            self._changes.append(change)

    def change(self, call: Call) -> None:
        self.add(CallChanged(call=call))

    def calls(self, call_ids: Iterable[str]) -> list[Call]:
        """These calls as they are now, without those that are over."""
        return [call for call_id in call_ids if (call := self.turn.call(call_id)) is not None]
