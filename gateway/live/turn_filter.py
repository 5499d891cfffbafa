"""From all that a session sends, what belongs to one message: its own events and those of its turn. Pure.

A turn begins with `turn.started`, which does not say for whom; the `message.added` right after it does. So the former is
kept back until the latter has come. A message that joins a turn has that turn's events from there on.
"""

from dataclasses import dataclass, field

from perdure.gateway.live.items import AgentEvent, Frame, Item, turn_of
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.vocabulary.budget_events import BudgetPaused
from perdure.workflows.vocabulary.events import (
    Event,
    MessageAdded,
    MessageQueued,
    MessageRejected,
    SessionClosed,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.question_events import ApprovalRequested, InputRequested


def asked_by(value: Event | Frame, *, own: bool = False) -> frozenset[str]:
    """Ids of the questions that are open with it; none where it asks nothing. What a handler asks holds no turn up: it counts
    where it is the message's own turn that ends with it (`own`)."""
    match value:
        case Snapshot():
            asked = value.page.questions
            return frozenset(one.question_id for one in asked if one.subject != "handler")
        case InputRequested(subject="handler") if not own:
            return frozenset()
        case ApprovalRequested() | InputRequested() | BudgetPaused():
            return frozenset({value.question_id})
        case _:
            return frozenset()


def asks_below(value: Event | Frame) -> bool:
    """Whether a sub-agent waits for a person from then on."""
    return isinstance(value, AgentEvent) and (
        isinstance(value.event, ApprovalRequested | InputRequested | BudgetPaused) or asks_below(value.event)
    )


@dataclass(slots=True)
class TurnFilter:
    """Give it everything, in order; `take` returns what belongs to the message, until `over`."""

    message_id: str
    turn_id: str | None = None
    over: bool = False
    _opening: Item | None = field(default=None)

    def take(self, item: Item) -> tuple[Item, ...]:
        value = item.value
        match value:
            case Snapshot():
                self._take_snapshot(value)
                return (item,)
            case SessionClosed():
                self.over = True
                return ()
            case MessageQueued() | MessageRejected():
                if value.message_id != self.message_id:
                    return ()
                self.over = isinstance(value, MessageRejected)
                return (item,)
        if self.turn_id is not None:
            if turn_of(value) != self.turn_id:
                return ()
            self.over = isinstance(value, TurnFinished)
            return (item,)
        if isinstance(value, TurnStarted):
            self._opening = item
        elif isinstance(value, MessageAdded) and value.message.id == self.message_id:
            self.turn_id = value.turn_id
            # One that joins a turn finds it begun, at times long before.
            opening = self._opening if self._opening and turn_of(self._opening.value) == self.turn_id else None
            return (item,) if opening is None else (opening, item)
        return ()

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        """The events from the cursor on are no longer kept; the snapshot stands for them."""
        turn = next((message.turn_id for message in snapshot.messages if message.id == self.message_id), None)
        if turn is not None and turn == snapshot.page.turn_id:
            self.turn_id = turn
        self.over = turn is not None and self.turn_id is None
