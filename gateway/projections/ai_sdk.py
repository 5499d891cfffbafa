"""One answer as the AI SDK's chunks, made of a session's events and live frames, in order. Pure.

A turn is one assistant message, whose id is the turn's. Where a user's message joins the turn, its answer is a message of its
own, whose id also names that message (`ai_sdk_ids.py`).

Rule 1: durable events alone decide what a message holds in the end. Live frames only tell it sooner.
Rule 2: an answer ends where its turn does, where another message joins, or where the turn waits for people alone
(`Answer.waits`): clients take the end of a stream as leave to answer. What is asked is told before.
"""

from typing import Any, Final

from perdure.gateway.live.items import AgentEvent, Frame
from perdure.gateway.projections import ai_sdk_chunks as chunks
from perdure.gateway.projections.ai_sdk_calls import Calls, is_result
from perdure.gateway.projections.ai_sdk_chunks import Chunk
from perdure.gateway.projections.ai_sdk_ids import answer_id, said_by_user, sub_question_id
from perdure.gateway.projections.ai_sdk_metadata import ended, finish_reason, started
from perdure.gateway.projections.ai_sdk_step import StepParts
from perdure.gateway.projections.native import shown
from perdure.temporal.live.frames import StepDelta, StepProgress, ToolProgress
from perdure.temporal.sessions.event_json import message_json, question_json
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.events import (
    Event,
    MessageAdded,
    StepFinished,
    StepStarted,
    TodoUpdated,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.ids import turn_of
from perdure.workflows.vocabulary.parts import Message, StopReason, Text, ToolCall
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)
from perdure.workflows.vocabulary.questions import Question

#: What is said within a step.
_IN_STEP: Final = frozenset(("text-start", "reasoning-start", "tool-input-start", "file"))


class Answer:
    """Give it everything from the event on with which the answer begins, `turn.started` or the message that joins."""

    def __init__(self, session_id: str) -> None:
        self.id: str | None = None
        self.turn_id: str | None = None
        #: The turn has ended.
        self.over = False
        #: A message has joined the turn, and the rest of it answers that one.
        self.is_joined = False
        self.calls = Calls()
        self._session_id = session_id
        self._metadata: dict[str, Any] = {}
        self._step: StepParts | None = None
        self._begun = False
        self._stop: StopReason = "end"
        self._end: TurnFinished | None = None
        #: Open and settled questions that calls do not tell of, by id.
        self._questions: dict[str, dict[str, Any]] = {}
        self._budget: str | None = None
        #: What clients have of the step that they are in.
        self._in_step = False
        self._step_calls: set[str] = set()
        self._calls_before: set[str] = set()
        self._waited = False

    @property
    def waits(self) -> bool:
        """Nothing goes on until people have answered."""
        if self.over or self._step is not None or self.calls.runs:
            return False
        return self._budget is not None or self.calls.waits

    def take(self, value: Event | Frame) -> list[Chunk]:
        """What clients are sent of an event or a frame."""
        if self.is_joined or (self.over and not isinstance(value, InputReceived | BudgetRaised)):
            return []
        made = self._placed(self._made(value), _IN_STEP - {"file"} if isinstance(value, ToolFinished) else _IN_STEP)
        if self.waits and not self._waited:
            # A client that answers now goes on behind this step, so others do, too.
            made += self._rested()
        self._waited = self.waits
        return made

    def ending(self) -> list[Chunk]:
        """The chunks that end the stream, of an answer that is over, joined, or waits."""
        if self.is_joined:
            return [*self._rested(), chunks.finish("stop", {"reason": "joined"})]
        end = self._end
        if end is None:
            reason = "other" if self._budget is not None else "tool-calls"
            return [*self._rested(), chunks.finish(reason, {"reason": "waiting"})]
        told = ended(end)
        if end.reason == "failed":
            words = end.error.message if end.error is not None else "The turn failed."
            return [*self._rested(), chunks.metadata(told), chunks.error(words)]
        if end.reason in ("stopped", "interrupted"):
            return [*self._rested(), chunks.metadata(told), chunks.abort(end.reason)]
        return [*self._rested(), chunks.finish(finish_reason(end.reason, self._stop), told)]

    def again(self) -> list[Chunk]:
        """What a stream begins with whose client has all that was made so far."""
        self._in_step = False
        return [] if self.id is None else [chunks.start(self.id, self._metadata)]

    # What is made of each event.

    def _made(self, value: Event | Frame) -> list[Chunk]:
        match value:
            case TurnStarted() if self.id is None and value.turn_id is not None:
                return self._start(value, value.turn_id, answer_id(value.turn_id))
            case MessageAdded():
                return self._added(value, value.message)
            case InputReceived() | ApprovalResolved() | BudgetRaised():
                return self._answered(value)
            case _ if self.id is None or self._turn(value) != self.turn_id:
                return []
            case TurnFinished():
                return self._finished(value)
            case StepStarted() | StepDelta() | StepProgress() | StepFinished():
                return self._stepped(value)
            case ToolStarted() | ToolFinished() | ApprovalRequested() | InputRequested():
                self._begun = True
                return self._called(value)
            case BudgetPaused():
                self._budget = value.question_id
                return self._asks(value.question)
            case TodoUpdated():
                return [chunks.data("todo", {"items": [item.model_dump() for item in value.items]}, "todo")]
            case ToolProgress() | AgentEvent():
                name, told = shown(value)
                below = self._asked_below(value) if isinstance(value, AgentEvent) else []
                return [chunks.passing(name.replace(".", "-"), told), *below]
            case _:
                return []

    def _turn(self, value: Event | Frame) -> str | None:
        match value:
            case StepDelta() | StepProgress():
                return turn_of(value.step_id)
            case ToolProgress() | AgentEvent():
                return turn_of(value.call_id)
            case _:
                return getattr(value, "turn_id", None)

    def _start(self, value: TurnStarted | MessageAdded, turn_id: str, message_id: str) -> list[Chunk]:
        self.id, self.turn_id = message_id, turn_id
        self._metadata = started(self._session_id, turn_id, value.at)
        return [chunks.start(message_id, self._metadata)]

    def _added(self, value: MessageAdded, message: Message) -> list[Chunk]:
        if self.id is None:
            if not said_by_user(message) or message.turn_id is None:
                return []
            self._begun = True
            return self._start(value, message.turn_id, answer_id(message.turn_id, message))
        if message.turn_id != self.turn_id:
            return []
        if said_by_user(message):
            self.is_joined, self._begun = self._begun, True
            return []
        self._begun = True
        if message.role == "user":
            return [chunks.data("note", message_json(message), message.id)]
        texts = [part.text for part in message.parts if isinstance(part, Text) and part.text]
        return [one for n, text in enumerate(texts) for one in chunks.speech("text", f"{message.id}.{n}", text)]

    def _stepped(self, value: StepStarted | StepDelta | StepProgress | StepFinished) -> list[Chunk]:
        step = self._step
        match value:
            case StepStarted():
                self._begun, self._step = True, StepParts(value.step_id, self._session_id)
                told = {"step_id": value.step_id, "model": value.model}
                if value.block is not None and value.block.display == "hidden":
                    return [chunks.finish_step()]
                if value.block is not None:
                    told["block"] = value.block.name
                return [chunks.finish_step(), chunks.passing("step", told)]
            case StepFinished():
                self._begun, self._step, self._stop = True, None, value.stop
                if step is None or step.step_id != value.step_id:
                    step = StepParts(value.step_id, self._session_id)
                made = step.finished(value.message)
                for part in value.message.parts:
                    if isinstance(part, ToolCall):
                        self.calls.made(part)
                return made
            case _:
                return step.take(value) if step is not None and step.step_id == value.step_id else []

    def _called(self, value: ToolStarted | ToolFinished | ApprovalRequested | InputRequested) -> list[Chunk]:
        match value:
            case ToolStarted() | ToolFinished() if value.undoes is not None:
                return []
            case ToolStarted() | ToolFinished() if (
                value.block is not None and value.block.display == "hidden" and not self.calls.knows(value.call_id)
            ):
                return []
            case ToolStarted():
                made = self.calls.started(value)
                if value.session_id is not None:
                    agent = {"call_id": value.call_id, "name": value.name, "session_id": value.session_id}
                    made.append(chunks.data("agent", agent, value.call_id))
                return made
            case ToolFinished():
                return self.calls.finished(value)
            case ApprovalRequested():
                return self.calls.asked(value) if value.subject == "call" else self._asks(value.question)
            case InputRequested():
                if is_result(value):
                    return self.calls.wanted(value)
                return [*self.calls.stopped_by(value), *self._asks(value.question)]

    def _asks(self, question: Question) -> list[Chunk]:
        told = {**question_json(question), "state": "open"}
        self._questions[question.question_id] = told
        return [chunks.data("question", told, question.question_id)]

    def _asked_below(self, value: AgentEvent) -> list[Chunk]:
        """What a sub-agent asks, which is answered in its own session."""
        if isinstance(value.event, AgentEvent):
            return self._asked_below(value.event)
        event, session_id = value.event, value.session_id
        match event:
            case ApprovalRequested() | InputRequested() | BudgetPaused():
                told = {**question_json(event.question), "session_id": session_id, "state": "open"}
            case ApprovalResolved() | InputReceived() | BudgetRaised():
                asked = self._questions.get(sub_question_id(session_id, event.question_id or ""))
                if asked is None:
                    return []
                told = {**asked, "state": "answered"}
            case _:
                return []
        name = sub_question_id(session_id, told["question_id"])
        self._questions[name] = told
        return [chunks.data("question", told, name)]

    def _answered(self, value: InputReceived | ApprovalResolved | BudgetRaised) -> list[Chunk]:
        question_id = value.question_id
        if question_id is None:
            return []
        self.calls.answered(question_id, value if isinstance(value, ApprovalResolved) else None)
        if question_id == self._budget:
            self._budget = None
        asked = self._questions.get(question_id)
        if asked is None or asked["state"] == "answered":
            return []
        asked = self._questions[question_id] = {**asked, "state": "answered"}
        return [chunks.data("question", asked, question_id)]

    def _finished(self, value: TurnFinished) -> list[Chunk]:
        made = self._step.given_up() if self._step is not None else []
        self._step, self._budget, self._end, self.over = None, None, value, True
        if value.reason == "failed" and value.error is not None:
            made.append(chunks.data("error", value.error.model_dump(mode="json"), value.turn_id or ""))
        return made

    # Steps, as clients see them.

    def _placed(self, made: list[Chunk], said: frozenset[str] = _IN_STEP) -> list[Chunk]:
        """The same within steps: one begins with the first thing that is `said` in it. What comes of a call stays beside
        the others of its step, for clients look for what is still to answer in the last one."""
        placed: list[Chunk] = []
        for chunk in made:
            kind = chunk["type"]
            if kind == "finish-step":
                if not self._in_step:
                    continue
                self._in_step = False
            elif kind in said and not self._in_step:
                placed.append(chunks.start_step())
                self._in_step, self._calls_before, self._step_calls = True, self._step_calls, set()
            if kind == "data-retried":
                self._step_calls = self._calls_before
            if kind == "tool-input-start":
                self._step_calls.add(chunk["toolCallId"])
            placed.append(chunk)
        return placed

    def _rested(self) -> list[Chunk]:
        """The end of the step. Where clients ran its calls, an empty one follows: they would take those for the last word,
        and ask to go on again and again."""
        made = self._placed([chunks.finish_step()])
        if self.calls.are_clients(self._step_calls):
            self._step_calls = set()
            made += [chunks.start_step(), chunks.finish_step()]
        return made
