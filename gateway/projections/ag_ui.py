"""A run of AG-UI, made of a session's events and live frames, in order. Pure.

A run goes from what a client asks of a thread to where the session rests or waits for people. It tells all that the session
does meanwhile. What AG-UI has no event for is `CUSTOM`, with the name and the value of the session's own event.

Rule 1: durable events alone decide what messages hold in the end. Live frames only tell it sooner.
Rule 2: everything that is open is closed before the run ends, and a run that begins ends, unless its stream is cut.
"""

from collections.abc import Iterable
from typing import Any

from perdure.gateway.live.items import AgentEvent, Frame
from perdure.gateway.live.turn_filter import asks_below
from perdure.gateway.projections import ag_ui_events as events
from perdure.gateway.projections.ag_ui_agents import SubAgents, is_fact
from perdure.gateway.projections.ag_ui_events import AgUiEvent
from perdure.gateway.projections.ag_ui_messages import (
    AgUiMessage,
    Conversation,
    all_anew,
    is_note,
    native,
    open_calls,
    tool_message,
    without_reasoning,
)
from perdure.gateway.projections.ag_ui_questions import Asked, Questions
from perdure.gateway.projections.ag_ui_rest import Rest, settled
from perdure.gateway.projections.ag_ui_run_of import RunOf
from perdure.gateway.projections.ag_ui_state import State, Used
from perdure.gateway.projections.ag_ui_step import StepView
from perdure.gateway.projections.native import shown
from perdure.temporal.live.frames import StepDelta, StepProgress, ToolProgress
from perdure.temporal.sessions.event_json import event_json
from perdure.temporal.sessions.snapshot import Snapshot, SubQuestion
from perdure.workflows.vocabulary.budget_events import BudgetPaused
from perdure.workflows.vocabulary.events import (
    Event,
    EventBase,
    FeedbackGiven,
    MessageAdded,
    MessageRejected,
    SessionStarted,
    StepFinished,
    StepStarted,
    TodoUpdated,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.parts import ToolCall
from perdure.workflows.vocabulary.question_events import ApprovalRequested, InputRequested
from perdure.workflows.vocabulary.rewinds import TranscriptRewound

#: What a run's own events tell already, or what is no matter of a run's.
_TOLD = (
    SessionStarted
    | TurnStarted
    | TurnFinished
    | ApprovalRequested
    | InputRequested
    | BudgetPaused
    | TodoUpdated
    | FeedbackGiven
)


class Run:
    """Give it everything, in order, until it is `over`. A run begins with the messages that its client has, or with a
    snapshot, from which on it goes."""

    def __init__(self, of: RunOf, state: State, messages: list[AgUiMessage] | None = None) -> None:
        self.over = False
        #: The conversation is another one now, so a snapshot has to come next.
        self.is_stale = False
        #: A sub-agent has asked something, maybe long ago: what is open below has to be told (`take_below`).
        self.asks_below = False
        self._of = of
        self._state = state
        self._said = Conversation(messages or ())
        self._used = Used()
        self._questions = Questions()
        self._step: StepView | None = None
        #: The name of the step that clients are in.
        self._in_step: str | None = None
        self._turn: str | None = None
        #: The turn with which the run ends.
        self._goal: str | None = None
        #: The run's message has not begun or joined a turn yet.
        self._awaits = of.message_id is not None
        #: Calls that have no result yet.
        self._calls: set[str] = set()
        self._agents = SubAgents()
        #: The state as clients have it.
        self._shown: dict[str, Any] = {}
        self._seq = 0

    def begin(self) -> list[AgUiEvent]:
        of = self._of
        made = [events.run_started(of.thread_id, of.run_id, of.parent_run_id)]
        return [*made, events.custom("ignored", of.ignored)] if of.ignored else made

    def show_state(self) -> list[AgUiEvent]:
        """The state, where it is not what the client has."""
        state = self._state.json()
        if state == self._shown:
            return []
        self._shown = state
        return [events.state(state)]

    def take(self, value: Event | Frame) -> list[AgUiEvent]:
        """What the client is sent of an event or a frame."""
        if not self._goes_on():
            return []
        if isinstance(value, EventBase):
            if value.seq <= self._seq:
                return []
            self._seq = value.seq
            self._questions.follow(value)
            self._used.follow(value)
        made = self._made(value)
        if isinstance(value, EventBase) and self._state.follow(value) and self._goes_on():
            made += self.show_state()
        return [*made, *self._rested()] if self._goes_on() else made

    def take_below(self, asked: Iterable[SubQuestion]) -> list[AgUiEvent]:
        """What sub-agents ask at the moment."""
        self.asks_below = False
        self._questions.reset_below(Asked(one.question, one.session_id) for one in asked)
        return self._rested() if self._goes_on() else []

    def _goes_on(self) -> bool:
        return not self.over

    def broken_off(self) -> list[AgUiEvent]:
        """The session has no more to tell, and the run is not over."""
        return [] if self.over else self._end(Rest("failed", message="The session is closed.", code="session_closed"))

    # What is made of each event.

    def _made(self, value: Event | Frame) -> list[AgUiEvent]:
        match value:
            case Snapshot():
                return self._begin_from(value)
            case StepDelta() | StepProgress() | StepStarted() | StepFinished():
                return self._stepped(value)
            case ToolStarted() | ToolFinished():
                return self._called(value)
            case AgentEvent():
                self.asks_below = self.asks_below or asks_below(value) or (self._questions.below and is_fact(value))
                return [self._as_it_is(value)]
            case ToolProgress():
                return [self._as_it_is(value)]
            case MessageAdded():
                return self._added(value)
            case MessageRejected() if value.message_id == self._of.message_id:
                return self._end(
                    Rest("failed", message=f"The message was not taken: {value.reason}.", code=value.reason)
                )
            case TurnStarted():
                self._turn = value.turn_id
                if not self._awaits and self._goal is None:
                    self._goal = value.turn_id
                return []
            case TurnFinished():
                return self._finished(value)
            case TranscriptRewound():
                self.is_stale = True
                return [self._as_it_is(value)]
            case _:
                return [] if isinstance(value, _TOLD) else [self._as_it_is(value)]

    def _as_it_is(self, value: Event | Frame) -> AgUiEvent:
        name, told = shown(value)
        return events.custom(name, told)

    def _begin_from(self, snapshot: Snapshot) -> list[AgUiEvent]:
        """All messages anew, and what goes on from there."""
        page = snapshot.page
        self.is_stale = False
        made = self._closed()
        self._step, self._said = None, Conversation()
        whole = [native(message) for message in snapshot.messages]
        for message in whole:
            self._said.add(message, self._of.thread_id)
        self._seq = page.seq
        self._state.reset(page)
        if self._of.answered:
            self._state.status = "working"
        asked = (Asked(one.question, one.session_id) for one in snapshot.sub_questions)
        open_ones = (*map(Asked, page.questions), *asked)
        self._questions.reset(one for one in open_ones if one.id not in self._of.answered)
        self._turn = page.turn_id
        called = open_calls(whole, page.turn_id)
        self._calls = called.keys() | page.sub_sessions.keys()
        made += [*all_anew(self._all()), *self.show_state()]
        for call_id, session_id in page.sub_sessions.items():
            made += self._agents.begin(call_id, session_id, called.get(call_id, "agent"))
        self._awaits = self._of.message_id is not None and self._of.message_id not in self._said
        if not self._awaits:
            self._goal = page.turn_id
            if page.turn_id is None and page.status != "working":
                made += self._end(settled(snapshot))
        return made

    def _added(self, value: MessageAdded) -> list[AgUiEvent]:
        message = native(value.message)
        if value.message.id == self._of.message_id:
            self._goal, self._awaits = value.turn_id, False
        if value.message.id in self._said:
            return []
        if is_note(message):
            return [self._as_it_is(value)]
        made: list[AgUiEvent] = []
        for one in self._said.add(message, self._of.thread_id):
            if not isinstance(one["content"], str):
                # No event adds a message that is more than text.
                return [*self._closed(), *all_anew(self._all())]
            made += [
                events.text_start(one["id"], one["role"]),
                events.text_content(one["id"], one["content"]),
                events.text_end(one["id"]),
            ]
        return made

    def _stepped(self, value: StepDelta | StepProgress | StepStarted | StepFinished) -> list[AgUiEvent]:
        is_hidden = isinstance(value, StepStarted) and value.block is not None and value.block.display == "hidden"
        made: list[AgUiEvent] = []
        if self._step is None or self._step.step_id != value.step_id:
            made += self._leave_step()
            self._step = StepView(value.step_id, self._anew, is_known=isinstance(value, StepStarted))
            if not is_hidden and not isinstance(value, StepFinished):
                self._in_step = value.step_id
                made.append(events.step_started(value.step_id, value.model if isinstance(value, StepStarted) else None))
        match value:
            case StepStarted():
                return made
            case StepFinished():
                made += [*self._step.finished(value.message), *self._leave_step()]
                self._step = None
                self._said.add(native(value.message), self._of.thread_id)
                self._calls |= {part.call_id for part in value.message.parts if isinstance(part, ToolCall)}
                return made
            case _:
                return [*made, *self._step.take(value)]

    def _called(self, value: ToolStarted | ToolFinished) -> list[AgUiEvent]:
        if isinstance(value, ToolStarted):
            self._calls.add(value.call_id)
            made = [self._as_it_is(value)] if value.block is not None or value.undoes is not None else []
            if value.session_id is not None:
                made += self._agents.begin(value.call_id, value.session_id, value.name)
            return made
        self._calls.discard(value.call_id)
        made = self._agents.end(value)
        if value.block is not None or value.undoes is not None:
            return [*made, self._as_it_is(value)]
        message = tool_message(event_json(value)["result"])
        self._said.put(message)
        return [*made, events.call_result(message)]

    def _finished(self, value: TurnFinished) -> list[AgUiEvent]:
        made = self._step.given_up() if self._step is not None else []
        made += self._leave_step()
        self._step, self._turn = None, None
        self._calls.clear()
        self._questions.ended()
        if self._goal != value.turn_id:
            return made
        self._state.follow(value)
        asked = tuple(self._questions.open.values()) if value.reason == "parked" else ()
        return [*made, *self._end(Rest.of_turn(value, asked))]

    # The run's end.

    def _rested(self) -> list[AgUiEvent]:
        return self._end(Rest("waiting", asked=tuple(self._questions.of_turn))) if self._waits() else []

    def _waits(self) -> bool:
        """Nothing goes on until people have answered."""
        if self._turn is None or self._step is not None or not self._questions.of_turn:
            return False
        run_on = self._calls - self._questions.calls
        return not run_on or (self._questions.below and run_on <= self._agents.run.keys())

    def _end(self, rest: Rest) -> list[AgUiEvent]:
        self.over = True
        made = self._closed()
        asked = [one.id for one in rest.asked if one.session_id is not None]
        made += self._agents.leave(asked)
        if self._state.status != "closed":
            self._state.status = rest.status
        made += self.show_state()
        return [*made, rest.event(self._of, self._used.json())]

    def _closed(self) -> list[AgUiEvent]:
        """Ends what is open of the step."""
        return [*(self._step.closed() if self._step is not None else []), *self._leave_step()]

    def _leave_step(self) -> list[AgUiEvent]:
        name, self._in_step = self._in_step, None
        return [] if name is None else [events.step_finished(name)]

    def _all(self) -> list[AgUiMessage]:
        return [*self._said.messages, *(self._step.messages() if self._step is not None else [])]

    def _anew(self, of_step: list[AgUiMessage], taken_back: set[str]) -> list[AgUiEvent]:
        return all_anew(without_reasoning([*self._said.messages, *of_step], taken_back))
