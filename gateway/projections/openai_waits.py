"""When a turn waits for its caller, told by its events alone. Pure.

A turn *rests* once every call that is left waits for an answer, and nothing runs. There one response ends, and the next one
begins. A turn that rests can rest again only after all that it rested on is settled.
"""

from dataclasses import dataclass, field

from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.events import (
    Event,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
    TurnFinished,
)
from perdure.workflows.vocabulary.parts import ToolCall
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)
from perdure.workflows.vocabulary.questions import Question


@dataclass(slots=True)
class Waits:
    """Give it the events of one turn, in order."""

    #: How often the turn has come to rest.
    rested: int = 0
    #: What is asked and not answered, by question id.
    open: dict[str, Question] = field(default_factory=dict)
    #: Of what the turn rests on: what is not settled yet.
    left: set[str] = field(default_factory=set)
    _step: bool = False
    #: Calls of the last step without a result, and those that run.
    _pending: set[str] = field(default_factory=set)
    _running: set[str] = field(default_factory=set)

    def follow(self, event: Event) -> bool:
        """Whether the turn comes to rest with this event."""
        match event:
            case StepStarted():
                self._step = True
                # A model is called again, so nothing of the budget is in its way.
                for one in [one for one in self.open.values() if one.kind == "budget"]:
                    self._settle(one.question_id)
            case StepFinished():
                self._step = False
                self._pending |= {part.call_id for part in event.message.parts if isinstance(part, ToolCall)}
            case ToolStarted():
                self._running.add(event.call_id)
            case ToolFinished():
                self._running.discard(event.call_id)
                self._pending.discard(event.call_id)
                for one in [one for one in self.open.values() if one.call_id == event.call_id]:
                    self._settle(one.question_id)
            case ApprovalRequested() | InputRequested() | BudgetPaused():
                if event.question.subject not in ("handler", "rewind"):
                    self.open[event.question_id] = event.question
            case ApprovalResolved() | InputReceived():
                self._settle(event.question_id)
            case BudgetRaised() if event.question_id is not None:
                self._settle(event.question_id)
            case TurnFinished():
                self.open.clear()
                self.left.clear()
            case _:
                pass
        if self.left or not self._rests:
            return False
        self.rested += 1
        self.left = set(self.open)
        return True

    def _settle(self, question_id: str) -> None:
        self.open.pop(question_id, None)
        self.left.discard(question_id)

    @property
    def _rests(self) -> bool:
        if not self.open or self._step or self._running - self._asked:
            return False
        return any(one.kind == "budget" for one in self.open.values()) or self._pending <= self._asked

    @property
    def _asked(self) -> set[str]:
        return {one.call_id for one in self.open.values() if one.call_id is not None}
