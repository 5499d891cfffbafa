"""Builds session states for pure tests, without Temporal. A test names only what matters to it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from perdure.workflows.core.agent_changes import AgentLoaded
from perdure.workflows.core.calls.call import Call, Refused, Stage
from perdure.workflows.core.calls.decide import decide
from perdure.workflows.core.changes import Accepted, CallChanged, Changes, Note, StepOpened
from perdure.workflows.core.fold import apply
from perdure.workflows.core.state.session import SessionState, new_state
from perdure.workflows.definition.agent import AgentDefinition, Limits, LoadedAgent, ModelDefinition, Price
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.events import Event, Events
from perdure.workflows.vocabulary.parts import (
    Message,
    Part,
    StopReason,
    Text,
    Timing,
    ToolCall,
    ToolError,
    ToolResult,
    Usage,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: One dollar per million tokens, input and output.
PRICE = Price(input=1, output=1)


def agent(
    digest: str = "d1", *, price: Price | None = PRICE, limits: Limits | None = None, **definition: Any
) -> LoadedAgent:
    """A definition with the roles `main` and `other`."""
    fields: dict[str, Any] = {
        "name": "plain",
        "models": {role: ModelDefinition(use=f"demo/{role}", max_output_tokens=1000) for role in ("main", "other")},
        "model": "main",
        "instructions": "Be brief.",
        "tools": ("add",),
        "limits": limits or Limits(),
    }
    return LoadedAgent(
        digest=digest,
        definition=AgentDefinition.model_validate(fields | definition),
        prices={} if price is None else {"main": price, "other": price},
    )


def user(text: str, id: str = "m1") -> Message:  # noqa: A002
    return Message(id=id, role="user", parts=(Text(text=text),), at=AT)


def call(call_id: str, **args: JsonValue) -> ToolCall:
    """A call whose arguments the worker has validated."""
    return ToolCall(call_id=call_id, name="add", args=args, checked="tool")


def failed(kind: str = "broken", message: str = "It broke.") -> ToolError:
    return ToolError(type=kind, message=message)


@dataclass
class Story:
    """A session as it unfolds. Each method is one change, and each event advances the clock by a second."""

    state: SessionState

    @classmethod
    def new(cls, *, digest: str = "d1", **new: Any) -> "Story":
        fields = {"tenant": "acme", "session_id": "s1", "agent": "plain", "digest": digest} | new
        story = cls(new_state(NewSession.model_validate(fields), AT))
        story.event("session.started", agent="plain", digest=digest, inputs={})
        return story

    def event(self, kind: str, **fields: Any) -> Event:
        turn = self.state.turn
        fields = {"turn_id": turn.turn_id if turn else None, "at": AT + timedelta(seconds=self.state.log.seq)} | fields
        event = Events.validate_python({"type": kind, "seq": self.state.log.seq + 1, **fields})
        self.state = apply(self.state, event)
        return event

    def note(self, *notes: Note) -> "Story":
        for note in notes:
            self.state = apply(self.state, note)
        return self

    def staged(self, **stages: Stage) -> "Story":
        """Puts calls of the turn, by the ends of their ids, into these stages."""
        for call in self.calls:
            if call.call_id.rpartition(".")[2] in stages:
                self.note(CallChanged(call=replace(call, stage=stages[call.call_id.rpartition(".")[2]])))
        return self

    @property
    def calls(self) -> tuple[Call, ...]:
        """Those of the turn that have no result yet."""
        return self.state.turn.calls if self.state.turn else ()

    def take(self, changes: Changes) -> "Story":
        for change in changes:
            self.state = apply(self.state, change)
        return self

    def loaded(self, loaded: LoadedAgent | None = None) -> "Story":
        return self.note(AgentLoaded(agent=loaded or agent()))

    def accepted(self, text: str = "hi", id: str = "m1", digest: str | None = None) -> "Story":  # noqa: A002
        return self.note(
            Accepted(message=user(text, id), content_sha256=text, cursor=self.state.log.seq, digest=digest)
        )

    def turn(self, text: str = "hi", id: str = "") -> "Story":  # noqa: A002
        """Accepts a message and starts its turn."""
        turn_id = f"t{self.state.turns + 1}"
        message_id = id or f"m{self.state.turns + 1}"
        self.accepted(text, message_id)
        self.event("turn.started", turn_id=turn_id, cause="message")
        self.event("message.added", message=user(text, message_id).model_copy(update={"turn_id": turn_id}))
        return self

    def open(self, role: str = "main") -> StepRecord:
        """Opens the turn's next step."""
        state = self.state
        assert state.turn is not None
        assert state.slot.loaded is not None
        record = StepRecord(
            step_id=f"{state.turn.turn_id}.s{state.turn.steps + 1}",
            turn_id=state.turn.turn_id,
            digest=state.slot.loaded.digest,
            role=role,
            model=state.slot.loaded.definition.models[role].use,
            view=state.transcript.view,
            reserved_usd=0.5,
        )
        self.note(StepOpened(record=record))
        self.event("step.started", step_id=record.step_id, model=record.model)
        return record

    def answered(
        self, *parts: Part, stop: StopReason = "end", cost: float | None = 0.25, misfit: str | None = None
    ) -> "Story":
        """Finishes the open step."""
        assert self.state.turn is not None
        step = self.state.turn.step
        assert step is not None
        message = Message(id=step.step_id, role="assistant", parts=parts, turn_id=step.turn_id, at=AT)
        self.event(
            "step.finished",
            step_id=step.step_id,
            message=message,
            model=step.model,
            usage=Usage(input_tokens=10, output_tokens=5),
            cost_usd=cost,
            timing=Timing(total_ms=1),
            stop=stop,
            attempt=1,
            request_sha256=None,
            misfit=misfit,
        )
        return self

    def called(self, *args: dict[str, JsonValue]) -> "Story":
        """A step that calls `add` once with each of `args`."""
        record = self.open()
        calls = [call(f"{record.step_id}.c{number}", **one) for number, one in enumerate(args, 1)]
        return self.answered(*calls, stop="tool_calls")

    def result(self, call_id: str, output: JsonValue = 3) -> "Story":
        self.event("tool.started", call_id=call_id, name="add", args={})
        result = ToolResult(call_id=call_id, name="add", output=output)
        self.event("tool.finished", call_id=call_id, name="add", result=result, attempts=1, duration_ms=1)
        return self

    def finished(self, reason: str = "done") -> "Story":
        assert self.state.turn is not None
        turn = self.state.turn
        self.event("turn.finished", reason=reason, usage=turn.books.usage, cost_usd=turn.books.cost_usd)
        return self

    def whole_turn(self, text: str = "hi", answer: str = "hello") -> "Story":
        self.turn(text).open()
        return self.answered(Text(text=answer)).finished()


def decided(state: SessionState, *calls: ToolCall) -> dict[str, Call]:
    """What becomes of each of these calls of a step, by id."""
    return {call.call_id: call for call in decide(state, tuple(map(Call, calls)))}


def refusal(call: Call) -> ToolError | None:
    """Why the call does not run."""
    return call.stage.error if isinstance(call.stage, Refused) else None
