"""Changes to the body of a model request, for servers that refuse what others take. Pure.

A change is data, so that it can be remembered for a server and told in a trace. `apply` returns the very same body where
there is nothing to change, and copies only what it changes: a conversation may be long.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import JsonValue

Body = dict[str, JsonValue]
#: Names of members from the top of a body. `*`: each item of a list. `**`: at any depth below.
Path = tuple[str, ...]


class Change(Protocol):
    @property
    def path(self) -> Path:
        """What it changes."""
        ...

    @property
    def words(self) -> str:
        """For people, short."""
        ...

    def apply(self, body: Body) -> Body: ...


@dataclass(frozen=True, slots=True)
class Drop:
    path: Path

    @property
    def words(self) -> str:
        return f"{shown(self.path)}: dropped"

    def apply(self, body: Body) -> Body:
        return edited(body, self.path, without)


@dataclass(frozen=True, slots=True)
class Rename:
    """A member goes under another name, at the same place."""

    path: Path
    to: str

    @property
    def words(self) -> str:
        return f"{shown(self.path)} → {self.to}"

    def apply(self, body: Body) -> Body:
        def rename(holder: dict[str, Any], name: str) -> dict[str, Any]:
            return {self.to if key == name else key: value for key, value in holder.items()}

        return edited(body, self.path, rename)


@dataclass(frozen=True, slots=True)
class Put:
    """A member of the top level, or of a record there, has this value."""

    path: Path
    value: str | int | float | bool
    #: Also where the body does not have the member.
    always: bool = False

    @property
    def words(self) -> str:
        value = str(self.value).lower() if isinstance(self.value, bool) else self.value
        return f"{shown(self.path)}: {value}"

    def apply(self, body: Body) -> Body:
        def put(holder: dict[str, Any], name: str) -> dict[str, Any]:
            return holder if holder[name] == self.value else holder | {name: self.value}

        if self.always and len(self.path) == 1 and self.path[0] not in body:
            return body | {self.path[0]: self.value}
        return edited(body, self.path, put)


@dataclass(frozen=True, slots=True)
class AtMost:
    """A number, such as a limit of tokens, is lowered to what the server takes."""

    path: Path
    bound: int | float

    @property
    def words(self) -> str:
        return f"{shown(self.path)}: at most {self.bound}"

    def apply(self, body: Body) -> Body:
        def lower(holder: dict[str, Any], name: str) -> dict[str, Any]:
            value = holder[name]
            return holder | {name: self.bound} if isinstance(value, int | float) and value > self.bound else holder

        return edited(body, self.path, lower)


def shown(path: Path) -> str:
    return ".".join(step for step in path if step not in ("*", "**"))


def edited(body: Body, path: Path, edit: Callable[[dict[str, Any], str], dict[str, Any]]) -> Body:
    made: Body = _edited(body, path, edit)
    return made


def _edited(body: Any, path: Path, edit: Callable[[dict[str, Any], str], dict[str, Any]]) -> Any:
    """`body` with `edit` done to each record that has the last member of `path`; the same object if nothing changed."""
    step, rest = path[0], path[1:]
    if step == "*":
        return each(body, lambda item: _edited(item, rest, edit)) if isinstance(body, list) else body
    if step == "**":
        return _everywhere(body, rest[0], edit)
    if not isinstance(body, dict) or step not in body:
        return body
    if not rest:
        return edit(body, step)
    inner = _edited(body[step], rest, edit)
    if inner is body[step]:
        return body
    # A record of which nothing is left says nothing, and some servers refuse an empty one.
    return without(body, step) if inner == {} else body | {step: inner}


def _everywhere(value: Any, name: str, edit: Callable[[dict[str, Any], str], dict[str, Any]]) -> Any:
    """Within a JSON Schema: its keyword `name`, but not a property that is named so."""
    if isinstance(value, list):
        return each(value, lambda item: _everywhere(item, name, edit))
    if not isinstance(value, dict):
        return value
    made = edit(value, name) if name in value else value
    for key, inner in made.items():
        if key == "properties" and isinstance(inner, dict):
            changed: Any = _values(inner, lambda one: _everywhere(one, name, edit))
        else:
            changed = _everywhere(inner, name, edit)
        if changed is not inner:
            made = made | {key: changed}
    return made


def each(items: list[Any], change: Callable[[Any], Any]) -> list[Any]:
    made = [change(item) for item in items]
    return items if all(new is old for new, old in zip(made, items, strict=True)) else made


def _values(record: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    made = {key: change(value) for key, value in record.items()}
    return record if all(made[key] is value for key, value in record.items()) else made


def without(holder: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in holder.items() if key != name}


def value_at(body: Any, path: Path) -> Any:
    """What stands at `path`, of the first item of each list; None: nothing does."""
    for step in path:
        if isinstance(body, list):
            body = body[0] if body else None
            if step == "*":
                continue
        body = body.get(step) if isinstance(body, dict) else None
    return body
