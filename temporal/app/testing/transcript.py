"""A whole conversation as a value: short words to write the one you expect, and what to print where it differs. Pure.

Rule 1: what is printed is what you write, so an answer can be copied from a failure into the test.
Rule 2: ids and times are left out, and the results of one step come in the order of its calls: both would differ from
run to run.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from perdure.workflows.vocabulary.ids import call_number, step_of
from perdure.workflows.vocabulary.parts import Data, File, Message, Reasoning, Text, ToolCall, ToolError, ToolResult


@dataclass(frozen=True)
class Call:
    """A tool call inside an assistant's message."""

    name: str
    args: dict[str, Any]

    def __repr__(self) -> str:
        if all(name.isidentifier() and name != "name" for name in self.args):
            return _written("call", [repr(self.name), *(f"{name}={value!r}" for name, value in self.args.items())])
        return _written("Call", [repr(self.name), repr(self.args)])


@dataclass(frozen=True)
class Reasoned:
    """Reasoning inside an assistant's message."""

    text: str

    def __repr__(self) -> str:
        return _written("reasoning", [repr(self.text)])


@dataclass(frozen=True)
class Said:
    """A message of the user or the assistant. Text is plain `str`."""

    role: str
    parts: tuple[Any, ...]
    stopped: bool = False

    def __repr__(self) -> str:
        return _written(self.role, [*map(repr, self.parts), *(["stopped=True"] if self.stopped else [])])


@dataclass(frozen=True)
class Returned:
    """What a tool returned."""

    name: str
    output: Any

    def __repr__(self) -> str:
        return _written("result", [repr(self.name), repr(self.output)])


@dataclass(frozen=True)
class Failed:
    """A tool's failure; what the message says is shown, but not compared."""

    name: str
    type: str
    message: str = field(default="", compare=False)

    def __repr__(self) -> str:
        return _written("failure", [repr(part) for part in (self.name, self.type, self.message) if part])


Line = Said | Returned | Failed


def user(*parts: Any) -> Said:
    """What the user said: text as `str`, or a part of another kind as it is."""
    return Said("user", parts)


def assistant(*parts: Any, stopped: bool = False) -> Said:
    """What the model said: text as `str`, `reasoning(...)`, `call(...)`. `stopped`: the turn was, in mid-answer."""
    return Said("assistant", parts, stopped)


def call(name: str, /, **args: Any) -> Call:
    """A tool call. Where an argument's name is no Python name, write `Call(name, {...})`."""
    return Call(name, args)


def reasoning(text: str) -> Reasoned:
    return Reasoned(text)


def result(name: str, output: Any) -> Returned:
    """What the tool `name` returned, as JSON. `unittest.mock.ANY` and `pytest.approx` may stand inside."""
    return Returned(name, output)


def failure(name: str, type: str, message: str = "") -> Failed:  # noqa: A002 - an error's type, as everywhere
    """How a call of the tool `name` failed; `message` is not compared."""
    return Failed(name, type, message)


class Transcript(list[Line]):
    """Compares with a list of lines; pytest then prints what differs, line by line."""

    @classmethod
    def of(cls, messages: Iterable[Message]) -> "Transcript":
        found: list[tuple[str, Line]] = []
        for message in messages:
            if message.role != "tool":
                parts = tuple(_part(part) for part in message.parts)
                found.append(("", Said(message.role, parts, bool(message.stopped))))
                continue
            # Results of calls that ran side by side are kept as they came in; look for the place among them.
            place = len(found)
            while place > 0 and _position(found[place - 1][0]) > _position(message.id):
                place -= 1
            for part in message.parts:
                found.insert(place, (message.id, _result(part)))
                place += 1
        return cls(line for _, line in found)

    def __repr__(self) -> str:
        return "[\n" + "".join(f"    {line!r},\n" for line in self) + "]"


def differences(got: Sequence[Any], expected: Sequence[Any]) -> list[str]:
    """Lines for people: `-` was expected, `+` is there. Equal lines stand between them as they are."""
    lines = [f"the transcripts differ: {len(expected)} messages expected (-), {len(got)} there (+)"]
    # By equality and not by text: `ANY` equals what it does not look like.
    start = next((n for n, (one, other) in enumerate(zip(got, expected, strict=False)) if one != other), None)
    start = min(len(got), len(expected)) if start is None else start
    lines += [f"    {line!r}" for line in got[:start]]
    old, new = [repr(line) for line in expected[start:]], [repr(line) for line in got[start:]]
    for kind, a1, a2, b1, b2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [f"    {line}" for line in new[b1:b2]]
            continue
        lines += [f"  - {line}" for line in old[a1:a2]]
        lines += [f"  + {line}" for line in new[b1:b2]]
    return lines


def _part(part: Any) -> Any:
    match part:
        case Text():
            return part.text
        case Reasoning():
            return Reasoned(part.text)
        case ToolCall():
            return Call(part.name, part.args)
        case _:
            return part


def _result(part: Text | Reasoning | ToolCall | ToolResult | File | Data) -> Line:
    match part:
        case ToolResult() if part.is_error:
            error = ToolError.model_validate(part.output)
            return Failed(part.name, error.type, error.message)
        case ToolResult():
            return Returned(part.name, part.output)
        case Text() | Reasoning() | ToolCall() | File() | Data():
            return Said("tool", (_part(part),))
        case _:
            assert_never(part)


def _position(call_id: str) -> tuple[str, int]:
    """`t7.s2.c1` → (`t7.s2`, 1); what is no result comes before all."""
    step, number = step_of(call_id), call_number(call_id)
    return (step, int(number)) if step and number.isdigit() else ("", 0)


def _written(name: str, arguments: Iterable[str]) -> str:
    return f"{name}({', '.join(arguments)})"
