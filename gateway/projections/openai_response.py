"""A turn, or the part of it up to where it waits for its caller, as a response of OpenAI's Responses API. Pure.

What is promised of its stream:
- Events are a function of the session's record. Whoever reads them from the start at any time, or with any number as
  `starting_after`, is sent the same events with the same numbers; texts come in pieces that the texts themselves decide.
- So a reader who was cut off loses nothing and is sent nothing twice, and ends with the response that `GET` shows.
- What was streamed of an attempt at a step that was then lost is no part of the record. A reader who sees the loss sees its
  items end as `incomplete`, and new items with other ids. Who comes again behind it, or reads all of it later, is sent only
  the latter.
- The event that ends the stream comes to each reader, whatever number they give.
"""

from collections.abc import Collection
from typing import Any, Final, assert_never

from perdure.gateway.live.items import AgentEvent, Frame
from perdure.gateway.projections import openai_calls as calls
from perdure.gateway.projections.openai_endings import Ending, Status, turn_ended, turn_rests, was_rejected
from perdure.gateway.projections.openai_ids import ResponseId
from perdure.gateway.projections.openai_shown import response_json
from perdure.gateway.projections.openai_step import StepItems, StreamEvent, said_by
from perdure.gateway.projections.openai_stream import NumberedEvents
from perdure.gateway.projections.openai_waits import Waits
from perdure.temporal.live.frames import StepDelta, StepProgress, ToolProgress
from perdure.temporal.sessions.look import StepRetrying
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.events import (
    Event,
    EventBase,
    MessageAdded,
    MessageQueued,
    MessageRejected,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.parts import Message, StopReason, ToolCall, Usage
from perdure.workflows.vocabulary.question_events import ApprovalRequested, InputRequested
from perdure.workflows.vocabulary.questions import Question

#: Ends of a model call at which its answer is what has streamed.
_BY_ITSELF: Final = ("end", "tool_calls", "stop_sequence", "max_tokens", "pause")


class ResponseProjection:
    """Give it what belongs to the message (`TurnFilter`), in order. `agent` is the session's; only events with numbers
    greater than `after` are given. `asks` are names of tools that people or the caller's program answer: whether a call of
    one of these is a question, the event behind its start tells."""

    def __init__(
        self,
        id: ResponseId,  # noqa: A002
        agent: str,
        after: int = -1,
        asks: Collection[str] = (),
    ) -> None:
        self.id = id
        self._agent = agent
        self._events = NumberedEvents(id.mark, after)
        self._waits = Waits()
        self._created_at: float | None = None
        self._status: Status = "queued"
        self.turn_id: str | None = None
        #: The message has the turn to itself, so what the turn used is what the response did.
        self._own_turn = False
        self._usage = Usage()
        self._stop: StopReason | None = None
        #: Calls that the model made, by id; of those that run, where their items are and their output index; of those that
        #: were asked about, the item that did; those that are functions of the caller's.
        self._made: dict[str, ToolCall] = {}
        self._running: dict[str, tuple[int, int]] = {}
        self._approvals: dict[str, str] = {}
        self._functions: set[str] = set()
        self._asks = asks
        #: A call that has begun and may be a question.
        self._held: ToolStarted | None = None
        self._ended_at: float | None = None
        self.ending: Ending | None = None
        #: What a handler asks, with which its turn ends.
        self._handler_asks: Question | None = None
        #: What the turn waits for, of a response that ended with that.
        self.asked: tuple[Question, ...] = ()
        #: The message that it answers, once it has its turn.
        self.message: Message | None = None
        #: The events that tell it are no longer kept.
        self.lost = False

    @property
    def exists(self) -> bool:
        return self._created_at is not None

    @property
    def over(self) -> bool:
        return self.ending is not None or self.lost

    def take(self, value: Event | Frame) -> list[StreamEvent]:
        """The events to be sent because of it."""
        if not self.over:
            match value:
                case StepDelta() | StepProgress():
                    if self._waits.rested == self.id.part:
                        self._events.step_streams(value)
                case StepRetrying() | ToolProgress() | AgentEvent():
                    pass
                case Snapshot():
                    self.lost = True
                case EventBase():
                    self._follow(value)
                case _:
                    assert_never(value)
        return self._events.drain()

    def session_closed(self) -> list[StreamEvent]:
        """Nothing comes any more."""
        if self.exists and not self.over:
            self._end(was_rejected("session_closed"), None)
        return self._events.drain()

    def sent_at(self, at: float) -> None:
        """It was sent then, in seconds since 1970, and waits for its session to take it in."""
        if self._created_at is None:
            self._created_at = at

    @property
    def response(self) -> dict[str, Any]:
        """The response as it is now."""
        return self._shown(self._status, self._events.items)

    def _follow(self, event: Event) -> None:
        mine = self._waits.rested == self.id.part
        rests = self._waits.follow(event)
        self.turn_id = event.turn_id or self.turn_id
        self._remember(event)
        if mine:
            self._tell(event)
        if not rests or self.over:
            return
        if mine:
            self.asked = tuple(self._waits.open.values())
            self._end(turn_rests(self.asked, str(self.id.next)), event)
        elif self._waits.rested == self.id.part:
            self._begin(event)
            self._work()

    def _remember(self, event: Event) -> None:
        """What later parts of the turn need to know, too."""
        match event:
            case MessageAdded() if event.message.id == self.id.message_id:
                self.message = event.message
            case StepFinished():
                self._made |= {part.call_id: part for part in event.message.parts if isinstance(part, ToolCall)}
            case ApprovalRequested() if calls.is_told(event.question):
                self._approvals[event.call_id] = calls.approval_id(self.id.mark, event.question_id)
            case InputRequested() if event.call_id is not None and calls.is_function(event.question):
                self._functions.add(event.call_id)
            case _:
                pass

    def _tell(self, event: Event) -> None:
        events = self._events
        held, self._held = self._held, None
        if held is not None and not _asks_for(event, held.call_id):
            self._call(held.call_id, held.name, held.args)
        match event:
            case MessageQueued():
                if self._begin(event):
                    events.tell({"type": "response.queued", "response": self._shown("queued", [])})
            case MessageRejected():
                self._begin(event)
                # The turn that it waited for is not its own.
                self.turn_id = None
                self._end(was_rejected(event.reason), event)
            case TurnStarted():
                self._own_turn = True
                self._begin(event)
            case MessageAdded():
                self._said(event)
            case StepStarted():
                events.step_started(event.step_id, hidden=_is_hidden(event.block))
            case StepFinished():
                self._usage += event.usage
                if _is_hidden(event.block):
                    events.step_finished(event.step_id, 1, [], by_itself=True)
                    return
                self._stop = event.stop
                by_itself = event.stop in _BY_ITSELF and not event.message.stopped
                said = said_by(event.message.parts)
                events.step_finished(event.step_id, max(event.attempt, 1), said, by_itself=by_itself)
            case ToolStarted() if event.undoes is None and not _is_hidden(event.block):
                if event.name in self._asks:
                    self._held = event
                else:
                    self._call(event.call_id, event.name, event.args)
            case ToolFinished() if event.undoes is None and not _is_hidden(event.block):
                self._usage += event.usage or Usage()
                self._called(event)
            case ApprovalRequested() if calls.is_told(event.question):
                item = calls.approval_item(self.id.mark, event.question)
                self._add(item, calls.whole_events(item, events.index))
            case InputRequested() if calls.is_function(event.question):
                item = calls.function_item(self.id.mark, event.question)
                self._add(item, calls.function_events(item, events.index))
            case InputRequested() if event.subject == "handler":
                self._handler_asks = event.question
            case TurnFinished():
                self._own_turn = self._own_turn and self.id.part == 0
                self._usage = event.usage if self._own_turn else self._usage
                self._end(turn_ended(event, self._stop, self._handler_asks), event)
            case _:
                pass

    def _begin(self, event: Event) -> bool:
        """Whether it begins only now."""
        if self._created_at is not None:
            return False
        self._created_at = event.at.timestamp()
        self._events.tell({"type": "response.created", "response": self._shown("in_progress", [])})
        return True

    def _work(self) -> None:
        self._status = "in_progress"
        self._events.tell({"type": "response.in_progress", "response": self._shown("in_progress", [])})

    def _said(self, event: MessageAdded) -> None:
        message = event.message
        if message.role == "assistant":
            # A handler says something by itself.
            said, events = said_by(message.parts), self._events
            items = StepItems(f"{self.id.mark}_{message.id}", events.index)
            for one in items.close(said):
                events.tell(one)
            events.items += items.items(said, "completed")
        elif message.id == self.id.message_id:
            self._begin(event)
            self._work()

    def _add(self, item: dict[str, Any], events: Any) -> None:
        told = list(events)
        self._events.items.append(item)
        for event in told:
            self._events.tell(event)

    def _call(self, call_id: str, name: str, args: dict[str, Any]) -> None:
        item = calls.call_item(self.id.mark, call_id, name, args, self._approvals.get(call_id))
        index = self._events.index
        self._running[call_id] = (len(self._events.items), index)
        self._add(item, calls.call_events(item, index))

    def _called(self, event: ToolFinished) -> None:
        if event.call_id in self._functions:
            return
        if event.call_id not in self._running:
            # It was refused, or somebody has answered in its place.
            made = self._made.get(event.call_id)
            self._call(event.call_id, event.name, made.args if made else {})
        place, index = self._running.pop(event.call_id)
        item = calls.called_item(self._events.items[place], event.result)
        self._events.items[place] = item
        for told in calls.called_events(item, index):
            self._events.tell(told)

    def _end(self, ending: Ending, event: Event | None) -> None:
        for place, index in self._running.values():
            item = self._events.items[place] = {**self._events.items[place], "status": "incomplete"}
            self._events.tell({"type": "response.output_item.done", "output_index": index, "item": item})
        self._running.clear()
        self.ending, self._status = ending, ending.status
        self._ended_at = event.at.timestamp() if event is not None else None
        self._events.tell({"type": ending.event, "response": self.response}, anyway=True)

    def _shown(self, status: Status, output: list[dict[str, Any]]) -> dict[str, Any]:
        return response_json(
            self.id,
            self._agent,
            status,
            list(output),
            self.ending,
            self._usage,
            self.turn_id,
            self._created_at or 0,
            self._ended_at,
        )


def _asks_for(event: Event, call_id: str) -> bool:
    """Whether the call that has just begun is a question, and nothing that runs."""
    if not isinstance(event, InputRequested) or event.call_id != call_id or event.subject != "call":
        return False
    return event.form in ("result", "fields")


def _is_hidden(block: Block | None) -> bool:
    return block is not None and block.display != "stream"
