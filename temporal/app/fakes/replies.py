"""What the fake provider writes on the wire, in the exact frames of Anthropic Messages and Chat Completions. Pure.
OpenAI Responses is in `responses`.

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

Api = Literal["anthropic", "chat", "responses"]
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
    cached_tokens: int = 0
    output_tokens: int = 5
    reasoning_tokens: int = 0
    #: Like compatible servers: no usage, or usage without details; another name for reasoning ("reasoning_text" is that
    #: of OpenAI Responses without encryption); "" sends no ids.
    usage: Literal["full", "bare", "none"] = "full"
    reasoning_key: str = "reasoning_content"
    call_id: str = "call_{n}"
    #: If not 200: an error response instead of a stream, with the error's type and text.
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
    return named("error", body) if api == "anthropic" else _data(body)


def anthropic_stream(reply: Reply, body: dict[str, Any]) -> Stream:
    usage = {
        "input_tokens": reply.input_tokens - reply.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": reply.cached_tokens,
        "output_tokens": 1,
    }
    message = {"id": "msg_fake", "type": "message", "role": "assistant", "model": body["model"], "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    yield Frame(named("message_start", {"type": "message_start", "message": message}))
    yield Frame(named("ping", {"type": "ping"}))
    pause = reply.first_token
    for index, (block, kind, key, pieces) in enumerate(_anthropic_blocks(reply)):
        start = {"type": "content_block_start", "index": index, "content_block": block}
        yield Frame(named("content_block_start", start))
        for piece in pieces:
            yield pause
            token = stamp() if reply.stamped and kind == "text_delta" else piece
            delta = {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: token}}
            yield Frame(named("content_block_delta", delta), token)
            pause = reply.gap
        if kind == "thinking_delta":
            signed = {"type": "signature_delta", "signature": signature(reply.reasoning)}
            signed_event = {"type": "content_block_delta", "index": index, "delta": signed}
            yield Frame(named("content_block_delta", signed_event))
        yield Frame(named("content_block_stop", {"type": "content_block_stop", "index": index}))
    stop = reply.stop or ("refusal" if reply.refusal else "tool_use" if reply.tools else "end_turn")
    details = {"type": "refusal", "category": None, "explanation": reply.refusal} if reply.refusal else None
    used: dict[str, Any] = {"output_tokens": reply.output_tokens}
    if reply.usage == "full":
        used["output_tokens_details"] = {"thinking_tokens": reply.reasoning_tokens}
    delta = {"stop_reason": stop, "stop_sequence": None, "stop_details": details}
    yield Frame(named("message_delta", {"type": "message_delta", "delta": delta, "usage": used}), terminal=True)
    yield Frame(named("message_stop", {"type": "message_stop"}))


def _anthropic_blocks(reply: Reply) -> Iterator[tuple[dict[str, Any], str, str, list[str]]]:
    if reply.reasoning:
        block = {"type": "thinking", "thinking": "", "signature": ""}
        yield block, "thinking_delta", "thinking", words(reply.reasoning)
    if reply.text and not reply.refusal:
        yield {"type": "text", "text": ""}, "text_delta", "text", words(reply.text)
    for number, (name, args) in enumerate(reply.tools, 1):
        tool: dict[str, Any] = {"type": "tool_use", "id": reply.call_id.format(n=number), "name": name, "input": {}}
        pieces = ["", *fragments(args)]
        if reply.arguments != "fragments":
            del tool["input"]
            tool |= {"input": args} if reply.arguments == "whole" else {}
            pieces = []
        yield tool, "input_json_delta", "partial_json", pieces


def chat_stream(reply: Reply, body: dict[str, Any]) -> Stream:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _data(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    yield Frame(chunk({"role": "assistant", "content": ""}))
    pause = reply.first_token
    for key, text in ((reply.reasoning_key, reply.reasoning), ("refusal", reply.refusal), ("content", reply.text)):
        for piece in words(text) if key != "content" or not reply.refusal else []:
            yield pause
            token = stamp() if reply.stamped and key == "content" else piece
            yield Frame(chunk({key: token}), token)
            pause = reply.gap
    for index, (name, args) in enumerate(reply.tools):
        first: dict[str, Any] = {"index": index, "type": "function", "function": {"name": name, "arguments": ""}}
        if reply.call_id:
            first["id"] = reply.call_id.format(n=index + 1)
        if reply.arguments == "whole":
            first["function"]["arguments"] = args
        yield Frame(chunk({"tool_calls": [first]}))
        for piece in fragments(args) if reply.arguments == "fragments" else []:
            yield pause
            yield Frame(chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}), piece)
            pause = reply.gap
    finish = ("tool_calls" if reply.tools else "stop") if reply.stop is None else reply.stop or None
    yield Frame(chunk({}, finish), terminal=True)
    if reply.usage != "none" and body.get("stream_options", {}).get("include_usage"):
        usage: dict[str, Any] = {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
        }
        if reply.usage == "full":
            usage["prompt_tokens_details"] = {"cached_tokens": reply.cached_tokens}
            usage["completion_tokens_details"] = {"reasoning_tokens": reply.reasoning_tokens}
        yield Frame(_data(head | {"choices": [], "usage": usage}))
    yield Frame(b"data: [DONE]\n\n")


def stamp() -> str:
    return f"{time.time():.6f} "


def words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*", text) or ([text] if text else [])


def fragments(args: dict[str, Any] | str) -> list[str]:
    return re.findall(r"(?s).{1,8}", args if isinstance(args, str) else json.dumps(args))


def named(event: str, data: dict[str, Any]) -> bytes:
    return f"event: {event}\n".encode() + _data(data)


def _data(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()
