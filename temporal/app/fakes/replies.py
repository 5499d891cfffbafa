"""What the fake provider is told to answer, and the frames in which it does. Pure.

A stream is an iterator of pauses (seconds) and frames. It is lazy on purpose: a frame is built just before it is sent,
so that a stamped token contains its own sending time.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

Api = Literal["anthropic", "chat", "responses", "gemini"]
#: An error event mid-stream; a normal end without the terminal event; the connection closed or reset within the body;
#: silence; a line that is not JSON; the failure event of OpenAI Responses (for other APIs an error event).
Fault = Literal["error_event", "clean_end", "fin", "rst", "stall", "malformed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The reply to one request."""

    #: Sent word by word, spaces kept.
    text: str = "Hello from the fake provider."
    reasoning: str = ""
    #: Names and arguments; a string is sent unchanged, whether or not it is JSON.
    tools: tuple[tuple[str, dict[str, Any] | str], ...] = ()
    #: How arguments are sent: in fragments; all at once (Anthropic: in the block's start, Chat: as an object,
    #: Responses: in the completed item); only in the event that ends the answer (Responses); not at all.
    arguments: Literal["fragments", "whole", "last", "nowhere"] = "fragments"
    #: Seconds before the first token, and between tokens.
    first_token: float = 0
    gap: float = 0
    #: Replaces each token by its sending time: `time.time()` with six decimals and a space.
    stamped: bool = False
    #: The API's stop reason; None: the one that fits the content; "": none (Chat). For Responses, why the answer is
    #: incomplete, or its status.
    stop: str | None = None
    refusal: str = ""
    input_tokens: int = 10
    #: Of the input, read from the provider's cache and written to it.
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 5
    reasoning_tokens: int = 0
    #: Like compatible servers: no usage, or usage without details; another name for reasoning ("reasoning_text" is that
    #: of OpenAI Responses without encryption); "" sends no ids. A dialect with a manner of its own goes before these.
    usage: Literal["full", "bare", "none"] = "full"
    reasoning_key: str = "reasoning_content"
    call_id: str = "call_{n}"
    #: If not 200: an error response instead of a stream, with the error's type and text.
    #: A failure that the dialect has words for, by its name in `failures`; it goes before `status`.
    failure: str = ""
    status: int = 200
    error: str = ""
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None
    #: Number of tokens before the fault.
    fault_after: int = 2


@dataclass(frozen=True, slots=True)
class Frame:
    data: bytes
    #: The fragment of the answer in this frame, if any.
    token: str | None = None
    #: The first of the frames that end the answer.
    terminal: bool = False


Stream = Iterator[float | Frame]

_ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def signature(thinking: str) -> str:
    """The signature that the fake Anthropic attaches to its thinking, and requires in later requests."""
    return f"signed-{hashlib.sha256(thinking.encode()).hexdigest()[:16]}"


def error_body(api: Api, status: int, kind: str, message: str) -> dict[str, Any]:
    kind = kind or _ERROR_TYPES.get(status, "api_error")
    if api == "anthropic":
        return {"type": "error", "error": {"type": kind, "message": message or kind}, "request_id": "req_fake"}
    return {"error": {"message": message or kind, "type": kind, "param": None, "code": kind}}


def error_event(api: Api) -> bytes:
    body = error_body(api, 529, "", "Overloaded")
    return named("error", body) if api == "anthropic" else data_line(body)


def stamp() -> str:
    return f"{time.time():.6f} "


def words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*", text) or ([text] if text else [])


def fragments(args: dict[str, Any] | str) -> list[str]:
    return re.findall(r"(?s).{1,8}", args if isinstance(args, str) else json.dumps(args))


def named(event: str, data: dict[str, Any]) -> bytes:
    return f"event: {event}\n".encode() + data_line(data)


def data_line(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()
