"""The one driver of a session: carries out what `next_action` says, and takes in what comes of it.

The session workflow drives with it, and so do `replay --what-if` and the property tests; they differ in their `World`.

Rule 1: nothing here awaits, so no signal can come between a decision and its changes.
Rule 2: what must not be decided twice is in the state before an effect is started.
"""

from datetime import datetime
from typing import Protocol

from perdure.workflows.core.actions import Action, Exit, Rest, Wait, Work
from perdure.workflows.core.begin import begin
from perdure.workflows.core.changes import Change, Changes
from perdure.workflows.core.effects import Effect, awaited
from perdure.workflows.core.fold import apply
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import Outcome
from perdure.workflows.core.receive import receive, started
from perdure.workflows.core.settle import settle
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.signals import SendMessage, Signal


class World(Protocol):
    """What a driver needs of where it runs."""

    def now(self) -> datetime: ...

    def start(self, effect: Effect, state: SessionState) -> None:
        """Begins to carry `effect` out; its outcome is given to `Driver.settle`, later."""

    def end(self, key: str) -> None:
        """Tells the open effect to end; it still has an outcome."""

    def tell(self, key: str) -> None:
        """Tells a sub-agent's session that nobody will answer what it asks."""

    def keep(self, keys: frozenset[str]) -> None:
        """Forgets all open effects but these: what comes of the others does not count."""

    def took(self, before: SessionState, change: Change, after: SessionState) -> None:
        """The session has changed."""


class Driver:
    def __init__(self, state: SessionState, world: World) -> None:
        self.state = state
        self._world = world

    def open(self, message: SendMessage | None) -> None:
        """Begins a session that is new, or a fork, with its first message."""
        self._take(started(self.state, message, self._world.now()))

    def receive(self, signal: Signal) -> Changes:
        """Takes a signal in; what it changed."""
        return self._take(receive(self.state, signal, self._world.now()))

    def settle(self, outcome: Outcome) -> None:
        """Takes in what came of an effect, or that time has passed."""
        self._take(settle(self.state, outcome, self._world.now()))

    def carry_out(self, action: Work) -> None:
        """Carries out what `next_action` says of the state."""
        begun = begin(self.state, action, self._world.now())
        if not begun.changes:
            # It would be the next action again, for ever.
            raise RuntimeError(f"{action} changes nothing")
        self._take(begun.changes)
        for effect in begun.effects:
            self._world.start(effect, self.state)
        for key in begun.tells:
            self._world.tell(key)
        for key in begun.ends:
            self._world.end(key)

    def advance(self) -> Action:
        """Carries out all that can be done now; returns what the session waits for then."""
        while not isinstance(action := next_action(self.state), Wait | Rest | Exit):
            self.carry_out(action)
        return action

    def _take(self, changes: Changes) -> Changes:
        for change in changes:
            before, self.state = self.state, apply(self.state, change)
            self._world.took(before, change, self.state)
        self._world.keep(awaited(self.state))
        return changes
