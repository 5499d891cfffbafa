"""The `input` of a response, as OpenAI's clients write it, read as what a session takes. Pure.

Rule: only what is new is taken. What a session has said already is in the session, and an item that would say it again is
refused, for the session might have said something else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import JsonValue, ValidationError

from perdure.gateway.http.problems import Problem, invalid
from perdure.temporal.sessions.requests import MAX_PARTS, FilePart, TextPart

#: Of an address that does not say what is behind it.
_IMAGE: Final = "image/png"
_OWN: Final = ("reasoning", "function_call", "mcp_call", "mcp_approval_request", "mcp_list_tools", "item_reference")
_SAID_ALREADY: Final = (
    "is what the agent said, or a reference to it: the session has it already, so send only what is new, with "
    "previous_response_id or conversation"
)
_INSTRUCTIONS: Final = "an agent's instructions are in its definition, and cannot be given with a message"

UserPart = TextPart | FilePart
P = TypeVar("P", TextPart, FilePart)


@dataclass(frozen=True, slots=True)
class Output:
    """The result of a function that the agent asked its caller to run."""

    field: str
    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call may run."""

    field: str
    approval_id: str
    approve: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Given:
    """Either a message's parts, or answers."""

    parts: tuple[UserPart, ...] = ()
    outputs: tuple[Output, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def answers(self) -> bool:
        return bool(self.outputs or self.decisions)


def read_input(given: str | list[dict[str, JsonValue]]) -> Given:
    """Raises Problem `validation`, which names the item."""
    if isinstance(given, str):
        return Given((_part(TextPart, "input", {"type": "text", "text": given}),))
    parts: list[UserPart] = []
    outputs: list[Output] = []
    decisions: list[Decision] = []
    for place, item in enumerate(given):
        field = f"input[{place}]"
        match item.get("type", "message"):
            case "message":
                parts += read_message(item, field)
            case "function_call_output":
                outputs.append(
                    Output(field, _text(item, "call_id", field), _output(item.get("output"), f"{field}.output"))
                )
            case "mcp_approval_response":
                approve, reason = item.get("approve"), item.get("reason")
                if not isinstance(approve, bool):
                    raise invalid(f"{field}.approve", "must be true or false")
                if reason is not None and not isinstance(reason, str):
                    raise invalid(f"{field}.reason", "must be text")
                decisions.append(Decision(field, _text(item, "approval_request_id", field), approve, reason or None))
            case kind if kind in _OWN:
                raise invalid(field, _SAID_ALREADY)
            case _:
                raise invalid(
                    f"{field}.type", "must be message, function_call_output or mcp_approval_response; no other is taken"
                )
    if not (parts or outputs or decisions):
        raise invalid("input", "is empty")
    if parts and (outputs or decisions):
        raise invalid(
            "input", "has answers and a message: send the answers first, and the message with the response after"
        )
    if len(parts) > MAX_PARTS:
        raise invalid("input", f"has {len(parts)} parts; at most {MAX_PARTS} may be")
    return Given(tuple(parts), tuple(outputs), tuple(decisions))


def read_message(item: dict[str, JsonValue], field: str) -> list[UserPart]:
    """The parts of a message of the user's."""
    match item.get("role"):
        case "user":
            pass
        case "assistant":
            raise invalid(field, _SAID_ALREADY)
        case "system" | "developer":
            raise invalid(field, f"has the role {item['role']}: {_INSTRUCTIONS}")
        case _:
            raise invalid(f"{field}.role", "must be user")
    return read_content(item.get("content"), f"{field}.content")


def read_content(content: JsonValue, field: str) -> list[UserPart]:
    """Text, or parts as the Responses API or Chat Completions write them."""
    if isinstance(content, str):
        return [_part(TextPart, field, {"type": "text", "text": content})]
    if not isinstance(content, list) or not content:
        raise invalid(field, "must be text, or a list of parts")
    return [_content_part(part, f"{field}[{place}]") for place, part in enumerate(content)]


def _content_part(part: JsonValue, field: str) -> UserPart:
    if not isinstance(part, dict):
        raise invalid(field, "must be an object with a type")
    match part:
        case {"type": "input_text" | "text", "text": str(text)}:
            return _part(TextPart, field, {"type": "text", "text": text})
        case {"type": "input_image", "image_url": str(url)}:
            return _file(field, "image_url", url, None, media_type=_IMAGE)
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _file(field, "image_url.url", url, None, media_type=_IMAGE)
        case {"type": "input_file"} | {"type": "file", "file": dict()}:
            inner, above = (part["file"], "file.") if part["type"] == "file" else (part, "")
            assert isinstance(inner, dict)
            name = inner.get("filename")
            for key in ("file_data", "file_url", "file_id"):
                if isinstance(inner.get(key), str):
                    given = name if isinstance(name, str) else None
                    return _file(field, above + key, str(inner[key]), given, filename=f"{above}filename")
            raise invalid(field, "needs file_data (a data: URI), file_url, or the uri of an upload as file_id")
        case {"type": "input_image", "file_id": str(upload)}:
            return _file(field, "file_id", upload, None)
        case {"type": "input_audio"}:
            raise invalid(field, "is sound: send it as input_file, with a data: URI")
        case _:
            raise invalid(field, "must be input_text with text, input_image with image_url, or input_file")


def _file(
    field: str, key: str, uri: str, name: str | None, media_type: str | None = None, filename: str = "filename"
) -> FilePart:
    """What is behind an address is named by its caller: an image without a known ending, a document by its ending. `key` and
    `filename` are where the part `field` has the address and the name."""
    fields: dict[str, Any] = {"type": "file", "uri": uri, "name": name}
    if uri.startswith(("http://", "https://")):
        fields["media_type"] = _type_of(uri) or media_type or "application/pdf"
    return _part(FilePart, field, fields, uri=key, name=filename)


_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "md": "text/markdown",
    "json": "application/json",
}


def _type_of(address: str) -> str | None:
    path = address.partition("?")[0].partition("#")[0]
    return _TYPES.get(path.rpartition(".")[2].lower())


def _part(kind: type[P], field: str, fields: dict[str, Any], **names: str) -> P:
    """`names` are those of the part's fields in the request, where they are others."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        name = names.get(name, name)
        words = str(first["msg"]).removeprefix("Value error, ")
        raise invalid(f"{field}.{name}" if name not in ("text", "") else field, words) from None


def _text(item: dict[str, JsonValue], name: str, field: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{field}.{name}", "is required, as text")
    return value


def _output(value: JsonValue, field: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [part.get("text") if isinstance(part, dict) else None for part in value]
        if all(isinstance(text, str) for text in texts):
            return "".join(map(str, texts))
    raise invalid(field, "must be text, or a list of input_text parts")


def refused_twice(fields: Iterable[str]) -> Problem:
    """Fields that say the same thing in two ways."""
    return invalid(" and ".join(fields), "cannot both be given")
