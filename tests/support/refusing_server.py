"""A raw HTTP server on loopback that refuses requests as a vendor does, until they suit it, and then streams an answer."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
#: Status and body of a refusal; None: the request is taken.
Judge = Callable[[Body], tuple[int, Any] | None]


def sse(*events: Any) -> bytes:
    """Each event with the name that its `type` gives."""
    made = ""
    for event in events:
        if isinstance(event, dict) and "type" in event:
            made += f"event: {event['type']}\n"
        made += f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n"
    return made.encode()


CHAT = sse(
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}]},
    {
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    },
    "[DONE]",
)
_ITEM = {"type": "message", "id": "m1", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
RESPONSES = sse(
    {"type": "response.output_item.done", "output_index": 0, "item": _ITEM},
    {
        "type": "response.completed",
        "response": {"status": "completed", "output": [_ITEM], "usage": {"input_tokens": 3, "output_tokens": 1}},
    },
)
MESSAGES = sse(
    {"type": "message_start", "message": {"id": "x", "role": "assistant", "content": [], "usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
)
GEMINI = sse(
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1},
    }
)


@dataclass
class RefusingServer:
    judge: Judge
    answer: bytes
    bodies: list[Body] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:"))
            body = json.loads(await reader.readexactly(length))
            self.bodies.append(body)
            refused = self.judge(body)
            if refused is None:
                status, kind, data = 200, "text/event-stream", self.answer
            else:
                status, kind, data = refused[0], "application/json", json.dumps(refused[1]).encode()
            sent = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\nConnection: close"
            writer.write(f"{sent}\r\n\r\n".encode() + data)
            await writer.drain()
        writer.close()
