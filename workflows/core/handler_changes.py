"""What changes a session because its turn carries out a handler."""

from dataclasses import dataclass

from pydantic import JsonValue

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.state.handlers import HandlerRun, Reply
from perdure.workflows.vocabulary.parts import Part


@dataclass(frozen=True, kw_only=True)
class HandlerMoved:
    """The turn's handler has begun, or has got further."""

    run: HandlerRun


@dataclass(frozen=True, kw_only=True)
class BlockCalled:
    """The handler's block makes this call."""

    call: Call


@dataclass(frozen=True, kw_only=True)
class BranchesCalled:
    """The handler's block makes these calls at the same time, beside those that it has made."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, kw_only=True)
class BlockAnswered:
    """A step's answer that no event holds; the trace shows it."""

    step_id: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class ErrorCaught:
    """The turn goes on with its handler, which has caught what would have ended it."""

    run: HandlerRun


@dataclass(frozen=True, kw_only=True)
class HandlerResumed:
    """The turn goes on with this run, which was parked."""

    run: HandlerRun
    #: What its wait for an event has ended with, and the event that it has.
    reply: Reply | None = None
    event_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class HandlerAnswered:
    """The question of a parked handler is settled."""

    question_id: str
    reply: Reply


@dataclass(frozen=True, kw_only=True)
class VariablesSet:
    """Session variables hold these values from now on."""

    values: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class TriggerTaken:
    """The trigger has its turn, or has none, and waits no more."""

    trigger_id: str
