"""A session's events as a program reads them, and what of them belongs to one message. Pure."""

import json
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """A durable event, or a live frame. The guide's page "Events" has the types and their fields."""

    #: Such as `turn.finished`, or `step.delta`.
    type: str
    #: The event's number, which is a cursor; None for live frames.
    seq: int | None
    #: The event's fields.
    data: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        """A field of the event. Raises KeyError."""
        return self.data[name]

    @property
    def turn_id(self) -> str | None:
        """The turn that it belongs to; None outside of turns."""
        if "turn_id" in self.data:
            turn: str | None = self.data["turn_id"]
            return turn
        # Live frames name a step or a call, as `t7.s2` and `t7.s2.c1`.
        below = self.data.get("step_id") or self.data.get("call_id")
        return str(below).partition(".")[0] if below else None

    @property
    def text(self) -> str:
        """The fragment of the answer's text that a `step.delta` brings; "" of anything else."""
        return str(self.data["delta"]) if self.type == "step.delta" and self.data["kind"] == "text" else ""


async def events_in(lines: AsyncIterable[str]) -> AsyncGenerator[Event]:
    """The events of a text/event-stream."""
    kind, seq, data = "", None, list[str]()
    async for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event(kind, seq, json.loads("\n".join(data)))
            kind, seq, data = "", None, []
        elif name == "event":
            kind = value
        elif name == "id":
            seq = int(value)
        elif name == "data":
            data.append(value)


@dataclass(slots=True)
class TurnFilter:
    """Give it every event after a message was sent, in order; `take` gives back those of the message and its turn,
    until `over`."""

    message_id: str
    over: bool = False
    _turn: str | None = None
    _opening: Event | None = field(default=None)

    def take(self, event: Event) -> tuple[Event, ...]:
        data = event.data
        if event.type == "session.snapshot":
            # Events are no longer kept; the snapshot stands for them.
            turn = next((one["turn_id"] for one in data["messages"] if one["id"] == self.message_id), None)
            if turn is not None and turn == data["turn_id"]:
                self._turn = turn
            else:
                self.over = turn is not None
            return (event,)
        if event.type == "session.closed":
            self.over = True
        if event.type in ("message.queued", "message.rejected") and data["message_id"] == self.message_id:
            self.over = event.type == "message.rejected"
            return (event,)
        if self._turn is not None:
            if event.turn_id != self._turn:
                return ()
            self.over = event.type == "turn.finished"
            return (event,)
        if event.type == "turn.started":
            # It does not say for whom; the `message.added` right after it does.
            self._opening = event
        if event.type != "message.added" or data["message"]["id"] != self.message_id:
            return ()
        self._turn = event.turn_id
        opening = self._opening
        return (opening, event) if opening is not None and opening.turn_id == self._turn else (event,)
