"""What viewers are sent, as types: durable events, and live frames between them. How it is written is for the edge.

Rule: a value is encoded when the first viewer is sent it, and then kept with its `Item` for all others.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Final

from pydantic import BaseModel

from perdure.temporal.live.frames import StepDelta, StepProgress, ToolProgress
from perdure.temporal.sessions.look import StepRetrying
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.vocabulary import ids
from perdure.workflows.vocabulary.events import Event

#: Bytes that any value takes, whatever it holds.
_BASE: Final = 200


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """What the session of a running sub-agent sends, for viewers of its caller."""

    #: The call that the sub-agent answers.
    call_id: str
    session_id: str
    event: "Event | Frame"


#: Live frames: they may be lost, and none has a `seq` of the session.
Frame = StepDelta | StepProgress | StepRetrying | ToolProgress | AgentEvent | Snapshot


class Item:
    """One event or live frame on its way to all viewers of a session."""

    __slots__ = ("encoded", "seq", "value")

    def __init__(self, value: Event | Frame) -> None:
        self.value = value
        #: Of an event; None for a live frame.
        self.seq: int | None = None if isinstance(value, Frame) else value.seq
        #: As it is sent, once it was sent to anybody.
        self.encoded: bytes | None = None


def turn_of(value: Event | Frame) -> str | None:
    """The turn that it belongs to."""
    match value:
        case StepDelta() | StepProgress() | StepRetrying():
            return ids.turn_of(value.step_id)
        case ToolProgress() | AgentEvent():
            return ids.turn_of(value.call_id)
        case Snapshot():
            return None
        case _:
            return value.turn_id


def seq_of(value: Event | Frame) -> int | None:
    """The `seq` that whoever has it has reached; a live frame of a step or tool moves nobody on."""
    match value:
        case StepDelta() | StepProgress() | StepRetrying() | ToolProgress() | AgentEvent():
            return None
        case Snapshot():
            return value.page.seq
        case _:
            return value.seq


def weight(value: Event | Frame) -> int:
    """About how many bytes it takes on the wire, found without encoding it."""
    return _BASE + _texts(value)


def _texts(value: object) -> int:
    match value:
        case str():
            return len(value) if value.isascii() else len(value.encode(errors="replace"))
        case bytes():
            return len(value)
        case dict():
            return sum(_texts(key) + _texts(one) for key, one in value.items())
        case list() | tuple():
            return sum(map(_texts, value))
        case BaseModel():
            return _texts(value.__dict__)
        case _ if is_dataclass(value):
            return sum(_texts(getattr(value, field.name)) for field in fields(value))
        case _:
            return 0
