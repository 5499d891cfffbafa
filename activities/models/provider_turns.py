"""A transcript as a provider takes it: turns that alternate, and every tool call with exactly one result. Pure.

Rule 1: a part's native block is used only by the server that made it. Reasoning of other servers is dropped.
Rule 2: of an answer that was stopped, only the text goes back. Its reasoning has no signature, and its calls have no results.
Rule 3: a user turn begins with its tool results, in the order of the calls. A call without a result gets one that says so. A
result without a call is dropped.
Rule 4: no text is blank, and no turn is empty.
Rule 5: a call goes by the id that its server gave it, if that server is asked again, and by one that every server takes if
not. Where a request offers no tools, and the server then refuses calls of before, calls and results are told as text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar, assert_never

import pydantic_core
from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.call_ids import made_id
from perdure.activities.models.media.shown import Media as Media
from perdure.activities.models.media.shown import ShownFile, ShownResult, is_address, sized
from perdure.temporal.schemas.nesting import too_deep
from perdure.workflows.core.budget import BYTES_PER_TOKEN
from perdure.workflows.definition.agent import TOOL_OUTPUT_TOKENS
from perdure.workflows.definition.providers.dialect import PLAIN, Dialect
from perdure.workflows.vocabulary.errors import TOOL_STOPPED
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import (
    Data,
    File,
    Message,
    Native,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolError,
    ToolResult,
)

#: What a server's own id of a call may be made of.
_ID: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,256}")


@dataclass(frozen=True, slots=True)
class Asked:
    """The server that is about to be asked, and what bears on the form of the turns that it is shown."""

    #: Of `Native`: the wire, and the server's name.
    api: str
    server: str
    dialect: Dialect = PLAIN
    #: The request offers tools.
    tools: bool = True
    #: Of a tool result that is longer than about so many tokens, the head and the tail are shown.
    result_tokens: int = TOOL_OUTPUT_TOKENS

    def made(self, native: Native | None) -> bool:
        """Whether this server made the part that `native` belongs to."""
        return native is not None and native.api == self.api and native.server in ("", self.server)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call with the id that the provider gets."""

    id: str
    part: ToolCall


#: What a person, or a tool, says to the model. A wire sends each part in the best form that its API has; `text_of` gives the
#: form that every API has.
Content = Text | File | Data | Media


@dataclass(frozen=True, slots=True)
class Result:
    """The result of the call with this id."""

    id: str
    content: tuple[Content, ...]
    is_error: bool


@dataclass(frozen=True, slots=True)
class UserTurn:
    results: tuple[Result, ...]
    content: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class AssistantTurn:
    #: The server that is asked made the reasoning.
    parts: tuple[Text | Reasoning | Call, ...]


Turn = UserTurn | AssistantTurn


def turns(messages: Iterable[Message], asked: Asked) -> tuple[Turn, ...]:
    """What the server that is asked is shown of `messages`, beginning with a user turn."""
    building = _Building(asked)
    for message in messages:
        if message.role == "assistant":
            building.assistant(message)
        else:
            building.user(message)
    building.close_user()
    return tuple(building.turns)


def text_of(part: Content) -> str:
    """`part` as text, for an API that has no better form for it. Never blank."""
    match part:
        case Text():
            return part.text
        case File():
            size = "" if part.bytes is None else f", {sized(part.bytes)}"
            # An internal address tells a model nothing.
            place = f": {part.uri}" if is_address(part.uri) else ""
            return f"[file {part.name} ({part.media_type}{size}){place}]"
        case Media():
            return f"[{part.kind} {part.name} ({part.media_type})]"
        case Data():
            return f"{part.name}: {part.value if isinstance(part.value, str) else compact(part.value)}"
        case _:
            assert_never(part)


def as_text(content: Iterable[Content]) -> str:
    """All of `content` as one text."""
    return "\n\n".join(text_of(part) for part in content)


def parse_arguments(written: str) -> tuple[dict[str, JsonValue], str | None]:
    """A tool call's `args` and `args_raw`. The arguments count as read if they are a JSON object, not nested too deep."""
    try:
        # Stricter than json.loads: it refuses NaN, Infinity and lone surrogates, which could not be serialized later.
        value = pydantic_core.from_json(written, allow_inf_nan=False)
    except ValueError:
        return {}, written
    return (value, None) if isinstance(value, dict) and not too_deep(value) else ({}, written)


def encodable(text: str) -> str:
    """`text` with lone surrogates, which some servers send for half an emoji, replaced."""
    return text if text.isascii() else text.encode(errors="replace").decode()


_Part = TypeVar("_Part", Text, ToolCall)


@dataclass(slots=True)
class _Building:
    asked: Asked
    turns: list[Turn] = field(default_factory=list)
    #: Our call id → the server's, for the calls of the last assistant turn.
    open_calls: dict[str, str] = field(default_factory=dict)
    #: By our id, the names of calls that are told as text.
    told_calls: dict[str, str] = field(default_factory=dict)
    used_ids: set[str] = field(default_factory=set)
    results: dict[str, ToolResult] = field(default_factory=dict)
    content: list[Content] = field(default_factory=list)
    has_user: bool = False

    def user(self, message: Message) -> None:
        self.has_user = self.has_user or message.role == "user"
        for part in message.parts:
            if isinstance(part, ToolResult):
                if part.call_id in self.open_calls:
                    self.results.setdefault(part.call_id, part)
                elif part.call_id in self.told_calls:
                    name = self.told_calls.pop(part.call_id)
                    shown = self._result("", part)
                    words, *beside = shown.content
                    self.content += [Text(text=f"[Result of the tool {name}: {text_of(words)}]"), *beside]
            else:
                self.content += _content(message, part)

    def assistant(self, message: Message) -> None:
        parts = tuple(self._kept(message))
        if not parts:
            return
        self.close_user()
        calls = [part for part in parts if isinstance(part, Call)]
        self.open_calls = {call.part.call_id: call.id for call in calls}
        if not self._takes_calls:
            self.told_calls = {part.call_id: part.name for part in message.parts if isinstance(part, ToolCall)}
        last = self.turns[-1] if self.turns else None
        if last is None:
            self.turns.append(UserTurn((), (Text(text="(the conversation begins)"),)))
        if isinstance(last, AssistantTurn):
            self.turns[-1] = AssistantTurn(last.parts + parts)
        else:
            self.turns.append(AssistantTurn(parts))
        for part in message.parts:
            if isinstance(part, ShownFile) and isinstance(part.shown, Media) and not self._made(message):
                # No API takes a picture as the words of its model.
                self.content += [Text(text=f"[{part.name}, which you made:]"), part.shown]

    def _kept(self, message: Message) -> Iterable[Text | Reasoning | Call]:
        for part in message.parts:
            match part:
                case Text() if part.text.strip():
                    yield self._own(part)
                case Reasoning() if not message.stopped and self.asked.made(part.native):
                    yield part
                case ToolCall() if not message.stopped and self._takes_calls:
                    yield Call(self._server_id(part), self._own(part.as_written()))
                case File() if not self._made(message):
                    yield Text(text=text_of(part))
                case ToolCall() if not message.stopped:
                    yield Text(text=f"[Called the tool {part.name} with {compact(part.as_written().args)}]")
                case _:
                    pass

    def _made(self, message: Message) -> bool:
        """Whether the server that is asked made this answer, and gets the pictures in it back in its own form."""
        return any(isinstance(part, Reasoning) and self.asked.made(part.native) for part in message.parts)

    @property
    def _takes_calls(self) -> bool:
        return self.asked.tools or self.asked.dialect.calls_without_tools

    def _own(self, part: _Part) -> _Part:
        """`part` without a native block that another server made."""
        if part.native is None or self.asked.made(part.native):
            return part
        return part.model_copy(update={"native": None})

    def _server_id(self, call: ToolCall) -> str:
        """The server's own id if it made the call; ours if it did not, or if it repeats its ids."""
        block = call.native.block if call.native and self.asked.made(call.native) else {}
        # OpenAI Responses distinguishes the id of the call from that of the item which holds it.
        own = block.get("call_id", block.get("id"))
        if isinstance(own, str) and _ID.fullmatch(own) and own not in self.used_ids:
            chosen = own
        else:
            chosen = made_id(call.call_id, self.used_ids)
        self.used_ids.add(chosen)
        return chosen

    def close_user(self) -> None:
        """Ends the user turn that is being collected, if it holds anything that a model must see."""
        results = tuple(self._result(wire_id, self.results.get(ours)) for ours, wire_id in self.open_calls.items())
        content = tuple(self.content)
        if self.has_user and not results and not content:
            content = (Text(text="(an empty message)"),)
        if results or content:
            self.turns.append(UserTurn(results, content))
        self.open_calls, self.results, self.content, self.has_user = {}, {}, [], False
        self.told_calls = {}

    def _result(self, wire_id: str, result: ToolResult | None) -> Result:
        if result is None:
            missing = ToolError(type=TOOL_STOPPED, message="This call was stopped before it had a result.")
            return Result(wire_id, (Text(text=compact(missing.model_dump())),), is_error=True)
        output = result.output
        text = output if isinstance(output, str) else compact(output)
        shown = preview(text, self.asked.result_tokens * BYTES_PER_TOKEN // 2)
        if result.changed_args is not None:
            # Otherwise the model takes the result for that of the call which it wrote.
            shown = (
                f"[A person changed this call's arguments before it ran. It ran with: {result.changed_args}]\n{shown}"
            )
        beside = result.beside if isinstance(result, ShownResult) else ()
        return Result(wire_id, (Text(text=shown), *beside), result.is_error)


def _content(message: Message, part: Part) -> list[Content]:
    match part:
        case Text():
            return [part] if part.text.strip() else []
        case Data(value={"note": str(note), "due": str(due)}) if message.is_note(part):
            note = f"[You set a timer for {due}, and it is time. Your note to yourself: {note}]"
            return [Text(text=note)]
        case Data(name="rewound", value={"note": str(note)}) if message.is_note(part):
            return [Text(text=f"[{note}]")]
        case ShownFile():
            return [part.shown]
        case File() | Data():
            return [part]
        case _:
            return []
