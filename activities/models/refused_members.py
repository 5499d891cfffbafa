"""Which members of a request a refusal names, of those that may be left out. Pure.

Rule 1: what carries the conversation is never left out: model, messages, instructions, tools, and the content of each.
Rule 2: a place that the server gives in full counts before its words, and the most precise name before a shorter one.
Rule 3: a common word (`stop`, `store`, `thinking`) names a member only where it stands as a name: quoted, behind a word such
as "parameter", before a colon, or as what "is not supported".
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from perdure.activities.models.adaptation import Body, Path
from perdure.activities.models.refusal import Place, Refusal

#: What a conversation is made of, at any depth of messages, input, contents, system and tools.
_CONTENT: Final = frozenset(
    (
        *("role", "content", "parts", "text", "type", "refusal", "summary", "thinking", "data"),
        *("tool_calls", "tool_call_id", "tool_use_id", "call_id", "function", "arguments", "args", "input", "output"),
        *("name", "id", "functionCall", "functionResponse", "response", "function_call", "function_response"),
        *("image_url", "input_image", "input_file", "input_audio", "file", "file_data", "file_id", "filename", "url"),
        *("inlineData", "fileData", "inline_data", "file_uri", "mimeType", "mime_type", "media_type", "source"),
        *("image", "document", "description", "parameters", "input_schema", "parametersJsonSchema"),
        *("functionDeclarations", "function_declarations", "tool_result", "tool_use", "is_image"),
    )
)
_CONVERSATION: Final = frozenset(
    ("messages", "input", "contents", "system", "instructions", "systemInstruction", "system_instruction", "tools")
)
#: Members of the top level that a request cannot do without, or whose loss would change what an answer may cost.
_NEEDED: Final = _CONVERSATION | frozenset(
    (
        *("model", "stream", "max_tokens", "max_completion_tokens", "max_output_tokens"),
        *("maxOutputTokens", "anthropic_version", "text", "response_format", "output_format"),
    )
)
#: Of a tool or of a message, where the name belongs to nobody's content.
_LABELS: Final = frozenset(("name", "id"))
#: Records of JSON Schema within tools.
_SCHEMAS: Final = ("parameters", "input_schema", "parametersJsonSchema", "schema")
_LABEL: Final = r"(?:argument|parameter|field|name|propert(?:y|ie)|input|key|option|param|member)(?:s|\(s\))?"
_REFUSED: Final = (
    r"(?:is|are|was|were)?\s*(?:not|un(?:supported|known|expected|recognized)|deprecated|no longer|invalid|extra"
    r"|forbidden)"
)


def refused_members(refusal: Refusal, body: Body) -> list[Path]:
    """What may be left out of `body` because the server does not take it, the most precise ones only."""
    placed = [path for place in refusal.places if (path := _resolved(place, body)) is not None]
    paths = list(dict.fromkeys(placed or _named(refusal, body)))
    return [path for path in paths if not any(other != path and other[: len(path)] == path for other in paths)]


def may_go(path: Path) -> bool:
    """Whether a request is still the same conversation without this member."""
    top, last = path[0], path[-1]
    if last == "type":
        return False
    if top not in _CONVERSATION:
        return not any(step in _NEEDED for step in (path if len(path) > 1 else (top,)))
    if len(path) == 1:
        return False
    if "**" in path:
        return True
    # A message may have a name of its own, and an item an id; a call or a tool has to.
    if last in _LABELS:
        return top in ("messages", "input") and path[1:] == ("*", last)
    return last not in _CONTENT and last != "*"


def _resolved(place: Place, body: Body) -> Path | None:
    """The member at `place`, for all items of its lists; None where there is none, or none that may go."""
    path: list[str] = []
    value: Any = body
    steps = list(place)
    for at, step in enumerate(steps):
        if isinstance(value, list):
            index = int(step) if _is_index(step) else 0
            path.append("*")
            value = value[index] if index < len(value) else (value[0] if value else None)
            if _is_index(step):
                continue
        if not isinstance(value, dict):
            break
        if step in _SCHEMAS and step in value and path[:1] == ["tools"]:
            # Deeper places are of the schema as the server translated it.
            return (
                (*path, step, "**", steps[-1])
                if len(steps) > at + 1 and _in_schema(value.get(step), steps[-1])
                else None
            )
        key = _key(value, step)
        # A place may name a kind on its way: `messages.0.assistant.reasoning_content`, `content.0.text.cache_control`.
        if key is not None and (at == len(steps) - 1 or isinstance(value[key], dict | list)):
            path.append(key)
            value = value[key]
    found = tuple(path)
    last = next((step for step in reversed(steps) if not _is_index(step)), "")
    exact = bool(found) and _plain(next((step for step in reversed(found) if step != "*"), "")) == _plain(last)
    if not exact:
        # Google names tools as its own API has them, whichever API was asked.
        return _schema_keyword(last, body) if place[:1] == ("tools",) else None
    while found and found[-1] == "*":
        found = found[:-1]
    return found if found and may_go(found) else None


def _is_index(step: str) -> bool:
    return step.isascii() and step.isdigit() and len(step) < 10


def _schema_keyword(name: str, body: Body) -> Path | None:
    tools = body.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        for path in _schemas(tool, ("tools", "*")):
            if _in_schema(_at(tool, path[2:]), name):
                return (*path, "**", name)
    return None


def _schemas(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _SCHEMAS:
                yield (*path, name)
            elif isinstance(inner, dict):
                yield from _schemas(inner, (*path, name))
            elif name in ("functionDeclarations", "function_declarations") and isinstance(inner, list) and inner:
                yield from _schemas(inner[0], (*path, name, "*"))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = (value[0] if value else None) if step == "*" else value.get(step)
    return value


def _in_schema(schema: Any, name: str) -> bool:
    if isinstance(schema, list):
        return any(_in_schema(item, name) for item in schema)
    if not isinstance(schema, dict) or name in ("type", "properties", "required", "items", "description", "enum"):
        return False
    return name in schema or any(
        _in_schema(list(inner.values()) if key == "properties" and isinstance(inner, dict) else inner, name)
        for key, inner in schema.items()
    )


def _key(record: dict[str, Any], step: str) -> str | None:
    return step if step in record else next((key for key in record if _plain(key) == _plain(step)), None)


def _plain(name: str) -> str:
    """A name without what tells `reasoning_effort` from `reasoningEffort`."""
    return name.replace("_", "").replace("-", "").lower()


def _members(body: Body) -> Iterator[Path]:
    """All members that may go, without those deep within content and schemas."""
    seen: set[Path] = set()
    for name, value in body.items():
        for path in _below((name,), value, depth=4):
            if path not in seen and may_go(path):
                seen.add(path)
                yield path


def _below(path: Path, value: Any, depth: int) -> Iterator[Path]:
    if path[-1] != "*":
        yield path
    if depth == 0 or path[-1] in _SCHEMAS or path[-1] in ("arguments", "args", "output", "metadata"):
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _below((*path, name), inner, depth - 1)
    elif isinstance(value, list):
        for item in value:
            yield from _below((*path, "*"), item, depth)


def _named(refusal: Refusal, body: Body) -> Iterator[Path]:
    """Those that its words name. Of several with one name, only that which is nearest to the top is meant."""
    seen: set[str] = set()
    for path in sorted((path for path in _members(body) if _is_named(path, refusal)), key=len):
        if path[-1] not in seen:
            seen.add(path[-1])
            yield path


def _is_named(path: Path, refusal: Refusal) -> bool:
    names = [step for step in path if step != "*"]
    last = names[-1]
    forms = {last}
    if len(names) > 1 and path[0] not in _CONVERSATION:
        # `reasoning.effort`, `reasoning_effort` and `reasoningEffort` are one parameter at xAI.
        forms |= {f"{names[-2]}_{last}", f"{names[-2]}.{last}", f"{names[-2]}{last}"}
    return any(stands(form, refusal.words) for form in forms)


def stands(name: str, words: str) -> bool:
    """Whether `words` have `name` as the name of a member, and not as a common word."""
    written = re.escape(name)
    spelt = re.sub(r"(?<=[a-z])(?=[A-Z])", "[ _-]?", written.replace("_", "[ _-]?"))
    if _plain(name) != name:
        # No common word.
        return re.search(rf"(?<![\w.]){spelt}(?!\w)", words, re.IGNORECASE) is not None
    return any(
        re.search(pattern, words, re.IGNORECASE) is not None
        for pattern in (
            rf"[`'\"\[]{spelt}[`'\"\]]",
            rf"\b{_LABEL}\b(?: supplied)?\s*:?\s*(?:[\w.]+,\s*)*{spelt}\b",
            rf"\b{spelt}\s+{_LABEL}\b",
            rf":\s*(?:[\w.]+,\s*)*{spelt}\s*\.?\s*(?:$|\n)",
            rf"(?:^|[\n(.:]\s*){spelt}\s*:",
            rf"\b{spelt}\s+{_REFUSED}\b",
            rf"\b(?:invalid|unsupported|unknown|unexpected|unrecognized)\s+{spelt}\b",
            rf"(?:参数|字段|属性)\s*[:：]?\s*{spelt}\b|\b{spelt}\s*(?:不支持|不合法|无效)",
            rf"\b(?:not support|not accept|not allow)\s+(?:the\s+)?{spelt}\b",
        )
    )
