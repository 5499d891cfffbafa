"""What the live plane carries: pokes, deltas and progress. All of it may be lost; every fact goes the other way."""

import math
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from perdure.workflows.protocol.activities import call_of_activity

DeltaKind = Literal["text", "reasoning", "tool_input"]
_MAX_MESSAGE: Final = 500


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


def read_progress(activity_id: str, details: tuple[Any, ...]) -> ToolProgress | None:
    """What a heartbeat of a call's activity, or of its fallback's, tells: a text, a fraction from 0 to 1, both, or
    `{message, fraction}`. None: nothing for people."""
    message: str | None = None
    fraction: float | None = None
    for detail in details:
        said = detail
        if not isinstance(said, dict):
            said = {"message" if isinstance(said, str) else "fraction": said}
        told, share = said.get("message"), said.get("fraction")
        if isinstance(told, str) and told:
            message = told[:_MAX_MESSAGE]
        # An integer may be too long for a float.
        if isinstance(share, int | float) and not isinstance(share, bool) and -math.inf < share < math.inf:
            fraction = float(min(max(share, 0), 1))
    if message is None and fraction is None:
        return None
    return ToolProgress(call_of_activity(activity_id), message, fraction)


#: A `StepProgress` says: replace what you have of this step.
Frame = Poke | StepDelta | StepProgress | ToolProgress
