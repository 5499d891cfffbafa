"""Sealed segments: what of a session's past lies in the blob store, written once, and how it is told of.

A session's state holds a bounded tail of its events, steps and messages. What came before is sealed: a segment is a blob
below the session's own name, and a `SegmentRef` says what it holds. 32 refs of one level are folded into an index, a blob of
those refs that one ref of the next level tells of; so a session of any length has few refs.
"""

import operator
from collections.abc import Iterable
from typing import Final

from pydantic import Field, TypeAdapter

from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.events import Event, MessageAdded, StepFinished, ToolFinished
from perdure.workflows.vocabulary.parts import Frozen, Message

#: Refs of one level that are folded into an index.
FAN_OUT: Final = 32


class SegmentRef(Frozen):
    """A blob of a session's past: a segment, or an index of refs."""

    #: Of the blob, which lies at `{tenant}/{session}/{sha256}`.
    sha256: str
    #: Bytes of the blob.
    size: int
    #: 0: a segment; n: an index of `FAN_OUT` refs of the level below.
    level: int = Field(default=0, exclude_if=operator.not_)
    #: `seq` of the first and the last event; `last` is `first` - 1 where there are none.
    first: int
    last: int
    #: Numbers of the messages; `stop` is not one of them.
    start: int
    stop: int
    #: Numbers of the first and the last turn that events or messages belong to; 0: of none.
    first_turn: int = 0
    last_turn: int = 0
    #: How many steps.
    steps: int = 0
    #: Bytes of the messages as JSON, folded parts counted in full.
    bytes: int = 0

    def key(self, workflow_id: str) -> str:
        """Of the blob."""
        return f"{workflow_id}/{self.sha256}"

    def holds(self, stretch: Stretch) -> bool:
        """Whether messages of the stretch are in it."""
        return self.start < stretch.stop and stretch.start < self.stop


SegmentRefs: TypeAdapter[tuple[SegmentRef, ...]] = TypeAdapter(tuple[SegmentRef, ...])


class Segment(Frozen):
    """A part of a session's past. It ends where no step is open and every call has its result."""

    #: `seq` of the first event, or of the one that comes next where there is none.
    first: int
    #: The number of the first message.
    start: int
    events: tuple[Event, ...] = ()
    #: Of the steps that opened in it.
    steps: tuple[StepRecord, ...] = ()
    #: Messages that none of `events` holds; they come before those that one does.
    messages: tuple[Message, ...] = ()
    #: The definitions that `steps` ran with, by digest.
    agents: dict[str, LoadedAgent] = {}
    #: What its messages' model was told of the date, by the id of the message that each day comes before.
    days: dict[str, str] = {}

    @property
    def last(self) -> int:
        """`seq` of the last event; `first` - 1 where there is none."""
        return self.first + len(self.events) - 1

    def said(self) -> tuple[Message, ...]:
        """All its messages in order, the first of them of the number `start`."""
        return (*self.messages, *said_in(self.events))

    def of(self, start: int, stop: int) -> tuple[Message, ...]:
        """Those of its messages that have the numbers from `start` to `stop`."""
        return self.said()[max(start - self.start, 0) : max(stop - self.start, 0)]


def message_in(event: Event) -> Message | None:
    """The message that an event puts into the transcript; None: it puts none there."""
    match event:
        case MessageAdded():
            return event.message
        case StepFinished():
            return event.message if event.message.parts else None
        case ToolFinished():
            return Message(id=event.call_id, role="tool", parts=(event.result,), turn_id=event.turn_id, at=event.at)
        case _:
            return None


def said_in(events: Iterable[Event]) -> tuple[Message, ...]:
    """The messages that events put into the transcript, in order."""
    return tuple(message for event in events if (message := message_in(event)) is not None)


def holding(refs: tuple[SegmentRef, ...], stretches: Iterable[Stretch]) -> tuple[SegmentRef, ...]:
    """Those of the refs that hold messages of the stretches."""
    wanted = tuple(stretches)
    return tuple(ref for ref in refs if any(map(ref.holds, wanted)))
