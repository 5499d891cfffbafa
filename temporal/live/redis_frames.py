"""How what the live plane carries is written in Redis. Pure.

Each is a JSON array that begins with a letter. Reading is total: what another version wrote in a form that is not known
here is None, and whoever reads passes it over.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from perdure.temporal.live.frames import Frame, LivePart, Poke, StepDelta, StepProgress, ToolProgress
from perdure.workflows.vocabulary.ids import step_order

_KINDS: Final = frozenset({"text", "reasoning", "tool_input"})
#: Parts of an answer: a larger number would have a reader make so many.
_PARTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class StepEnded:
    """The attempt streams no more."""

    step_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """The tool runs no more."""

    call_id: str


Sent = Frame | StepEnded | ToolEnded


def written(frame: Sent) -> bytes:
    fields = _fields(frame)
    try:
        return orjson.dumps(fields)
    except TypeError:
        # Half a character, cut from a longer text: UTF-8 has no form for it.
        return orjson.dumps(_writable(fields))


def _fields(frame: Sent) -> list[Any]:
    match frame:
        case StepDelta():
            named = (frame.name,) if frame.name else ()
            place = (frame.step_id, frame.attempt, frame.n, frame.part)
            return ["d", *place, frame.kind, frame.text, frame.written, *named]
        case Poke():
            return ["p", frame.seq]
        case StepProgress():
            parts = [[part.kind, part.text, part.name] for part in frame.parts]
            return ["s", frame.step_id, frame.attempt, frame.n, parts]
        case StepEnded():
            return ["e", frame.step_id, frame.attempt]
        case ToolProgress():
            return ["t", frame.call_id, frame.message, frame.fraction]
        case ToolEnded():
            return ["o", frame.call_id]


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return [_writable(one) for one in value] if isinstance(value, list) else value


def read(data: bytes) -> Sent | None:
    try:
        return _read(orjson.loads(data))
    except (ValueError, TypeError):
        return None


def _read(fields: Any) -> Sent | None:
    match fields:
        case ["d", str(step), int(attempt), int(n), int(part), kind, str(text), int() | float() as at, *named] if (
            kind in _KINDS and 0 <= part < _PARTS
        ):
            step_order(step)
            return StepDelta(step, attempt, n, part, kind, text, named[0] if named else None, at)
        case ["p", int(seq)]:
            return Poke(seq)
        case ["s", str(step), int(attempt), int(n), list(parts)]:
            step_order(step)
            return StepProgress(step, attempt, n, [_part(*part) for part in parts])
        case ["e", str(step), int(attempt)]:
            step_order(step)
            return StepEnded(step, attempt)
        case ["t", str(call), str() | None as message, int() | float() | None as fraction]:
            return ToolProgress(call, message, fraction)
        case ["o", str(call)]:
            return ToolEnded(call)
        case _:
            return None


def _part(kind: Any, text: str, name: str | None) -> LivePart:
    if kind not in _KINDS:
        raise ValueError(kind)
    return LivePart(kind, text + "", name)
