"""The neutral vocabulary of a conversation: messages, parts, usage, tools. Every model is frozen.

Rule 1: a part carries what people and models see in neutral form, and the provider's own block beside it
(`native`), which goes back verbatim only to the API that made it.
Rule 2: what travels through Temporal is small. A part above `INLINE_LIMIT` bytes is *folded* by whoever makes it:
the whole part goes to the blob store, its `blob` names it, and its text keeps only a head and a tail.
"""

import operator
import unicodedata
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

#: Bytes of JSON above which a part is folded into the blob store.
INLINE_LIMIT = 32 * 1024

#: Of ids that callers make.
ID: Final = r"^[A-Za-z0-9._~:-]{1,200}$"
Id = Annotated[str, StringConstraints(pattern=ID)]


class Frozen(BaseModel):
    """An immutable record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


def absent(value: object) -> bool:
    """For fields that older records have not: where there is nothing to say, they are not written at all."""
    return value is None


class Blocked(Frozen):
    """A tool held up others on its worker."""

    seconds: float
    #: `file:line` of the code that did.
    line: str


class BlobRef(Frozen):
    """Where the whole of a folded part lies."""

    #: `{tenant}/{session}/{sha256}`
    key: str
    #: Bytes of the stored JSON.
    size: int


class Native(Frozen):
    """A server's own form of a part, which goes back verbatim to that server, and to no other."""

    #: The wire that read it: `anthropic.messages`, `openai.responses`, `openai.chat`, `gemini.content`, `demo`.
    api: str
    #: The server that made it, as `perdure.temporal.definitions.servers.server_of` names servers. Empty: a part of before
    #: servers were told apart, or one that no model made.
    server: str = Field(default="", exclude_if=operator.not_)
    block: dict[str, JsonValue]


class Text(Frozen):
    type: Literal["text"] = "text"
    text: str
    native: Native | None = None
    blob: BlobRef | None = None

    def saying(self, text: str) -> "Text":
        return self.model_copy(update={"text": text})


class Reasoning(Frozen):
    type: Literal["reasoning"] = "reasoning"
    text: str = ""
    native: Native | None = None
    blob: BlobRef | None = None


class ToolCall(Frozen):
    type: Literal["tool_call"] = "tool_call"
    #: Ours, deterministic: `t7.s2.c1`. The provider's own id lives in `native` only.
    call_id: str
    name: str
    #: As conditions, people and the tool see them: validated, coerced, with defaults, where `checked` says so.
    args: dict[str, JsonValue]
    #: What the model wrote, kept only when it is not a JSON object.
    args_raw: str | None = None
    native: Native | None = None
    blob: BlobRef | None = None
    #: Why the arguments do not fit, in words for the model.
    misfit: str | None = Field(default=None, exclude_if=absent)
    #: What found them right, or found the misfit: the Python tool itself, or only the input schema that the model was
    #: shown. None: nothing did, so whoever runs the call may make something else of them.
    checked: Literal["tool", "schema"] | None = Field(default=None, exclude_if=absent)
    #: What the model wrote, where `args` are something else.
    written: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)

    def with_args(self, args: dict[str, JsonValue], blob: BlobRef | None = None) -> "ToolCall":
        """The call with other arguments than its model's; `blob` holds the call where they are too long to travel."""
        changes = {"args": args, "args_raw": None, "blob": blob, "misfit": None, "written": None}
        return self.model_copy(update=changes)

    def as_written(self) -> "ToolCall":
        """The call with the arguments that its model wrote, as it is shown its own words."""
        return self if self.written is None else self.model_copy(update={"args": self.written, "written": None})


class ToolError(Frozen):
    """A failure as data: the `output` of a tool result with `is_error`, and the `error` of a turn."""

    type: str
    message: str
    retryable: bool = False
    #: What a tool returned beside its words: data, pictures, files.
    content: list[JsonValue] | None = Field(default=None, exclude_if=absent)

    def saying(self, message: str) -> "ToolError":
        """The same failure in other words."""
        return self.model_copy(update={"message": message})


class ToolResult(Frozen):
    type: Literal["tool_result"] = "tool_result"
    call_id: str
    name: str
    #: Any JSON; with `is_error`, a dumped `ToolError`.
    output: JsonValue
    is_error: bool = False
    blob: BlobRef | None = None
    #: The arguments that a person put in place of the model's, as JSON; long ones in short.
    changed_args: str | None = Field(default=None, exclude_if=absent)


class File(Frozen):
    type: Literal["file"] = "file"
    #: `{tenant}/{session}/{sha256}` of a file that the session keeps; else an address.
    uri: str
    media_type: str
    name: str
    blob: BlobRef | None = None
    #: Of a file that the session keeps.
    bytes: int | None = Field(default=None, exclude_if=absent)
    #: Of a picture, in pixels, as it is shown.
    width: int | None = Field(default=None, exclude_if=absent)
    #: Of a picture, in pixels, as it is shown.
    height: int | None = Field(default=None, exclude_if=absent)
    #: Of a document, as far as it is known.
    pages: int | None = Field(default=None, exclude_if=absent)


#: Names of data parts that only a session itself writes.
RESERVED_DATA = frozenset({"timer", "rewound", "trigger"})


def is_reserved_data(name: str) -> bool:
    """Also where it only looks like such a name."""
    return unicodedata.normalize("NFKC", name).strip().casefold() in RESERVED_DATA


class Data(Frozen):
    type: Literal["data"] = "data"
    name: str
    value: JsonValue
    blob: BlobRef | None = None


Part = Annotated[Text | Reasoning | ToolCall | ToolResult | File | Data, Field(discriminator="type")]

Role = Literal["user", "assistant", "tool"]


class Message(Frozen):
    """One entry of the transcript."""

    id: str
    role: Role
    parts: tuple[Part, ...]
    turn_id: str | None = None
    at: datetime
    #: The turn was stopped while this message was being written; it holds what had come by then.
    stopped: bool | None = None
    #: The session itself wrote it: for a timer whose time has come, or to say what of a part that was cut still stands.
    own: bool = Field(default=False, exclude_if=operator.not_)
    #: What the client that sent it calls the run that it began, for protocols in which clients name runs.
    run_id: str | None = Field(default=None, exclude_if=absent)

    def with_parts(self, parts: tuple["Part", ...]) -> "Message":
        return self.model_copy(update={"parts": parts})

    def of_turn(self, turn_id: str) -> "Message":
        return self.model_copy(update={"turn_id": turn_id})

    def is_note(self, part: "Part") -> bool:
        """Whether a part of this message is a session's note to itself, which nobody else can write."""
        match part:
            case Data(name="timer", value={"note": str(), "due": str(), **others}):
                # Earlier versions told it by the id alone, and kept nobody from writing one.
                return self.own or self.id == f"{others.get('timer_id')}.fired"
            case Data(name="rewound", value={"note": str()}):
                return self.own
            case _:
                return False


class Usage(Frozen):
    """Tokens. `input_tokens` is the total, cached and written ones included; `output_tokens` includes reasoning."""

    input_tokens: int = 0
    #: Read from the provider's cache.
    cached_tokens: int = 0
    #: Written to the provider's cache, which some providers charge at a rate of its own.
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    #: At least one number is an estimate, because the server reported none.
    estimated: bool = Field(default=False, exclude_if=operator.not_)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            estimated=self.estimated or other.estimated,
        )


class Timing(Frozen):
    """Milliseconds from the provider request of the attempt that succeeded."""

    first_token_ms: float | None = None
    total_ms: float


#: Why a model call ended: `end` (said all it had to), `tool_calls`, `max_tokens`, `stop_sequence`, `refusal`,
#: `content_filter`, `context_window`, `pause`, `repetition` (it repeated itself without end), `stopped` (by the user),
#: `error` (failed for good), `other`.
StopReason = Literal[
    "end",
    "tool_calls",
    "max_tokens",
    "stop_sequence",
    "refusal",
    "content_filter",
    "context_window",
    "pause",
    "repetition",
    "stopped",
    "error",
    "other",
]

SessionStatus = Literal["idle", "working", "waiting", "closed"]


class ToolSpec(Frozen):
    """What a model is told of a tool."""

    name: str
    description: str
    #: JSON Schema of the arguments, always of `type: object`.
    input: dict[str, JsonValue]
    #: JSON Schema of the result; None: anything.
    output: dict[str, JsonValue] | None = None
    #: Its schemas are an MCP server's, and so not to be trusted with the time that it takes to apply them.
    foreign: bool = Field(default=False, exclude_if=operator.not_)
    #: Its calls are told on whose behalf they are made.
    context: bool = Field(default=False, exclude_if=operator.not_)


def as_foreign(part: Part) -> Part:
    """A caller's part, which cannot pass for a session's own note. A gateway refuses such a name in the first place."""
    if isinstance(part, Data) and is_reserved_data(part.name):
        return part.model_copy(update={"name": f"{part.name} (of the caller)"})
    return part
