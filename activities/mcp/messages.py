"""What an MCP server writes, read before its SDK does: whether it is an answer, to what, and whether it is whole. Pure.

Rule 1: a message is whole where it is JSON, has the shape that JSON-RPC says, and the answer of one has an id.
Rule 2: half an emoji and bytes that are no UTF-8 cost a character (U+FFFD), not the message.
"""

import re
from typing import Any, Final, Literal

import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError

#: Escapes of JSON: a whole surrogate pair, half of one, any other.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
#: The members of an answer; one that was cut shows the first of them, or the beginning of its name.
_MEMBERS: Final = ("jsonrpc", "id", "result", "error")
_FIRST: Final = re.compile(r'\{\s*(?:"(\w*)("?)|$)')
_ID: Final = re.compile(r'"id"\s*:\s*(\d{1,15}|"[^"\\]{0,100}")\s*[,}]')
#: Characters at a broken line's beginning in which its id is looked for.
_HEAD: Final = 200

#: Questions of which any answer tells something: a server that does not know the one is asked the other.
HELLOS: Final = ("initialize", "server/discover")

Id = int | str


class _Object(BaseModel):
    """Any object; what is in it is not looked at."""


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
    """One whole message."""

    model_config = ConfigDict(frozen=True)

    #: `call` is a request or a notification of the server's.
    kind: Literal["call", "result", "error"]
    #: Of an answer: what it answers. None: an error of a request that the server could not read.
    id: int | str | None = None


def mended(data: bytes) -> bytes:
    """`data` with U+FFFD in the place of what no JSON may hold. Nothing else is changed."""
    try:
        data.decode()
    except UnicodeDecodeError:
        data = data.decode(errors="replace").encode()
    if _HALF.search(data) is None:
        return data
    return _ESCAPE.sub(lambda match: b"\\ufffd" if match[1] else match[0], data)


def read(data: bytes) -> Told | None:
    """The message that mended `data` is; None where it is none, or not whole."""
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
    """The error in mended `data`, as that of this request."""
    message: dict[str, Any] = pydantic_core.from_json(data)
    return pydantic_core.to_json(message | {"id": request_id})


def same_id(told: Id | None, asked: Id) -> bool:
    """Whether an answer is that of a request; some servers make a text of a number."""
    return told is not None and str(told) == str(asked)


def might_answer(line: str) -> bool:
    """Whether a line that is no whole message was meant as an answer.

    So is what begins like one, or is JSON with the members of one. A banner, a log line (JSON or not) is not.
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
    """The id at the beginning of a line that is no whole message; None where none can be read there."""
    head, _, _ = line[:_HEAD].partition('"result"')
    head, _, _ = head.partition('"error"')
    match = _ID.search(head)
    if match is None:
        return None
    return match[1].strip('"') if match[1].startswith('"') else int(match[1])
