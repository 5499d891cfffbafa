"""Events of Anthropic Messages as its API sends them, for raw answers."""

import json
from typing import Any

Event = dict[str, Any]


def stream(*events: Event) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def message(**fields: Any) -> Event:
    usage: Event = {
        "input_tokens": 9,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 1,
    }
    whole: Event = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5", "content": []}
    return whole | {"stop_reason": None, "stop_sequence": None, "usage": usage} | fields


def start(**fields: Any) -> Event:
    return {"type": "message_start", "message": message(**fields)}


def begin(index: Any, block: Event) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: Any, kind: str, **fields: Any) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def finish(index: Any) -> Event:
    return {"type": "content_block_stop", "index": index}


def block(index: int, content: Event, *deltas: Event) -> list[Event]:
    events = ({"type": "content_block_delta", "index": index, "delta": each} for each in deltas)
    return [begin(index, content), *events, finish(index)]


def text(index: int, *words: str) -> list[Event]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": word} for word in words))


def thinking(index: int, *words: str, signature: str = "c2lnbmVk") -> list[Event]:
    deltas: list[Event] = [{"type": "thinking_delta", "thinking": word} for word in words]
    signed: list[Event] = [{"type": "signature_delta", "signature": signature}] if signature else []
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *deltas, *signed)


def tool(index: int, *fragments: str, id: str | None = None, **fields: Any) -> list[Event]:  # noqa: A002
    content = {"type": "tool_use", "id": id or f"toolu_{index}", "name": "find_order", "input": {}} | fields
    return block(index, content, *({"type": "input_json_delta", "partial_json": each} for each in fragments))


def end(reason: str | None, **usage: Any) -> list[Event]:
    changes = {"stop_reason": reason, "stop_sequence": None, "stop_details": None}
    return [
        {"type": "message_delta", "delta": changes, "usage": {"output_tokens": 42} | usage},
        {"type": "message_stop"},
    ]
