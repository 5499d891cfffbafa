"""Results of tools in the shape that the protocol demands, where a server writes them otherwise. Pure.

Rule 1: a result that is right passes unchanged. What its server meant is known for the others that are mended: content
that is missing or is one block, a block without its kind, media under other names.
Rule 2: nothing is dropped. A block of an unknown kind becomes a file if it holds bytes and says of what kind, and else the
text of its JSON. A result without any of the protocol's members is its own structured content.
Rule 3: the rest stays as it is, and the SDK refuses it.
"""

import operator
from typing import Any, Final

import pydantic_core
from mcp_types import ContentBlock
from pydantic import TypeAdapter, ValidationError

from perdure.activities.encoding.compact_json import compact
from perdure.activities.mcp.odd_responses import whole_response

_BLOCK: Final[TypeAdapter[ContentBlock]] = TypeAdapter(ContentBlock)
#: Members that say something of a result, and are none of it.
_ABOUT: Final = ("_meta", "isError", "resultType")


def mended(data: bytes) -> bytes:
    """`data`, a response to the call of a tool; the very object where it is right."""
    data = whole_response(data, calls=lambda _: True)
    try:
        message = pydantic_core.from_json(data)
    except ValueError:
        return data
    result = message.get("result") if isinstance(message, dict) else None
    whole = whole_result(result)
    return data if whole is result else pydantic_core.to_json({**message, "result": whole})


def whole_result(result: Any) -> Any:
    """The result of a call; the very object where it is right, or cannot be mended."""
    if not isinstance(result, dict) or result.get("resultType") not in (None, "complete"):
        return result
    changes: dict[str, Any] = {}
    given = result.get("content")
    content: Any = [] if given is None else [given] if isinstance(given, dict) else given
    if isinstance(content, list):
        blocks = list(map(_whole_block, content))
        as_given = isinstance(given, list) and all(map(operator.is_, blocks, given))
        changes |= {} if as_given else {"content": blocks}
    if result.get("isError", False) is None:
        changes["isError"] = False
    structured = result.get("structuredContent")
    if structured is not None and not isinstance(structured, dict) and "resultType" not in result:
        # Before 2026-07-28 it is an object, in which servers wrap anything else as `result`.
        changes["structuredContent"] = {"result": structured}
    if "content" not in result and "structuredContent" not in result:
        own = {name: value for name, value in result.items() if name not in _ABOUT}
        changes |= {"structuredContent": own} if own else {}
    return {**result, **changes} if changes else result


def _whole_block(block: Any) -> Any:
    if isinstance(block, dict) and "type" in block and _is_right(block):
        return block
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if not isinstance(block, dict):
        return {"type": "text", "text": compact(block)}
    data, kind = block.get("data"), block.get("mimeType") or block.get("mime_type") or block.get("mediaType")
    if isinstance(data, str) and isinstance(kind, str):
        named = {"type": block.get("type"), "data": data, "mimeType": kind}
        file = {"type": "resource", "resource": {"uri": f"mcp:{block.get('type')}", "mimeType": kind, "blob": data}}
        return named if _is_right(named) else file
    text = block.get("text")
    if block.get("type") in ("text", None) and isinstance(text, str):
        return {"type": "text", "text": text}
    return {"type": "text", "text": compact(block)}


def _is_right(block: Any) -> bool:
    try:
        _BLOCK.validate_python(block, by_name=False)
    except ValidationError:
        return False
    return True
