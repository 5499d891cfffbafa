"""Sealed segments: what of a session's past lies in the blob store, written once, and how it is told of.

A session's state holds a bounded tail of its events, steps and messages. What came before is sealed: a segment is a blob
below the session's own name, and a `SegmentRef` says what it holds. 32 refs of one level are folded into an index, a blob of
those refs that one ref of the next level tells of; so a session of any length has few refs.
"""

from collections.abc import Iterable

from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.pinned import size_of
from perdure.workflows.protocol.segment_refs import SegmentRef as SegmentRef
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.events import Event, FeedbackGiven, MessageAdded, StepFinished, ToolFinished
from perdure.workflows.vocabulary.ids import turn_number
from perdure.workflows.vocabulary.parts import Frozen, Message


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
        case ToolFinished(undoes=None, block=None):
            return Message(id=event.call_id, role="tool", parts=(event.result,), turn_id=event.turn_id, at=event.at)
        case _:
            return None


def said_in(events: Iterable[Event]) -> tuple[Message, ...]:
    """The messages that events put into the transcript, in order."""
    return tuple(message for event in events if (message := message_in(event)) is not None)


def ref_of(segment: Segment, sha256: str, size: int) -> SegmentRef:
    """What tells of a segment, whose blob is of this hash and size."""
    said = segment.said()
    # Feedback comes when its turn is over for long, and tells nothing of what happened in it.
    own = [event for event in segment.events if not isinstance(event, FeedbackGiven)]
    turns = [number for one in (*own, *said) if (number := turn_number(one.turn_id or "")) is not None]
    return SegmentRef(
        sha256=sha256,
        size=size,
        first=segment.first,
        last=segment.last,
        start=segment.start,
        stop=segment.start + len(said),
        first_turn=min(turns, default=0),
        last_turn=max(turns, default=0),
        steps=len(segment.steps),
        bytes=sum(map(size_of, said)),
    )
