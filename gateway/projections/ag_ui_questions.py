"""What a session asks, as AG-UI's interrupts; and whether a turn waits for nothing but answers. Pure.

| question | an interrupt's `reason` | its `payload` |
|---|---|---|
| whether a call, or a rewind, may go on | `tool_approval`, `rewind_approval` | `{approved, reason?, args?, remember?}` |
| a budget | `budget` | `{approved}`, or `{result}` that sets the cap |
| a client tool's result | `client_tool` | the result |
| anything else | `input` | the answer, by `responseSchema` |
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.workflows.definition import ask_user
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)
from perdure.workflows.vocabulary.questions import Question

_REASON: Final = {"type": "string", "description": "Told to the model"}


@dataclass(frozen=True, slots=True)
class Asked:
    """An open question."""

    question: Question
    #: The session at which it is answered; None: the thread's own.
    session_id: str | None = None

    @property
    def id(self) -> str:
        """Of its interrupt."""
        name = self.question.question_id
        return name if self.session_id is None else f"{self.session_id}/{name}"


def read_interrupt_id(given: str) -> tuple[str | None, str]:
    """The sub-agent's session, if it is one's, and the id of the question."""
    session_id, _, question_id = given.rpartition("/")
    return session_id or None, question_id


def is_of_client(question: Question) -> bool:
    """Whether a client answers it by running a tool."""
    return question.kind == "input" and question.subject == "call" and question.form in (None, "result")


@dataclass(slots=True)
class Questions:
    """Open ones of a session and of its sub-agents, by the ids of their interrupts, the oldest first."""

    open: dict[str, Asked] = field(default_factory=dict)

    def follow(self, event: Event) -> None:
        """An event of the session."""
        match event:
            case ApprovalRequested() | InputRequested() | BudgetPaused():
                asked = Asked(event.question)
                self.open[asked.id] = asked
            case ApprovalResolved() | InputReceived() | BudgetRaised() if event.question_id is not None:
                self.open.pop(event.question_id, None)
            case _:
                pass

    def reset(self, asked: Iterable[Asked]) -> None:
        self.open = {one.id: one for one in asked}

    def reset_below(self, asked: Iterable[Asked]) -> None:
        own = [one for one in self.open.values() if one.session_id is None]
        self.reset([*own, *asked])

    def ended(self) -> None:
        """The turn is over: only what handlers ask, and what is asked outside of turns, stays."""
        self.open = {
            name: one
            for name, one in self.open.items()
            if one.session_id is None and one.question.subject in ("handler", "rewind")
        }

    @property
    def of_turn(self) -> list[Asked]:
        """Those that hold a turn up."""
        return [one for one in self.open.values() if one.question.subject not in ("handler", "rewind")]

    @property
    def calls(self) -> set[str]:
        """Calls of the session's own that are asked about."""
        asked = (one.question.call_id for one in self.open.values() if one.session_id is None)
        return {call_id for call_id in asked if call_id is not None}

    @property
    def below(self) -> bool:
        """Whether a sub-agent asks something."""
        return any(one.session_id is not None for one in self.open.values())


def interrupt(asked: Asked, results: Mapping[str, dict[str, Any] | None]) -> dict[str, Any]:
    """`results`: JSON Schemas of the results of the agent's client tools, by name."""
    question = asked.question
    made: dict[str, Any] = {"id": asked.id, "reason": _reason(question), "message": _message(question)}
    if question.call_id is not None and question.subject in ("call", "server") and asked.session_id is None:
        made["toolCallId"] = question.call_id
    schema = results.get(question.name or "") if is_of_client(question) else _schema(question)
    if schema is not None:
        made["responseSchema"] = schema
    if question.expires_at is not None:
        made["expiresAt"] = rfc3339(question.expires_at)
    told: dict[str, Any] = {"kind": question.kind, "subject": question.subject}
    for name, value in (("name", question.name), ("args", question.args), ("sessionId", asked.session_id)):
        if value is not None:
            told[name] = value
    return {**made, "metadata": told}


def _reason(question: Question) -> str:
    if question.kind == "approval":
        return "rewind_approval" if question.subject == "rewind" else "tool_approval"
    if question.kind == "budget":
        return "budget"
    return "client_tool" if is_of_client(question) else "input"


def _message(question: Question) -> str:
    if question.prompt is not None:
        return question.prompt
    if question.kind == "approval":
        return f"May {question.name} be called?"
    return f"{question.name} waits for its result." if is_of_client(question) else f"{question.name} asks something."


def _schema(question: Question) -> dict[str, Any] | None:
    """JSON Schema of an interrupt's `payload`; None: any JSON."""
    if question.kind == "approval":
        properties: dict[str, Any] = {"approved": {"type": "boolean"}, "reason": _REASON}
        if question.subject == "call":
            properties["args"] = {"type": "object", "description": "In place of the model's"}
        if question.remember != "never":
            properties["remember"] = {"type": "boolean", "description": "Allows further such calls"}
        return {"type": "object", "properties": properties, "required": ["approved"]}
    if question.kind == "budget":
        allowed = {"type": "boolean", "description": "Allows this turn what it asks; false ends it"}
        cap = {"type": "object", "description": "The cap from now on, by the name of the limit"}
        return {"type": "object", "properties": {"approved": allowed, "result": cap}}
    if question.form == "fields":
        return ask_user.answer_schema(question.args or {})
    return question.output
