"""What the fake provider writes on the wire in the frames of Anthropic Messages. Pure, and lazy like `replies`."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from perdure.temporal.app.fakes.manners import AnthropicManner
from perdure.temporal.app.fakes.replies import Frame, Reply, Stream, fragments, named, signature, stamp, words
from perdure.temporal.app.fakes.seals import seal


def signature_of(manner: AnthropicManner, thinking: str, system: Any, tools: Any, before: list[Any]) -> str:
    """The signature of thinking that follows the messages `before`."""
    if not manner.server:
        return signature(thinking)
    if not manner.binds:
        return seal(manner.server, thinking)
    prefix = json.dumps(_unmarked([system, tools, before]), sort_keys=True)
    return seal(manner.server, thinking, hashlib.sha256(prefix.encode()).hexdigest())


def _unmarked(value: Any) -> Any:
    """`value` without marks of caching, which may move."""
    if isinstance(value, dict):
        return {name: _unmarked(inner) for name, inner in value.items() if name != "cache_control"}
    return [_unmarked(inner) for inner in value] if isinstance(value, list) else value


def anthropic_stream(reply: Reply, body: dict[str, Any], manner: AnthropicManner) -> Stream:
    usage = {
        "input_tokens": reply.input_tokens - reply.cached_tokens - reply.cache_write_tokens,
        "cache_creation_input_tokens": reply.cache_write_tokens,
        "cache_read_input_tokens": reply.cached_tokens,
        "output_tokens": 1,
    }
    if reply.usage == "none":
        usage = dict.fromkeys(usage, 0)
    message = {"id": "msg_fake", "type": "message", "role": "assistant", "model": body.get("model", ""), "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    yield Frame(named("message_start", {"type": "message_start", "message": message}))
    yield Frame(named("ping", {"type": "ping"}))
    pause = reply.first_token
    for index, (block, kind, key, pieces) in enumerate(_blocks(reply, body, manner)):
        start = {"type": "content_block_start", "index": index, "content_block": block}
        yield Frame(named("content_block_start", start))
        for piece in pieces:
            yield pause
            token = stamp() if reply.stamped and kind == "text_delta" else piece
            delta = {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: token}}
            yield Frame(named("content_block_delta", delta), token)
            pause = reply.gap
        if kind == "thinking_delta" and manner.signs:
            made = signature_of(manner, reply.reasoning, body.get("system"), body.get("tools"), body["messages"])
            signed = {"type": "signature_delta", "signature": made}
            signed_event = {"type": "content_block_delta", "index": index, "delta": signed}
            yield Frame(named("content_block_delta", signed_event))
        yield Frame(named("content_block_stop", {"type": "content_block_stop", "index": index}))
    stop = reply.stop or ("refusal" if reply.refusal else "tool_use" if reply.tools else "end_turn")
    details = {"type": "refusal", "category": None, "explanation": reply.refusal} if reply.refusal else None
    used: dict[str, Any] = {"output_tokens": 0 if reply.usage == "none" else reply.output_tokens}
    if reply.usage == "full":
        used["output_tokens_details"] = {"thinking_tokens": reply.reasoning_tokens}
    delta = {"stop_reason": stop, "stop_sequence": None, "stop_details": details}
    yield Frame(named("message_delta", {"type": "message_delta", "delta": delta, "usage": used}), terminal=True)
    if manner.ends:
        yield Frame(named("message_stop", {"type": "message_stop"}))


def _blocks(
    reply: Reply, body: dict[str, Any], manner: AnthropicManner
) -> Iterator[tuple[dict[str, Any], str, str, list[str]]]:
    if reply.reasoning:
        block = {"type": "thinking", "thinking": ""} | ({"signature": ""} if manner.signs else {})
        yield block, "thinking_delta", "thinking", words(reply.reasoning)
    if reply.text and not reply.refusal:
        yield {"type": "text", "text": ""}, "text_delta", "text", words(reply.text)
    whole = manner.whole_arguments or reply.arguments == "whole"
    for number, (name, args) in enumerate(reply.tools):
        made = reply.call_id.format(n=number + 1)
        if manner.call_ids is not None:
            made = manner.call_ids.make(manner.server, reply.reasoning, len(body["messages"]), name, number)
        tool: dict[str, Any] = {"type": "tool_use", "id": made, "name": name, "input": {}}
        pieces = ["", *fragments(args)]
        if whole or reply.arguments != "fragments":
            del tool["input"]
            tool |= {"input": args} if whole else {}
            pieces = []
        yield tool, "input_json_delta", "partial_json", pieces
