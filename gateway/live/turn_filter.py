"""From all that a session sends, what belongs to one message: its own events and those of its turn. Pure.

A turn begins with `turn.started`, which does not say for whom; the `message.added` right after it does. So the former is
kept back until the latter has come.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from perdure.gateway.http.sse import Outgoing

#: Events after which a session may wait for a person.
_ASKING: Final = frozenset({"approval.requested", "input.requested", "budget.paused"})
_ASKING_BELOW: Final = tuple(f'"{kind}"'.encode() for kind in sorted(_ASKING))


def asked_by(item: Outgoing) -> frozenset[str]:
    """Ids of the questions that are open with this event; none where it asks nothing."""
    if item.type == "session.snapshot":
        return frozenset(question["question_id"] for question in orjson.loads(item.data)["questions"])
    return frozenset({orjson.loads(item.data)["question_id"]}) if item.type in _ASKING else frozenset()


def may_ask_below(item: Outgoing) -> bool:
    """Whether a sub-agent may wait for a person from `item` on. Text of a sub-agent that looks like it counts, too: not each
    fragment that it streams is decoded."""
    return item.type == "agent.event" and any(name in item.data for name in _ASKING_BELOW)


@dataclass(slots=True)
class TurnFilter:
    """Give it everything, in order; `take` returns what belongs to the message, until `over`."""

    message_id: str
    turn_id: str | None = None
    over: bool = False
    _opening: Outgoing | None = field(default=None)

    def take(self, item: Outgoing) -> tuple[Outgoing, ...]:
        match item.type:
            case "session.snapshot":
                return self._take_snapshot(item)
            case "session.closed":
                self.over = True
                return ()
            case "message.queued" | "message.rejected":
                return self._take_disposition(item)
        if self.turn_id is not None:
            if item.turn_id != self.turn_id:
                return ()
            self.over = item.type == "turn.finished"
            return (item,)
        if item.type == "turn.started":
            self._opening = item
        elif item.type == "message.added" and orjson.loads(item.data)["message"]["id"] == self.message_id:
            self.turn_id = item.turn_id
            return (item,) if self._opening is None else (self._opening, item)
        return ()

    def _take_disposition(self, item: Outgoing) -> tuple[Outgoing, ...]:
        if orjson.loads(item.data)["message_id"] != self.message_id:
            return ()
        self.over = item.type == "message.rejected"
        return (item,)

    def _take_snapshot(self, item: Outgoing) -> tuple[Outgoing, ...]:
        """The events from the cursor on are no longer kept; the snapshot stands for them."""
        snapshot = orjson.loads(item.data)
        turn = next((m["turn_id"] for m in snapshot["messages"] if m["id"] == self.message_id), None)
        if turn is not None and turn == snapshot.get("turn_id"):
            self.turn_id = turn
        self.over = turn is not None and self.turn_id is None
        return (item,)


@dataclass(slots=True)
class TurnRecord:
    """A turn as JSON, put together from its events."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    #: `turn_id`, `reason`, `error`, `usage`, `cost_usd`; None until the turn is finished.
    turn: dict[str, Any] | None = None
    #: Why the message was rejected, if it was.
    rejected: str | None = None

    def add(self, item: Outgoing) -> None:
        match item.type:
            case "session.snapshot":
                # Followed on only where the turn still runs.
                snapshot = orjson.loads(item.data)
                self.messages = [m for m in snapshot["messages"] if m["turn_id"] == snapshot["turn_id"]]
            case "message.added":
                self.messages.append(orjson.loads(item.data)["message"])
            case "step.finished":
                message = orjson.loads(item.data)["message"]
                if message["parts"]:
                    self.messages.append(message)
            case "tool.finished":
                event = orjson.loads(item.data)
                tool = {"id": event["call_id"], "role": "tool", "parts": [event["result"]]}
                self.messages.append({**tool, "turn_id": event["turn_id"], "at": event["at"]})
            case "turn.finished":
                event = orjson.loads(item.data)
                names = ("turn_id", "reason", "error", "usage", "cost_usd")
                self.turn = {name: event[name] for name in names if name in event}
            case "message.rejected":
                self.rejected = orjson.loads(item.data)["reason"]
