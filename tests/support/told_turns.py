"""Turns as their sessions tell them, for tests of projections: events, and the live frames between them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from perdure.gateway.live.items import Frame
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.workflows.vocabulary.events import Event, Events
from perdure.workflows.vocabulary.parts import Message, Part, Reasoning, Text, Timing, ToolCall, ToolResult, Usage

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class ToldTurn:
    """`told` is what a viewer is sent that is there from the start; each method adds to it."""

    message_id: str = "m1"
    turn_id: str = "t1"
    told: list[Event | Frame] = field(default_factory=list)
    _seq: int = 1
    _step: int = 0

    def event(self, kind: str, **fields: Any) -> "ToldTurn":
        self._seq += 1
        stamp = {"seq": self._seq, "at": AT + timedelta(seconds=self._seq), "turn_id": self.turn_id}
        self.told.append(Events.validate_python({"type": kind, **stamp, **fields}))
        return self

    def begin(self, text: str = "Hi") -> "ToldTurn":
        self.event("turn.started", cause="message")
        return self.added(self.message_id, "user", text)

    def added(self, id: str, role: str, text: str) -> "ToldTurn":  # noqa: A002
        message = Message(id=id, role=role, parts=(Text(text=text),), turn_id=self.turn_id, at=AT)
        return self.event("message.added", message=message)

    @property
    def step_id(self) -> str:
        return f"{self.turn_id}.s{self._step}"

    def step(self, **fields: Any) -> "ToldTurn":
        self._step += 1
        return self.event("step.started", step_id=self.step_id, model="demo/main", **fields)

    def streams(self, *parts: tuple[str, list[str]], attempt: int = 1, first: bool = True) -> "ToldTurn":
        """An attempt streams these fragments: (kind, fragments) for each part."""
        n = 0
        if attempt > 1 and first:
            self.told.append(StepProgress(self.step_id, attempt))
        for place, (kind, fragments) in enumerate(parts):
            for text in fragments:
                self.told.append(StepDelta(self.step_id, attempt, n, place, kind, text))  # type: ignore[arg-type]
                n += 1
        return self

    def answers(
        self, *parts: Part, stop: str = "", attempt: int = 1, stopped: bool | None = None, **fields: Any
    ) -> "ToldTurn":
        calls = any(isinstance(part, ToolCall) for part in parts)
        message = Message(id=self.step_id, role="assistant", parts=parts, turn_id=self.turn_id, at=AT, stopped=stopped)
        return self.event(
            "step.finished",
            step_id=self.step_id,
            message=message,
            model="demo/main",
            usage=Usage(input_tokens=10, output_tokens=5),
            cost_usd=0.1,
            timing=Timing(total_ms=5),
            stop=stop or ("tool_calls" if calls else "end"),
            attempt=attempt,
            request_sha256=None,
            **fields,
        )

    def calls(self, *calls: tuple[str, dict[str, Any]]) -> tuple[Part, ...]:
        return tuple(
            ToolCall(call_id=f"{self.step_id}.c{n}", name=name, args=args) for n, (name, args) in enumerate(calls, 1)
        )

    def call(self, n: int = 1) -> str:
        return f"{self.step_id}.c{n}"

    def runs(self, call_id: str, name: str, **args: Any) -> "ToldTurn":
        return self.event("tool.started", call_id=call_id, name=name, args=args)

    def returns(self, call_id: str, name: str, output: Any, *, is_error: bool = False) -> "ToldTurn":
        result = ToolResult(call_id=call_id, name=name, output=output, is_error=is_error)
        return self.event("tool.finished", call_id=call_id, name=name, result=result, duration_ms=1)

    def approval(self, call_id: str, name: str, **args: Any) -> "ToldTurn":
        return self.event(
            "approval.requested", question_id=f"{call_id}.approval", call_id=call_id, name=name, args=args
        )

    def resolved(self, call_id: str, *, approved: bool = True) -> "ToldTurn":
        return self.event("approval.resolved", question_id=f"{call_id}.approval", call_id=call_id, approved=approved)

    def input(self, call_id: str, name: str, form: str = "result", **args: Any) -> "ToldTurn":
        self.runs(call_id, name, **args)
        return self.event(
            "input.requested", question_id=f"{call_id}.input", form=form, call_id=call_id, name=name, args=args
        )

    def received(self, call_id: str, value: Any) -> "ToldTurn":
        return self.event("input.received", question_id=f"{call_id}.input", value=value)

    def ends(self, reason: str = "done", **fields: Any) -> "ToldTurn":
        usage = Usage(input_tokens=30, output_tokens=9)
        return self.event("turn.finished", reason=reason, usage=usage, cost_usd=0.1, **fields)

    @property
    def durable(self) -> list[Event]:
        return [one for one in self.told if not isinstance(one, Frame)]


def text(words: str) -> Text:
    return Text(text=words)


def thought(words: str) -> Reasoning:
    return Reasoning(text=words)
