"""One content block of an answer of Anthropic Messages, while it arrives and as the part that it becomes. Pure, and total.

Rule 1: a call without arguments is one whose block ended well, began with an empty object, and lost nothing on the way. Any
other call of which nothing came is not whole. `anthropic_arguments` has the rest.
Rule 2: a block of a type that this version does not know (a server's own tools and their results) is kept as it came, for the
server that sent it.
"""

from codecs import iterdecode
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.encoding.storable_json import storable
from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.wire import DeltaKind
from perdure.activities.models.wires.anthropic_arguments import (
    Read,
    adds_nothing,
    arguments_in,
    as_text,
    chosen,
    is_whole,
    says_none,
)
from perdure.activities.models.wires.anthropic_events import word
from perdure.workflows.vocabulary.parts import Native, Part, Reasoning, Text, ToolCall

#: Tag of the blocks that go back verbatim.
API: Final = "anthropic.messages"
SHOWN: Final[dict[str, DeltaKind]] = {"text": "text", "thinking": "reasoning", "tool_use": "tool_input"}
#: Bytes that are decoded at once. The decoder needs several times their memory where they are not ASCII.
_PIECE: Final = 65_536
_SPEECH: Final = ("text", "thinking", "redacted_thinking")
#: Bytes of fragments that may stand for no arguments.
_SHORT: Final = 16


@dataclass(slots=True)
class Block:
    #: `text`, `thinking`, `redacted_thinking`, `tool_use`, or any other type that a server has.
    kind: str
    #: As it began, without what its deltas bring.
    start: dict[str, Any] = field(default_factory=dict)
    #: Where the server puts it; None: it did not say.
    index: int | None = None
    #: The index among the answer's parts, once it has content.
    part: int | None = None
    #: Fragments of its text, its thinking or its arguments, in UTF-8: as strings they would take many times as much memory.
    written: bytearray = field(default_factory=bytearray)
    signature: str = ""
    citations: list[Any] = field(default_factory=list)
    #: Arguments that came as a whole, before fragments or in their place.
    given: Any = None
    #: Arguments that came as a whole at the end.
    final: Any = None
    ended: bool = False
    #: Of thinking that came as text between tags, the tags.
    tags: tuple[str, str] | None = None
    #: Something of it could not be read.
    doubtful: bool = False
    #: Something unknown came that may belong to it.
    unread: bool = False
    #: Its arguments come as text.
    comes_as_text: bool = False

    @classmethod
    def begun(cls, start: dict[str, Any]) -> "Block":
        kind = start.get("type")
        if not isinstance(kind, str) or not kind:
            kind = next((name for name in ("thinking", "text") if name in start), "tool_use")
        return cls(kind, start, given=arguments_in(start), signature=word(start.get("signature")))

    @property
    def name(self) -> str:
        """Of the tool."""
        return encodable(word(self.start.get("name")))

    @property
    def is_call(self) -> bool:
        return self.kind == "tool_use" and bool(self.name.strip())

    @property
    def given_text(self) -> str:
        """Whole arguments as JSON; "": none came."""
        return as_text(self.final) or as_text(self.given)

    @property
    def first_words(self) -> str:
        """What some servers already put into the start."""
        return word(self.start.get(self.kind)) if self.kind in ("text", "thinking") else ""

    def takes(self, family: str) -> bool:
        """Whether it may have a delta of this family: `text`, `thinking` or `input`."""
        return self.kind == family if family != "input" else self.kind not in _SPEECH

    def takes_as_arguments(self, text: str) -> bool:
        """Whether a call's arguments go on, or begin, with this text, which came as speech."""
        if self.comes_as_text and not self._says_none:
            return not (self.written.endswith(b"}") and is_whole(self.written.decode()))
        return self.is_call and self._says_none and text.lstrip().startswith("{")

    def takes_object(self, whole: dict[str, Any]) -> bool:
        """Takes arguments in place of a fragment. False: they contradict the fragments so far."""
        if self._says_none:
            self.given = whole or self.given
            return True
        return adds_nothing(as_text(whole), self.written.decode())

    def write(self, text: str) -> str:
        """Adds to the text, the thinking or the arguments. Returns what is new to viewers."""
        if self.kind not in _SPEECH and text.strip():
            if self._says_none:
                self.written.clear()
                if says_none(text) and self.given_text:
                    return ""
            elif self._may_repeat(text) and adds_nothing(text, self.written.decode()):
                return ""
        self.written += text.encode()
        return text

    def _may_repeat(self, text: str) -> bool:
        return self.written.endswith(b"}") and (says_none(text) or len(text.encode()) == len(self.written))

    @property
    def _says_none(self) -> bool:
        return len(self.written) <= _SHORT and says_none(self.written.decode())

    def as_call(self, call_id: str, read: Read) -> ToolCall:
        """`read`: its `arguments`."""
        args, raw = read
        native = Native(api=API, block=self._native() | {"input": args})
        return ToolCall(call_id=call_id, name=self.name, args=args, args_raw=raw, native=native)

    def as_part(self, *, whole: bool) -> Part | None:
        """`whole`: the answer ended so that its blocks can go back."""
        match self.kind:
            case "text":
                text = self._taken()
                known = ("type", "text") if not self.citations else ("type", "text", "citations")
                extra = {name: value for name, value in self._native().items() if value and name not in known}
                cited: dict[str, JsonValue] = {"citations": storable(self.citations)} if self.citations else {}
                own: dict[str, JsonValue] = {"type": "text", "text": text, **extra, **cited}
                native = Native(api=API, block=own) if extra or cited else None
                return Text(text=text, native=native)
            case "thinking" if self.tags:
                text = self._taken().strip()
                tagged: dict[str, JsonValue] = {"type": "text", "text": f"{self.tags[0]}{text}{self.tags[1]}"}
                return Reasoning(text=text, native=Native(api=API, block=tagged))
            case "thinking":
                text = self._taken()
                signed: dict[str, JsonValue] = {"signature": encodable(self.signature)} if self.signature else {}
                block = {n: v for n, v in self._native().items() if n != "signature"} | {"thinking": text} | signed
                # Compatible servers give no signature. Anthropic gives none to thinking that was cut, and refuses it then.
                kept = Native(api=API, block=block | {"type": "thinking"}) if signed or whole else None
                return Reasoning(text=text, native=kept)
            case "redacted_thinking":
                return Reasoning(native=Native(api=API, block=self._native()))
            case _ if whole and self.ended and not self.doubtful and not self.unread:
                block = self._native()
                if "input" in block:
                    block["input"] = self.arguments(good=True, lost=False)[0]
                return Reasoning(native=Native(api=API, block=block))
            case _:
                return None

    def arguments(self, *, good: bool, lost: bool) -> Read:
        """The arguments, and what was written of them where they are not whole. `good`: the answer ended well. `lost`: it had
        fragments of arguments that no call could take. To be asked for once."""
        return chosen(
            self._taken(),
            self.given,
            self.final,
            lost=self.doubtful,
            unread=self.unread or lost,
            ended=self.ended and good,
        )

    def _taken(self) -> str:
        """What was written. It is not kept in two forms."""
        if self.written.isascii():
            text = self.written.decode()
        else:
            pieces = (bytes(self.written[at : at + _PIECE]) for at in range(0, len(self.written), _PIECE))
            text = "".join(iterdecode(pieces, "utf-8"))
        self.written.clear()
        return text

    def _native(self) -> dict[str, JsonValue]:
        kept = storable(self.start)
        assert isinstance(kept, dict)
        return kept


@dataclass(slots=True)
class Blocks:
    """The blocks so far, and which of them a fragment belongs to."""

    all: list[Block] = field(default_factory=list)
    #: By index, the block that began last. Some servers give every block the same index.
    at: dict[int, Block] = field(default_factory=dict)

    def begin(self, block: Block, index: Any) -> Block:
        self.all.append(block)
        if type(index) is int:
            block.index = index
            self.at[index] = block
        return block

    def named(self, index: Any) -> Block | None:
        return self.at.get(index) if type(index) is int else None

    def open(self) -> Block | None:
        """The last block that has not ended."""
        return next((block for block in reversed(self.all) if not block.ended), None)

    def last(self, kind: str) -> Block | None:
        return next((block for block in reversed(self.all) if block.kind == kind), None)

    def taking(self, family: str, index: Any) -> Block | None:
        """The block that a delta belongs to: a new one, if it is speech that none can take."""
        named = self.named(index)
        if named is not None and named.takes(family):
            return named
        # Words in a wrong place are better than none. A fragment of arguments would spoil those of another call.
        astray = type(index) is int and family == "input"
        fitting = (block for block in reversed(self.all) if not block.ended and block.takes(family))
        block = next((block for block in fitting if not astray or block.index is None), None)
        if block is None and family != "input":
            block = self.begin(Block(family), index if named is None else None)
        return block

    def call_at(self, index: Any) -> Block | None:
        """The call that something with this index, or without one, stands in."""
        last = self.all[-1] if self.all and not self.all[-1].ended else None
        block = self.named(index) if type(index) is int else last
        return block if block is not None and block.is_call else None

    def concerned(self, index: Any) -> list[Block]:
        """The block with this index. Without one, all that have not ended."""
        named = self.named(index)
        return [block for block in self.all if not block.ended] if named is None else [named]


def is_same(start: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both starts begin the same block, which some servers do more than once."""
    return bool(start.get("id")) and all(start.get(name) == other.get(name) for name in ("type", "id", "name"))
