"""A transcript as OpenAI Responses takes it: the items of `input`. Pure.

Rule 1: an item that the asked server made goes back as it came. Reasoning goes back together with the item that it led to, or
not at all.
Rule 2: what only OpenAI can read again, reasoning without its encrypted content, is not sent.
Rule 3: an item that waits for a result which nobody here can give is answered so, or left out. The server would refuse it.
"""

from collections.abc import Iterable
from typing import Final

from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.provider_turns import (
    Asked,
    AssistantTurn,
    Call,
    Content,
    Media,
    Result,
    Turn,
    UserTurn,
    as_text,
    text_of,
)
from perdure.activities.models.wires.openai_responses_items import KINDS
from perdure.activities.models.wires.openai_responses_items import text_of as text_of_item
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.vocabulary.parts import Reasoning, Text

Object = dict[str, JsonValue]

#: Of the OpenAI API.
_AUDIO_FORMATS: Final = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav"}
_UNANSWERABLE: Final = {
    "apply_patch_call",
    "computer_call",
    "local_shell_call",
    "mcp_approval_request",
    "shell_call",
}
_NO_SUCH_TOOL: Final = "Error: this tool is not available."


def items(turns: Iterable[Turn], asked: Asked) -> list[JsonValue]:
    """The items for what `turns` holds, in the same order."""
    made: list[JsonValue] = []
    for turn in turns:
        made += _said(turn, asked.dialect) if isinstance(turn, UserTurn) else _answered(turn, asked.dialect)
    return made


def _said(turn: UserTurn, dialect: Dialect) -> list[Object]:
    made: list[Object] = []
    # Sounds, and what this server takes in no result, follow in a message.
    rest: list[Content] = []
    for result in turn.results:
        made.append({"type": "function_call_output", "call_id": result.id, "output": _output(result, dialect)})
        left = [part for part in result.content if isinstance(part, Media) and not _in_result(part, dialect)]
        if shown := [part for part in left if media(part, dialect)]:
            rest += [Text(text=f"[From the result of the call {result.id}:]"), *shown]
    content: list[JsonValue] = [media(part, dialect) or _text(text_of(part)) for part in (*rest, *turn.content)]
    return [*made, {"role": "user", "content": content}] if content else made


def _output(result: Result, dialect: Dialect) -> JsonValue:
    # The API has no flag for an error.
    prefix = "Error: " if result.is_error else ""
    if not any(isinstance(part, Media) and _in_result(part, dialect) for part in result.content):
        return prefix + as_text(result.content)
    parts: list[JsonValue] = [
        media(part, dialect) if isinstance(part, Media) and _in_result(part, dialect) else _text(text_of(part))
        for part in result.content
    ]
    return [_text(prefix.strip()), *parts] if prefix else parts


def media(part: Content, dialect: Dialect) -> Object:
    """The part for a picture, document or sound. Empty: it is none that the model takes."""
    if not isinstance(part, Media):
        return {}
    files, data = dialect.files, f"data:{part.media_type};base64,{part.data}"
    match part.kind:
        case "image" if part.media_type in files.images:
            return {"type": "input_image", "image_url": data if part.data is not None else part.url, "detail": "auto"}
        case "document" if part.media_type in files.documents:
            where: Object = {"file_data": data} if part.data is not None else {"file_url": part.url}
            return {"type": "input_file", "filename": part.name, **where}
        case "audio" if part.media_type in files.audio and part.data is not None:
            form = _AUDIO_FORMATS.get(part.media_type, part.media_type.partition("/")[2])
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": form}}
        case _:
            return {}


def _in_result(part: Media, dialect: Dialect) -> bool:
    return dialect.files.in_results and part.kind != "audio" and bool(media(part, dialect))


def _text(text: str) -> Object:
    return {"type": "input_text", "text": text}


def _answered(turn: AssistantTurn, dialect: Dialect) -> list[Object]:
    made: list[Object] = []
    for at, part in enumerate(turn.parts):
        made += _item(part, turn.parts[at + 1 :], dialect)
    return made


def _item(
    part: Text | Reasoning | Call, following: tuple[Text | Reasoning | Call, ...], dialect: Dialect
) -> list[Object]:
    own = _own(part)
    match part:
        case Text():
            said: JsonValue = [{"type": "output_text", "text": part.text, "annotations": []}]
            return [own or {"type": "message", "role": "assistant", "content": said}]
        case Call():
            rebuilt: Object = {"type": "function_call", "name": part.part.name}
            item = (own or rebuilt) | {"call_id": part.id}
            # Servers parse the arguments again, so what was not JSON cannot be sent.
            written = item.get("arguments")
            as_written = isinstance(written, str) and written.strip() and part.part.args_raw is None
            return [item if as_written else item | {"arguments": compact(part.part.args)}]
        case Reasoning() if own.get("type") == "reasoning":
            # Reasoning is refused without the item that it led to, which an answer that was cut may not have.
            led_to = next((other for other in following if _own(other).get("type") != "reasoning"), None)
            return [own] if led_to and _own(led_to) and _readable(own, dialect) else []
        case Reasoning():
            return _other(own)


def _readable(item: Object, dialect: Dialect) -> bool:
    """Whether its server can take this reasoning back."""
    if dialect.reasoning_back == "never":
        return False
    return bool(item.get("encrypted_content")) or (dialect.open_reasoning and bool(text_of_item(item)))


def _other(item: Object) -> list[Object]:
    """An item of a tool that its server runs itself, or of a kind that only its server knows."""
    kind = item.get("type")
    if not isinstance(kind, str) or kind in KINDS or kind in _UNANSWERABLE:
        return []
    if kind == "custom_tool_call":
        answer: Object = {"type": "custom_tool_call_output", "call_id": item.get("call_id"), "output": _NO_SUCH_TOOL}
        return [item, answer] if item.get("call_id") else []
    return [item]


def _own(part: Text | Reasoning | Call) -> Object:
    native = part.part.native if isinstance(part, Call) else part.native
    return native.block if native else {}
