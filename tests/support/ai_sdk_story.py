"""Events of turns and the frames that come between them, and what a client of the AI SDK holds in the end."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from perdure.gateway.live.items import Frame
from perdure.gateway.projections.ai_sdk import Answer
from perdure.gateway.projections.ai_sdk_chunks import Chunk
from perdure.gateway.projections.ai_sdk_message import AnswerMessage
from perdure.gateway.projections.ai_sdk_transcript import Transcript
from perdure.temporal.live.frames import LivePart, StepDelta, StepProgress
from perdure.workflows.vocabulary.event_base import TurnEnd
from perdure.workflows.vocabulary.events import (
    Event,
    MessageAdded,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.parts import (
    Message,
    Part,
    Reasoning,
    StopReason,
    Text,
    Timing,
    ToolCall,
    ToolError,
    ToolResult,
    Usage,
)
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSION = "chat"


@dataclass
class Story:
    """What a session tells. Every method appends what happens."""

    items: list[Event | Frame] = field(default_factory=list)
    turn: str = "t1"
    steps: int = 0
    seq: int = 0

    def stamp(self, turn: str | None = "") -> dict[str, Any]:
        self.seq += 1
        return {"seq": self.seq, "at": AT, "turn_id": self.turn if turn == "" else turn}

    @property
    def events(self) -> list[Event]:
        return [item for item in self.items if not isinstance(item, Frame)]

    @property
    def step(self) -> str:
        return f"{self.turn}.s{self.steps}"

    def begin(self, message: str = "m1", text: str = "Hello") -> "Story":
        self.items.append(TurnStarted(**self.stamp(), cause="message"))
        return self.said(message, text)

    def said(self, message: str, text: str) -> "Story":
        """A user's message in the turn."""
        made = Message(id=message, role="user", parts=(Text(text=text),), turn_id=self.turn, at=AT)
        self.items.append(MessageAdded(**self.stamp(), message=made))
        return self

    def step_begins(self) -> "Story":
        self.steps += 1
        self.items.append(StepStarted(**self.stamp(), step_id=self.step, model="demo/demo"))
        return self

    def delta(self, n: int, part: int, text: str, *, attempt: int = 1, kind: Any = "text", name: str = "") -> "Story":
        self.items.append(StepDelta(self.step, attempt, n, part, kind, text, name or None))
        return self

    def snapshot(self, n: int, *parts: tuple[Any, str], attempt: int = 1) -> "Story":
        live = [
            LivePart("tool_input", text, kind[5:]) if kind[:5] == "call:" else LivePart(kind, text)
            for kind, text in parts
        ]
        self.items.append(StepProgress(self.step, attempt, n, live))
        return self

    def step_ends(self, *parts: Part, stop: StopReason = "end") -> "Story":
        message = Message(id=self.step, role="assistant", parts=parts, turn_id=self.turn, at=AT)
        self.items.append(
            StepFinished(
                **self.stamp(),
                step_id=self.step,
                message=message,
                model="demo/demo",
                usage=Usage(),
                cost_usd=0,
                timing=Timing(total_ms=1),
                stop=stop,
                attempt=1,
                request_sha256=None,
            )
        )
        return self

    def answers(self, text: str) -> "Story":
        return self.step_begins().step_ends(Text(text=text))

    def calls(self, *names: str) -> "Story":
        """A step that only makes calls."""
        made = [call(f"{self.turn}.s{self.steps + 1}.c{n}", name) for n, name in enumerate(names, 1)]
        return self.step_begins().step_ends(*made, stop="tool_calls")

    def starts(self, call_id: str, name: str, **more: Any) -> "Story":
        self.items.append(ToolStarted(**self.stamp(), call_id=call_id, name=name, args={"of": call_id}, **more))
        return self

    def ends(self, call_id: str, name: str, output: Any = "fine", *, error: str = "") -> "Story":
        if error:
            output = ToolError(type="failed", message=error).model_dump()
        result = ToolResult(call_id=call_id, name=name, output=output, is_error=bool(error))
        self.items.append(ToolFinished(**self.stamp(), call_id=call_id, name=name, result=result, duration_ms=1))
        return self

    def asks(self, call_id: str, name: str) -> "Story":
        asked = {"question_id": f"{call_id}.approval", "call_id": call_id, "name": name, "args": {"of": call_id}}
        self.items.append(ApprovalRequested(**self.stamp(), **asked))
        return self

    def resolves(self, call_id: str, approved: bool, reason: str | None = None) -> "Story":
        told = {"question_id": f"{call_id}.approval", "call_id": call_id, "approved": approved, "reason": reason}
        self.items.append(ApprovalResolved(**self.stamp(), **told))
        return self

    def wants(self, call_id: str, name: str, **more: Any) -> "Story":
        asked = {"question_id": f"{call_id}.input", "call_id": call_id, "name": name, "args": {"of": call_id}}
        self.items.append(InputRequested(**self.stamp(), **(asked | more)))
        return self

    def gets(self, question_id: str, value: Any = None) -> "Story":
        self.items.append(InputReceived(**self.stamp(), question_id=question_id, value=value))
        return self

    def finish(self, reason: TurnEnd = "done", error: str = "") -> "Story":
        failed = ToolError(type="failed", message=error) if error else None
        self.items.append(
            TurnFinished(
                **self.stamp(), reason=reason, error=failed, usage=Usage(input_tokens=3, output_tokens=2), cost_usd=0.5
            )
        )
        return self


def call(call_id: str, name: str) -> ToolCall:
    return ToolCall(call_id=call_id, name=name, args={"of": call_id})


def thought(text: str) -> Reasoning:
    return Reasoning(text=text)


def chunks_of(items: list[Any], *, ends: bool = True) -> list[Chunk]:
    """What a stream of these items sends."""
    answer = Answer(SESSION)
    made = [chunk for item in items for chunk in answer.take(item)]
    return [*made, *answer.ending()] if ends else made


def check(made: list[Chunk]) -> None:
    """The rules of the stream that `ai` does not check, or takes as an error."""
    kinds = [chunk["type"] for chunk in made]
    in_step = False
    speaks: set[str] = set()
    for chunk, kind in zip(made, kinds, strict=True):
        if kind in ("start-step", "finish-step"):
            assert in_step == (kind == "finish-step")
            assert speaks == set()
            in_step = kind == "start-step"
        elif kind in ("text-start", "reasoning-start"):
            assert in_step
            assert chunk["id"] not in speaks
            speaks.add(chunk["id"])
        elif kind in ("text-end", "reasoning-end"):
            speaks.remove(chunk["id"])
        elif kind in ("text-delta", "reasoning-delta"):
            assert chunk["id"] in speaks
    assert kinds[0] == "start"
    assert kinds.count("start") == 1
    assert not in_step
    assert kinds[-1] in ("finish", "abort", "error")
    assert not {"finish", "abort", "error"} & set(kinds[:-1])


def kept(made: list[Chunk]) -> dict[str, Any]:
    """What a client of these chunks shows in the end: without steps that were tried again."""
    message = AnswerMessage()
    message.add(made)
    return shown(message.json())


def shown(message: dict[str, Any]) -> dict[str, Any]:
    """A message as a page shows it: without steps that were tried again, and without the answers to approvals, which no
    stream tells."""
    steps: list[list[dict[str, Any]]] = [[]]
    for part in message["parts"]:
        if part["type"] == "step-start":
            steps.append([])
        steps[-1].append({name: value for name, value in part.items() if name != "approval"})
        if part["type"] == "data-retried":
            steps[-1].clear()
    return {**message, "parts": [part for step in steps for part in step]}


def told(made: list[dict[str, Any]]) -> list[str]:
    """Chunks in a short form: the type, and what it says."""
    names = ("id", "toolCallId", "delta", "inputTextDelta", "errorText", "reason", "finishReason", "messageId")
    return [" ".join([chunk["type"], *(str(chunk[name]) for name in names if name in chunk)]) for chunk in made]


def said(message: dict[str, Any]) -> list[str]:
    """The texts of a message."""
    return [part["text"] for part in message["parts"] if part["type"] == "text"]


def loaded(story: Story) -> list[dict[str, Any]]:
    """The conversation as a page loads it."""
    made = Transcript(SESSION)
    for event in story.events:
        made.add(event)
    return made.messages()
