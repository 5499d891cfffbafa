"""How a run of AG-UI ends. Pure."""

from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import JsonValue

from perdure.gateway.projections import ag_ui_events as events
from perdure.gateway.projections.ag_ui_events import AgUiEvent
from perdure.gateway.projections.ag_ui_questions import Asked, interrupt, is_of_client
from perdure.gateway.projections.ag_ui_run_of import RunOf
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.vocabulary.event_base import TurnEnd
from perdure.workflows.vocabulary.events import TurnFinished
from perdure.workflows.vocabulary.parts import SessionStatus


@dataclass(frozen=True, slots=True)
class Rest:
    """`waiting`: the turn waits for people. Else how the turn ended; `idle`: there was none."""

    reason: TurnEnd | Literal["waiting", "idle"]
    turn_id: str | None = None
    asked: tuple[Asked, ...] = ()
    cost_usd: float | None = None
    #: The answer as a checked value.
    result: dict[str, JsonValue] | None = None
    #: Why it failed.
    message: str = "The turn failed."
    code: str = "failed"

    @classmethod
    def of_turn(cls, end: TurnFinished, asked: tuple[Asked, ...]) -> Self:
        made = cls(end.reason, end.turn_id, asked, end.cost_usd, end.result)
        return made if end.error is None else made.failing(end.error.message, end.error.type)

    def failing(self, message: str, code: str) -> Self:
        return type(self)(self.reason, self.turn_id, self.asked, self.cost_usd, self.result, message, code)

    @property
    def status(self) -> SessionStatus:
        return "waiting" if self.asked else "idle"

    def event(self, of: RunOf, usage: list[dict[str, Any]]) -> AgUiEvent:
        if self.reason == "failed":
            return events.run_error(self.message, self.code, usage)
        pending = [one for one in self.asked if _runs(one, of.tools)]
        people = [one for one in self.asked if one not in pending]
        outcome: dict[str, Any] = {"type": "success"}
        if people:
            outcome = {"type": "interrupt", "interrupts": [interrupt(one, of.results) for one in people]}
        elif pending:
            outcome["pendingToolCallIds"] = [one.question.call_id for one in pending]
        elif self.reason in ("stopped", "interrupted"):
            outcome = {"type": "cancelled"}
        return events.run_finished(of.thread_id, of.run_id, outcome, self._result(), usage)

    def _result(self) -> dict[str, Any]:
        told: dict[str, Any] = {"reason": self.reason}
        if self.turn_id is not None:
            told["turn_id"] = self.turn_id
        if self.cost_usd is not None:
            told["cost_usd"] = self.cost_usd
        return told if self.result is None else {**told, "result": self.result}


def settled(snapshot: Snapshot) -> Rest:
    """How it stands with a session in which no turn runs."""
    page, asked = snapshot.page, tuple(map(Asked, snapshot.page.questions))
    if page.ended is None:
        return Rest("idle", asked=asked)
    rest = Rest(page.ended.reason, page.ended.turn_id, asked, result=page.result)
    error = page.ended.error
    return rest if error is None else rest.failing(error.message, error.type)


def _runs(asked: Asked, tools: frozenset[str] | None) -> bool:
    """Whether the client answers it by running a tool of its own."""
    question = asked.question
    return asked.session_id is None and is_of_client(question) and (tools is None or question.name in tools)
