"""Parses what an MCP server writes before its SDK does: is it a response, to which request, and is it complete? Pure.

Rule 1: a message is complete if it is JSON of JSON-RPC's shape and, for a response, has an id.
Rule 2: half of a surrogate pair, or bytes that are not UTF-8, cost one character (U+FFFD), not the message.
"""

import re
from typing import Any, Final, Literal

import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError

#: JSON escapes: a complete surrogate pair, half of one, any other escape.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
#: The members of a response; a truncated response begins with one of them, or with a prefix of one.
_MEMBERS: Final = ("jsonrpc", "id", "result", "error")
_FIRST: Final = re.compile(r'\{\s*(?:"(\w*)("?)|$)')
_ID: Final = re.compile(r'"id"\s*:\s*(\d{1,15}|"[^"\\]{0,100}")\s*[,}]')
#: How many characters at the start of a broken line are searched for its id.
_HEAD: Final = 200

#: Requests to which even an error is informative: a server that does not know one of them gets the other.
HANDSHAKES: Final = ("initialize", "server/discover")

Id = int | str


class _Object(BaseModel):
    """Any object; its content is not checked."""


class _Error(BaseModel):
    code: int
    message: str


class _Message(BaseModel):
    model_config = ConfigDict(strict=True)

    jsonrpc: Literal["2.0"]
    id: int | str | None = None
    method: str | None = None
    result: _Object | None = None
    error: _Error | None = None


class Received(BaseModel):
    """One complete message."""

    model_config = ConfigDict(frozen=True)

    #: `call` is a request or a notification from the server.
    kind: Literal["call", "result", "error"]
    #: The id of the request that a response answers. None: the error of a request that the server could not parse.
    id: int | str | None = None


def repaired(data: bytes) -> bytes:
    """`data` with U+FFFD for everything that JSON may not contain. Nothing else is changed."""
    try:
        data.decode()
    except UnicodeDecodeError:
        data = data.decode(errors="replace").encode()
    if _HALF.search(data) is None:
        return data
    return _ESCAPE.sub(lambda match: b"\\ufffd" if match[1] else match[0], data)


def read(data: bytes) -> Received | None:
    """Parses repaired `data`; None if it is not a complete message."""
    try:
        message = _Message.model_validate_json(data)
    except (ValidationError, RecursionError):
        return None
    if message.method is not None:
        return Received(kind="call")
    if (message.result is None) == (message.error is None) or "id" not in message.model_fields_set:
        return None
    if message.error is not None:
        return Received(kind="error", id=message.id)
    return Received(kind="result", id=message.id) if message.id is not None else None


def with_id(data: bytes, request_id: Id) -> bytes:
    """The error in repaired `data`, with the id of this request."""
    message: dict[str, Any] = pydantic_core.from_json(data)
    return pydantic_core.to_json(message | {"id": request_id})


def same_id(response: Id | None, request: Id) -> bool:
    """Whether a response belongs to a request; some servers turn a numeric id into a string."""
    return response is not None and str(response) == str(request)


def looks_like_response(line: str) -> bool:
    """Whether a line that is not a complete message was meant as a response.

    True if it begins like a response, or is JSON with the members of one. False for a banner or a log line, JSON or
    not.
    """
    text = line.lstrip("\ufeff \t")
    match = _FIRST.match(text)
    if match is None:
        return False
    try:
        value = pydantic_core.from_json(text)
    except ValueError:
        name, closed = match[1] or "", bool(match[2])
        return name in _MEMBERS if closed else any(member.startswith(name) for member in _MEMBERS)
    return "jsonrpc" in value or ("id" in value and ("result" in value or "error" in value))


def id_in(line: str) -> Id | None:
    """The id at the start of a line that is not a complete message; None if no id can be read there."""
    head, _, _ = line[:_HEAD].partition('"result"')
    head, _, _ = head.partition('"error"')
    match = _ID.search(head)
    if match is None:
        return None
    return match[1].strip('"') if match[1].startswith('"') else int(match[1])
