"""What the live plane carries: pokes, deltas and progress. All of it may be lost; every fact goes the other way."""

from dataclasses import dataclass, field
from typing import Literal

DeltaKind = Literal["text", "reasoning", "tool_input"]


@dataclass(frozen=True, slots=True)
class Poke:
    """The session has reached `seq`; 0 where that is not known."""

    seq: int = 0


@dataclass(frozen=True, slots=True)
class StepDelta:
    step_id: str
    attempt: int
    #: Counts from 0 in an attempt.
    n: int
    part: int
    kind: DeltaKind
    text: str
    #: Of a tool call, with its first delta.
    name: str | None = None
    #: When it was written, in seconds since the epoch; 0 where that is not known. No viewer sees it.
    written: float = field(default=0.0, compare=False)


@dataclass(slots=True)
class LivePart:
    """A part of a step that still streams."""

    kind: DeltaKind
    text: str = ""
    name: str | None = None


@dataclass(slots=True)
class StepProgress:
    """What an attempt has streamed so far; put together from its deltas. `n` is the next delta's."""

    step_id: str
    attempt: int
    n: int = 0
    parts: list[LivePart] = field(default_factory=list)

    def add(self, delta: StepDelta) -> None:
        while len(self.parts) <= delta.part:
            self.parts.append(LivePart(delta.kind))
        part = self.parts[delta.part]
        part.kind = delta.kind
        part.text += delta.text
        part.name = delta.name or part.name
        self.n = delta.n + 1

    def copy(self) -> "StepProgress":
        parts = [LivePart(part.kind, part.text, part.name) for part in self.parts]
        return StepProgress(self.step_id, self.attempt, self.n, parts)


@dataclass(frozen=True, slots=True)
class ToolProgress:
    """How far a tool call is, as its tool tells; each one replaces the last."""

    call_id: str
    message: str | None = None
    #: From 0 to 1.
    fraction: float | None = None


#: A `StepProgress` says: replace what you have of this step.
Frame = Poke | StepDelta | StepProgress | ToolProgress
