"""An output item of OpenAI Responses while it arrives, and the part that it becomes.

Rule 1: an item is what `response.output_item.done` says, or else the event that ends the answer, or else what was streamed.
Rule 2: any member may be missing or of another type. What cannot be read counts as missing.
Rule 3: the complete item is kept as it came, and goes back to its server. An item of a type that is not known here is kept,
too, as reasoning without a text.
Rule 4: reasoning that a model writes into a message, between tags, is reasoning.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.provider_turns import encodable, parse_arguments
from perdure.activities.models.think_tags import ThinkTags
from perdure.activities.models.wire import DeltaKind
from perdure.activities.models.wires.openai_responses_events import About
from perdure.temporal.schemas.nesting import too_deep
from perdure.workflows.vocabulary.parts import Native, Part, Reasoning, Text, ToolCall

#: Tag of the items that go back verbatim.
API: Final = "openai.responses"
#: How viewers are shown the items that hold what a model says.
KINDS: Final[dict[str, DeltaKind]] = {"message": "text", "reasoning": "reasoning", "function_call": "tool_input"}

#: The members of a call that hold its arguments; the first one is the API's.
_ARGUMENTS: Final = ("arguments", "parameters", "input", "args")

Section = tuple[str, int]


@dataclass(slots=True)
class Item:
    type: str
    index: int | None = None
    id: str = ""
    name: str = ""
    #: Its index among the answer's parts, once it has content; of a message, the index of its last part.
    part: int | None = None
    #: What that part holds. A message may hold reasoning, too.
    kind: DeltaKind | None = None
    #: Every text that came in fragments, with what stands between them.
    streamed: list[str] = field(default_factory=list)
    section: Section | None = None
    #: Where in `streamed` the section begins.
    since: int = 0
    #: Sections that are complete.
    closed: set[Section] = field(default_factory=set)
    #: The item as it was announced. Some servers give all of it there.
    first: dict[str, Any] = field(default_factory=dict)
    #: The complete arguments, as the event said that completes them.
    arguments: str = ""
    #: The complete item.
    done: dict[str, Any] = field(default_factory=dict)
    tags: ThinkTags = field(default_factory=ThinkTags)

    def section_of(self, about: About, event: dict[str, Any]) -> Section:
        """Which of its texts `event` is about."""
        index = event.get(about.index) if about.index else sum(name == about.section for name, _ in self.closed)
        return about.section, index if isinstance(index, int) else 0

    def add(self, text: str, section: Section) -> str:
        """Takes a fragment. Returns it as viewers see it: a new section of reasoning begins with a blank line."""
        if section != self.section:
            if self.type == "reasoning" and self.section is not None:
                text = f"\n\n{text}"
            self.section, self.since = section, len(self.streamed)
        self.streamed.append(text)
        return text

    def rest(self, whole: str, section: Section) -> str:
        """What has not been streamed of a section whose text is complete now."""
        if section in self.closed:
            return ""
        self.closed.add(section)
        if section != self.section:
            return whole
        seen = "".join(self.streamed[self.since :]).removeprefix("\n\n" if self.type == "reasoning" else "")
        return whole[len(seen) :] if whole.startswith(seen) else ""

    def has(self, text: str) -> bool:
        """Whether `text`, which is complete, has come before, whatever place it had."""
        return text in "".join(self.streamed) or text in text_of(self.done)

    def unseen(self) -> str:
        """What viewers have not seen of the complete item."""
        whole, seen = text_of(self.done), "".join(self.streamed)
        return whole[len(seen) :] if whole.startswith(seen) else ""

    @property
    def written(self) -> str:
        """A call's arguments, wherever they stand."""
        # In an announcement, an empty object only stands for arguments that are yet to come.
        announced = text_of(self.first)
        announced = "" if parse_arguments(announced) == ({}, None) else announced
        return best([text_of(self.done), self.arguments, "".join(self.streamed), announced])

    def as_call(self) -> dict[str, Any]:
        """What has come of a call, as a complete item."""
        own = {"id": self.id} if self.id else {}
        return self.first | own | self.done | {"type": self.type, "name": self.name, "arguments": self.written}

    def as_parts(self, call_id: str, *, reasoned: bool) -> list[Part]:
        """`reasoned`: the answer has items of reasoning, too."""
        item, streamed = self.done, "".join(self.streamed) or text_of(self.first)
        match self.type:
            case "message":
                text = text_of(item)
                # Some servers complete a message without its text.
                return _message(text or streamed, _native(item) if text else None, reasoned=reasoned)
            case "function_call":
                args, raw = parse_arguments(self.written)
                own = _native(item | {"arguments": self.written}) if item else None
                return [ToolCall(call_id=call_id, name=self.name, args=args, args_raw=raw, native=own)]
            case "reasoning":
                # The status of a reasoning item must not be sent back.
                block = {name: value for name, value in item.items() if name != "status"}
                return [Reasoning(text=text_of(item) or streamed, native=_native(block))]
            case _:
                return [Reasoning(native=_native(item))]


def _message(text: str, native: Native | None, *, reasoned: bool) -> list[Part]:
    tags = ThinkTags()
    tags.reasoned = reasoned
    parts: list[Part] = []
    for kind, piece in (*tags.take(text), *tags.end()):
        last = parts[-1] if parts else None
        if kind == "turned":
            parts = [Reasoning(text="".join(part.text for part in parts if isinstance(part, Text | Reasoning)))]
        elif isinstance(last, Text if kind == "text" else Reasoning):
            parts[-1] = last.model_copy(update={"text": last.text + piece})
        else:
            parts.append(Text(text=piece) if kind == "text" else Reasoning(text=piece))
    for at in reversed(range(len(parts))):
        if isinstance(parts[at], Text):
            # The whole message, tags included.
            parts[at] = parts[at].model_copy(update={"native": native})
            break
    return parts


def plain(item: object) -> dict[str, Any] | None:
    """`item` as it came, but without nulls, which the API sends but does not accept, and without lone surrogates. None: it is
    no item."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str) or too_deep(item):
        return None
    # Within arguments, null means something, and what is no number makes them unreadable.
    names = _ARGUMENTS if item["type"] == "function_call" else _ARGUMENTS[:1]
    item = item | {name: compact(item[name]) for name in names if isinstance(item.get(name), dict)}
    written = encodable(json.dumps(item, ensure_ascii=False))
    read: dict[str, Any] = json.loads(written, object_hook=_without_nulls, parse_constant=lambda _: None)
    return read


def text_of(item: dict[str, Any]) -> str:
    match item.get("type"):
        case "message":
            return "".join(_texts(item.get("content"), but="reasoning"))
        case "reasoning":
            texts = [*_texts(item.get("summary")), *_texts(item.get("content"))]
            return "\n\n".join(text for text in texts if text)
        case "function_call":
            written = [as_written(item[name]) for name in _ARGUMENTS if name in item]
            return best(written) if len(written) > 1 else "".join(written)
        case _:
            return ""


def as_written(arguments: object) -> str:
    """Arguments as JSON text. Some servers send the object itself."""
    if isinstance(arguments, str):
        return arguments
    return compact(arguments) if isinstance(arguments, dict) else ""


def best(candidates: list[str]) -> str:
    """The arguments among what a server called so in several places: the first that can be read and says something."""
    # Some servers stream an empty object before the real one.
    candidates = [*candidates, *(text.strip().removeprefix("{}") for text in candidates)]
    written = [text for text in candidates if text.strip()]
    empty = [text for text in written if parse_arguments(text) == ({}, None)]
    readable = [text for text in written if parse_arguments(text)[0]]
    # Where the real arguments came and cannot be read, an empty object is not what the model wrote.
    return next(iter([*readable, *(text for text in written if text not in empty), *empty, ""]))


def is_refused(item: dict[str, Any]) -> bool:
    content = item.get("content")
    return isinstance(content, list) and any(
        isinstance(part, dict) and (part.get("type") == "refusal" or bool(part.get("refusal"))) for part in content
    )


def _texts(value: object, but: str = "") -> Iterator[str]:
    """The texts in a list of parts, of which some servers make a text."""
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from _texts(one, but)
        case {"type": str(kind)} if but and kind.startswith(but):
            return
        case {"text": str(text)} if text:
            yield text
        case {"refusal": str(text)}:
            yield text


def _native(block: dict[str, Any]) -> Native | None:
    return Native(api=API, block=block) if block else None


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in value.items() if each is not None}
