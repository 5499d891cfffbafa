"""A session's turns as a test has them: put together from their events. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from perdure.temporal.app.testing.questions import waits
from perdure.workflows.vocabulary.events import Event, MessageAdded, StepFinished, TurnFinished
from perdure.workflows.vocabulary.parts import Message, Text, ToolError, Usage
from perdure.workflows.vocabulary.questions import Question


@dataclass(frozen=True)
class Turn:
    """A turn that has ended, or waits for answers."""

    #: What the model said last; empty where it said nothing.
    text: str
    #: `done`, `stopped`, `budget`, `max_steps`, `failed`, …; `waiting` while questions are open.
    reason: str
    error: ToolError | None
    #: Dollars, by the prices of the models that the agent names; None where one is unknown.
    cost_usd: float | None
    usage: Usage
    events: tuple[Event, ...]
    #: What it waits for.
    questions: tuple[Question, ...] = ()
    #: The answer as a checked value, where the agent says its form (`answer:`).
    result: dict[str, JsonValue] | None = None

    @property
    def waiting(self) -> bool:
        return bool(self.questions)


def turn_of(events: list[Event], message_id: str | None, at: datetime) -> Turn | None:
    """The turn of a message, or the last one, if it has ended or waits."""
    for event in reversed(events):
        if event.type == "turn.started" and message_id is None:
            return turn_in(events, event.turn_id, at)
        if event.type == "message.added" and event.message.id == message_id:
            return turn_in(events, event.turn_id, at)
    return None


def turn_after(events: list[Event], cursor: int, at: datetime) -> Turn | None:
    """The last turn that started after `cursor`, if it has ended or waits."""
    started = [event for event in events if event.type == "turn.started" and event.seq > cursor]
    return turn_in(events, started[-1].turn_id, at) if started else None


def turn_in(events: list[Event], turn_id: str | None, now: datetime | None = None) -> Turn | None:
    """As it ended; with `now`, also as it waits."""
    own = tuple(event for event in events if event.turn_id == turn_id)
    end = next((event for event in own if isinstance(event, TurnFinished)), None)
    steps = [event for event in own if isinstance(event, StepFinished)]
    said = [message for event in own if (message := _said_in(event)) is not None]
    text = "".join(part.text for part in said[-1].parts if isinstance(part, Text)) if said else ""
    if end is None:
        asked = waits(own, now) if now is not None else ()
        costs = [step.cost_usd for step in steps]
        cost = sum(one for one in costs if one is not None) if None not in costs else None
        return Turn(text, "waiting", None, cost, _sum(step.usage for step in steps), own, asked) if asked else None
    return Turn(text, end.reason, end.error, end.cost_usd, end.usage, own, result=end.result)


def _said_in(event: Event) -> Message | None:
    """What the agent said; what a handler asks aside is nobody's to read."""
    match event:
        case StepFinished() if event.block is None or event.block.display == "stream":
            return event.message
        case MessageAdded() if event.message.role == "assistant":
            return event.message
        case _:
            return None


def _sum(usages: Iterable[Usage]) -> Usage:
    return sum(usages, start=Usage())
