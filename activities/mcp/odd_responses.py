"""Responses in JSON-RPC's shape, where a server writes them otherwise: without a version, alone in a batch, with an error
that is a mere text or has no numeric code, with a result that is no object. Pure.

Rule: only what can be nothing but the response to one request is mended. The rest stays as it is.
"""

from collections.abc import Callable
from typing import Any, Final

import pydantic_core

from perdure.activities.encoding.compact_json import compact
from perdure.activities.mcp.messages import Id, read

#: JSON-RPC's code for errors of a server's own.
_OWN_ERROR: Final = -32000


def whole_response(data: bytes, *, calls: Callable[[Id], bool]) -> bytes:
    """Repaired `data` as a complete response; the very object where it is one, or cannot be mended. `calls`: whether a
    request is the call of a tool, whose result may be of any type."""
    if read(data) is not None:
        return data
    try:
        value = pydantic_core.from_json(data)
    except ValueError:
        return data
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict) or "method" in value or type(value.get("id")) not in (int, str):
        return data
    response = {"jsonrpc": "2.0", "id": value["id"]}
    result, error = value.get("result"), value.get("error")
    if error is not None and result is None:
        return pydantic_core.to_json(response | {"error": _error(error)})
    if result is None or error is not None or not (isinstance(result, dict) or calls(value["id"])):
        return data
    return pydantic_core.to_json(response | {"result": _result(result)})


def _error(error: Any) -> dict[str, Any]:
    if not isinstance(error, dict):
        return {"code": _OWN_ERROR, "message": error if isinstance(error, str) else compact(error)}
    code, message = error.get("code"), error.get("message")
    words = message if isinstance(message, str) else compact(error if message is None else message)
    number = _number(code)
    if number is None and isinstance(code, str) and message is not None:
        words = f"{words} ({code})"
    about = {"data": error["data"]} if error.get("data") is not None else {}
    return {"code": _OWN_ERROR if number is None else number, "message": words, **about}


def _number(code: Any) -> int | None:
    try:
        return int(code)
    except (TypeError, ValueError, OverflowError):
        return None


def _result(result: Any) -> dict[str, Any]:
    if isinstance(result, dict):
        return result
    if isinstance(result, list) and any(isinstance(one, dict) and "type" in one for one in result):
        return {"content": result}
    return {"content": [{"type": "text", "text": result if isinstance(result, str) else compact(result)}]}
