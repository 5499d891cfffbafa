"""Raw answers of model servers, changed at random in the ways in which real ones differ or break. Pure; a seed always gives
the same change. `decoders` tries a wire with them.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Recording:
    """A raw answer: server-sent events, or one JSON text. Of its calls, each should come in several fragments, so that what
    is left when one is missing is no JSON."""

    body: bytes
    #: Arguments of its calls.
    arguments: tuple[dict[str, JsonValue], ...] = ()

    @property
    def is_json(self) -> bool:
        return self.body.lstrip()[:1] == b"{"


@dataclass(frozen=True, slots=True)
class Mutated:
    body: bytes
    #: What was changed, in words.
    changes: tuple[str, ...]
    #: The connection breaks behind the body.
    broken: bool
    #: Bytes that are sent at once.
    piece: int


@dataclass(slots=True)
class _Frame:
    """An event, or a whole JSON text (without `lead`)."""

    name: str | None
    data: Any
    #: The data as it is, where it is not JSON.
    raw: str | None = None
    lead: str = "data: "
    before: str = ""

    def text(self) -> str:
        name = f"event: {self.name}\n" if self.name is not None else ""
        data = json.dumps(self.data) if self.raw is None else self.raw
        return f"{self.before}{name}{self.lead}{data}" + ("\n\n" if self.lead else "")


@dataclass(slots=True)
class _Body:
    frames: list[_Frame]
    random: random.Random
    #: Applied to the bytes in the end.
    last: list[Callable[[bytes], bytes]] = field(default_factory=list)
    broken: bool = False

    def at(self) -> int:
        return self.random.randrange(len(self.frames)) if self.frames else -1

    def member(self) -> tuple[Any, Any] | None:
        """An object or list in one of the events, and the key of something in it."""
        frames = [frame for frame in self.frames if frame.raw is None]
        places = list(_places(self.random.choice(frames).data)) if frames else []
        return self.random.choice(places) if places else None


def mutated(recording: Recording, seed: int) -> Mutated:
    rng = random.Random(seed)
    body = _Body(list(_frames(recording)), rng)
    changes = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        name = rng.choice(list(CHANGES))
        changes.append(name)
        CHANGES[name](body)
    data = "".join(frame.text() for frame in body.frames).encode(errors="surrogatepass")
    for change in body.last:
        data = change(data)
    return Mutated(data, tuple(changes), body.broken, rng.choice((1 << 20, 1 << 20, 97, 13)))


def _frames(recording: Recording) -> Iterator[_Frame]:
    if recording.is_json:
        yield _Frame(None, json.loads(recording.body), lead="")
        return
    for text in recording.body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in text.split("\n") if line)
        if "data" in lines:
            is_json = lines["data"][:1] == "{"
            data = json.loads(lines["data"]) if is_json else None
            yield _Frame(lines.get("event"), data, None if is_json else lines["data"])


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _drop(body: _Body) -> None:
    if body.frames:
        del body.frames[body.at()]


def _duplicate(body: _Body) -> None:
    if body.frames:
        at = body.at()
        twin = body.frames[at]
        body.frames.insert(at, _Frame(twin.name, json.loads(json.dumps(twin.data)), twin.raw, twin.lead, twin.before))


def _swap(body: _Body) -> None:
    if body.frames:
        a, b = body.at(), body.at()
        body.frames[a], body.frames[b] = body.frames[b], body.frames[a]


def _move(body: _Body) -> None:
    if body.frames:
        frame = body.frames.pop(body.at())
        body.frames.insert(body.random.randrange(len(body.frames) + 1), frame)


def _truncate(body: _Body) -> None:
    share = body.random.random()
    body.last.append(lambda data: data[: int(share * len(data))])


def _break_off(body: _Body) -> None:
    _truncate(body)
    body.broken = True


def _retype(body: _Body) -> None:
    place = body.member()
    if place:
        number = body.random.randrange(100)
        values: list[Any] = [None, [], {}, [number], {"mutated": number}, number, -1, 0.5, True, "", "mutated"]
        place[0][place[1]] = body.random.choice(values)


def _extreme(body: _Body) -> None:
    place = body.member()
    if place:
        values: list[Any] = [
            10**30,
            10**400,
            float("nan"),
            float("inf"),
            -(2**63),
            _deep(500),
            "\x00",
            "\ud83d",
            "x" * 70_000,
        ]
        place[0][place[1]] = body.random.choice(values)


def _deep(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


def _surrogate(body: _Body) -> None:
    place = body.member()
    if place and isinstance(place[0][place[1]], str):
        text = place[0][place[1]]
        at = body.random.randrange(len(text) + 1)
        place[0][place[1]] = text[:at] + body.random.choice(("\ud83d", "\udc00")) + text[at:]


def _forget(body: _Body) -> None:
    place = body.member()
    if place:
        del place[0][place[1]]


def _add(body: _Body) -> None:
    place = body.member()
    if place and isinstance(place[0], dict):
        place[0][f"unknown_{body.random.randrange(9)}"] = body.random.choice([None, 1, "x", [], {"y": 1}])


def _rename(body: _Body) -> None:
    if body.frames:
        frame = body.frames[body.at()]
        others = [other.name for other in body.frames if other.name]
        new = body.random.choice(["something.new", *others])
        where = body.random.choice(("name", "type", "both"))
        if where != "type" and frame.name is not None:
            frame.name = new
        if where != "name" and isinstance(frame.data, dict) and "type" in frame.data:
            frame.data["type"] = new


def _no_names(body: _Body) -> None:
    for frame in body.frames:
        frame.name = None


def _noise(body: _Body) -> None:
    if body.frames:
        noise = (
            "\n\n",
            ": a comment\n\n",
            "data:\n\n",
            "data: \n\n",
            "event: x\n\n",
            "id: 7\n",
            "retry: x\n",
            "junk\n\n",
        )
        body.frames[body.at()].before = body.random.choice(noise)


def _cut_line(body: _Body) -> None:
    if body.frames:
        frame = body.frames[body.at()]
        text = json.dumps(frame.data) if frame.raw is None else frame.raw
        frame.raw = text[: body.random.randrange(len(text) + 1)]


def _index(body: _Body) -> None:
    """Changes one of the indexes, or exchanges two of them everywhere."""
    places = [p for f in body.frames for p in _places(f.data) if isinstance(p[1], str) and p[1].endswith("index")]
    if places and body.random.random() < 0.5:
        holder, key = body.random.choice(places)
        holder[key] = body.random.choice([0, 1, 2, 3, 99, -1, "0", None, 1.5])
    else:
        for holder, key in places:
            holder[key] = {0: 1, 1: 0}.get(holder[key], holder[key]) if isinstance(holder[key], int) else holder[key]


def _done(body: _Body) -> None:
    body.frames.insert(body.random.randrange(len(body.frames) + 1), _Frame(None, None, "[DONE]"))


def _line_ends(body: _Body) -> None:
    end = body.random.choice((b"\r\n", b"\r"))
    body.last.append(lambda data: data.replace(b"\n", end))


def _dirt(body: _Body) -> None:
    share = body.random.random()
    dirt = body.random.choice((b"\xff", b"\x00", b"\xed\xa0\xbd", b"\n", b"\r"))
    body.last.append(lambda data: data[: (at := int(share * len(data)))] + dirt + data[at:])


CHANGES: Final[dict[str, Callable[[_Body], None]]] = {
    "drop an event": _drop,
    "repeat an event": _duplicate,
    "exchange two events": _swap,
    "move an event": _move,
    "end early": _truncate,
    "break off": _break_off,
    "change the type of a member": _retype,
    "put an extreme value": _extreme,
    "put half an emoji": _surrogate,
    "drop a member": _forget,
    "add a member": _add,
    "rename an event": _rename,
    "leave out the names": _no_names,
    "put blank lines": _noise,
    "cut a line": _cut_line,
    "change an index": _index,
    "put [DONE]": _done,
    "end lines otherwise": _line_ends,
    "put dirt": _dirt,
}
