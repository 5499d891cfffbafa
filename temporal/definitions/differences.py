"""What differs between two versions of a definition, in words for people. Pure.

Rule: what may hold a key (headers, variables, addresses' queries) is only said to have changed.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from perdure.temporal.definitions.stored import Stored
from perdure.temporal.telemetry.redaction import without_secrets
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import name_of

#: Characters of a value that is shown, and lines of a text's difference.
_VALUE: Final = 60
_LINES: Final = 60
#: Whose keys are names that people chose: one more is an entry more, and not a field that was set.
_NAMED: Final = ("models", "inputs", "variables", "tools", "schedules", "skills", "handlers", "events")
_HIDDEN: Final = ("headers", "env", "query", "api_key")
_SECONDS: Final = re.compile(r"(\d+)s")
_SPECS: Final = "what a tool takes, or says of itself, has changed"
_OTHERS: Final = "an agent that it calls, or can come to, has changed"

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    #: As in `models.fast.use`.
    field: str
    #: As in `model: fast -> capable`.
    text: str
    #: Of a text of several lines: what was taken out and put in, as lines of a unified diff.
    diff: tuple[str, ...] = ()

    @property
    def without_content(self) -> "Difference":
        """The same for those who may not read what the model is told."""
        field = self.field.partition(".")[0]
        return Difference(field, f"{field}: changed")


def differences(before: Stored, after: Stored) -> tuple[Difference, ...]:
    """In the order of the definition's fields; none where both are the same."""
    old, new = _fields(before.definition), _fields(after.definition)
    found = [one for field in new for one in _compared((field,), old.get(field), new[field])]
    return (*found, *_of_documents(before.definition, after.definition), *_of_salts(before, after))


def _fields(definition: AgentDefinition) -> dict[str, Any]:
    """A definition as people think of it: lists of things with names are mappings by name."""
    made = definition.model_dump(mode="json")
    fields = {name: made.get(name) for name in AgentDefinition.model_fields}
    tools = zip(definition.tools, made["tools"], strict=True)
    fields["tools"] = {name_of(tool): dumped for tool, dumped in tools}
    fields["handlers"], fields["events"] = made.get("handlers") or {}, made.get("events") or {}
    fields["schedules"] = {one["session"]: one for one in made["schedules"]}
    references, skills = definition.references, definition.skills
    fields["references"] = None if references is None else _count(references.count, "document")
    fields["skills"] = {} if skills is None else {one.name: one.description for one in skills.skills}
    return fields


def _of_documents(old: AgentDefinition, new: AgentDefinition) -> Iterator[Difference]:
    """Texts that have changed where nothing else of them has."""
    before, after = old.references, new.references
    if before is not None and after is not None and before.count == after.count and before != after:
        yield _told(("references",), "the texts have changed")
    had, has = old.skills, new.skills
    if had is not None and has is not None and had.skills == has.skills and had != has:
        yield _told(("skills",), "the files have changed")


def _compared(path: Path, old: Any, new: Any) -> Iterator[Difference]:
    if old == new and not (isinstance(old, dict) and list(old) != list(new)):
        return
    if any(step in _HIDDEN for step in path):
        yield _told(path, "changed")
        return
    match old, new:
        case dict(), dict():
            yield from _mappings(path, old, new)
        case list(), list() if all(isinstance(one, str | int | float) for one in (*old, *new)):
            yield from _lists(path, old, new)
        case list(), list():
            yield _told(path, f"{_entries(old)} -> {_entries(new)}" if len(old) != len(new) else "changed")
        case str(), str() if "\n" in old + new or max(len(old), len(new)) > _VALUE:
            yield _texts(path, old, new)
        case _:
            yield _told(path, f"{_shown(old)} -> {_shown(new)}")


def _mappings(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    by_name = path[-1:] and path[-1] in _NAMED
    if by_name:
        moved = [f"- {name}" for name in old if name not in new] + [f"+ {name}" for name in new if name not in old]
        if moved:
            yield _told(path, ", ".join(moved))
        elif list(old) != list(new):
            yield _told(path, "in another order")
    for name in dict.fromkeys((*old, *new)):
        if not by_name or (name in old and name in new):
            yield from _compared((*path, name), old.get(name), new.get(name))


def _lists(path: Path, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Difference]:
    moved = [f"- {_shown(one)}" for one in old if one not in new] + [
        f"+ {_shown(one)}" for one in new if one not in old
    ]
    yield _told(path, ", ".join(moved) or "in another order")


def _texts(path: Path, old: str, new: str) -> Difference:
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1))[2:]
    gone = sum(line.startswith("-") for line in lines)
    come = sum(line.startswith("+") for line in lines)
    if len(lines) > _LINES:
        lines = [*lines[:_LINES], f"… {len(lines) - _LINES} more lines"]
    # Trailing space or another end of lines is all that differs.
    said = f"{_lines(gone)} out, {_lines(come)} in" if lines else "changed in white space"
    return Difference(".".join(path), f"{'.'.join(path)}: {said}", tuple(map(without_secrets, lines)))


def _of_salts(before: Stored, after: Stored) -> Iterator[Difference]:
    """What the definition does not write, and a session of it runs."""
    old, new = before.definition, after.definition
    same_tools, same_agents = old.worker_tools == new.worker_tools, old.agent_tools == new.agent_tools
    if before.salt == after.salt:
        return
    if len(before.salt) == len(after.salt) == 128:
        if same_tools and before.salt[:64] != after.salt[:64]:
            yield _told(("tools",), _SPECS)
        if same_agents and before.salt[64:] != after.salt[64:]:
            yield _told(("tools",), _OTHERS)
    elif same_tools and same_agents:
        yield _told(("tools",), _OTHERS if old.agent_tools else _SPECS)


def _told(path: Path, said: str) -> Difference:
    field = ".".join(path)
    return Difference(field, without_secrets(f"{field}: {said}"))


def _shown(value: Any) -> str:
    match value:
        case None | [] | "":
            text = "none"
        case dict() if not value:
            text = "none"
        case str():
            match = _SECONDS.fullmatch(value)
            text = " ".join(value.split()) if match is None else _duration(int(match[1]))
        case bool() | int() | float() | list() | dict():
            text = json.dumps(value, ensure_ascii=False)
        case _:
            text = str(value)
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"


def _duration(seconds: int) -> str:
    """As people write it: in the largest unit that it is a whole number of."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _entries(values: Sequence[Any]) -> str:
    return f"{len(values)} {'entry' if len(values) == 1 else 'entries'}"


def _lines(number: int) -> str:
    return _count(number, "line")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
