"""One turn as JSON, put together from its events. Pure."""

from typing import Any

import orjson

from perdure.gateway.live.items import Frame
from perdure.temporal.sessions.event_json import event_json, message_json
from perdure.temporal.sessions.sealed import Shown
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.vocabulary.events import (
    Event,
    MessageAdded,
    MessageRejected,
    StepFinished,
    ToolFinished,
    TurnFinished,
)


class TurnRecord:
    def __init__(self) -> None:
        self.messages: list[Any] = []
        #: `turn_id`, `reason`, `error`, `usage`, `cost_usd`, `result` where there is one; None until the turn is finished.
        self.turn: dict[str, Any] | None = None
        #: Why the message was rejected, if it was.
        self.rejected: str | None = None

    def add(self, value: Event | Frame) -> None:
        match value:
            case Snapshot():
                # The turn goes on behind it, so what it has of the turn is what came before.
                own = [message for message in value.messages if message.turn_id == value.page.turn_id]
                self.messages = [
                    orjson.Fragment(one.json) if isinstance(one, Shown) else message_json(one) for one in own
                ]
            case MessageAdded():
                self.messages.append(message_json(value.message))
            case StepFinished():
                if value.message.parts:
                    self.messages.append(message_json(value.message))
            case ToolFinished() if value.block is None:
                event = event_json(value)
                tool = {"id": value.call_id, "role": "tool", "parts": [event["result"]]}
                self.messages.append({**tool, "turn_id": event["turn_id"], "at": event["at"]})
            case TurnFinished():
                event = event_json(value)
                names = ("turn_id", "reason", "error", "usage", "cost_usd", "result")
                self.turn = {name: event[name] for name in names if name in event}
            case MessageRejected():
                self.rejected = value.reason
            case _:
                pass
