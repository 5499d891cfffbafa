"""What an MCP server writes, read before the SDK reads it: whether it is a response, to what, and whether it is complete.
Pure.

Rule 1: a message is complete if it is JSON of the shape that JSON-RPC prescribes; a result has an id.
Rule 2: lone surrogates and bytes that are not UTF-8 cost a character (U+FFFD), not the message.
"""

import re
from typing import Any, Final, Literal

import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError

#: Escapes in JSON: a surrogate pair, a lone surrogate, any other.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
#: The members of a response. One that was cut shows at least the first of them, or the beginning of its name.
_MEMBERS: Final = ("jsonrpc", "id", "result", "error")
_FIRST: Final = re.compile(r'\{\s*(?:"(\w*)("?)|$)')
_ID: Final = re.compile(r'"id"\s*:\s*(\d{1,15}|"[^"\\]{0,100}")\s*[,}]')
#: Characters at the beginning of a broken line in which its id is looked for.
_HEAD: Final = 200

#: Requests to which any response is informative: a server that does not know the one is asked the other.
HELLOS: Final = ("initialize", "server/discover")

Id = int | str


class _Object(BaseModel):
    """Any object. Its contents are not examined."""


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


class Told(BaseModel):
    """One complete message."""

    model_config = ConfigDict(frozen=True)

    #: `call` is a request or a notification by the server.
    kind: Literal["call", "result", "error"]
    #: The id of the request that a response belongs to. None: an error about a request that the server could not read.
    id: int | str | None = None


def mended(data: bytes) -> bytes:
    """`data` with U+FFFD in place of what JSON must not hold. Nothing else is changed."""
    try:
        data.decode()
    except UnicodeDecodeError:
        data = data.decode(errors="replace").encode()
    if _HALF.search(data) is None:
        return data
    return _ESCAPE.sub(lambda match: b"\\ufffd" if match[1] else match[0], data)


def read(data: bytes) -> Told | None:
    """The message in mended `data`. None: it is not a message, or not complete."""
    try:
        message = _Message.model_validate_json(data)
    except (ValidationError, RecursionError):
        return None
    if message.method is not None:
        return Told(kind="call")
    if (message.result is None) == (message.error is None) or "id" not in message.model_fields_set:
        return None
    if message.error is not None:
        return Told(kind="error", id=message.id)
    return Told(kind="result", id=message.id) if message.id is not None else None


def with_id(data: bytes, request_id: Id) -> bytes:
    """The error in mended `data`, with the id of this request."""
    message: dict[str, Any] = pydantic_core.from_json(data)
    return pydantic_core.to_json(message | {"id": request_id})


def same_id(told: Id | None, asked: Id) -> bool:
    """Whether a response belongs to a request. Some servers turn a number into a text."""
    return told is not None and str(told) == str(asked)


def might_answer(line: str) -> bool:
    """Whether a line that is not a complete message was meant as a response.

    It was if it begins like one, or is JSON with the members of one. A banner or a log line (JSON or not) was not.
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
    """The id at the beginning of a line that is not a complete message. None: it cannot be read."""
    head, _, _ = line[:_HEAD].partition('"result"')
    head, _, _ = head.partition('"error"')
    match = _ID.search(head)
    if match is None:
        return None
    return match[1].strip('"') if match[1].startswith('"') else int(match[1])
