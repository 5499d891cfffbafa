"""The event stream of Amazon Bedrock, in which it wraps the events of Anthropic Messages. Pure.

A message is the length of the whole, the length of its headers, a checksum of both, the headers, the payload, and a
checksum of all before. Numbers are 32 bits, most significant byte first.
"""

import base64
import json
import struct
from dataclasses import replace
from typing import Any
from zlib import crc32

from perdure.temporal.app.fakes.anthropic import anthropic_stream
from perdure.temporal.app.fakes.manners import AnthropicManner
from perdure.temporal.app.fakes.replies import Frame, Reply, Stream

#: The type of a header's value that is a text.
_TEXT = 7


def bedrock_stream(reply: Reply, body: dict[str, Any], manner: AnthropicManner) -> Stream:
    for item in anthropic_stream(reply, body, manner):
        if not isinstance(item, Frame):
            yield item
        elif not item.data.startswith(b"event: ping"):
            event = item.data.partition(b"data: ")[2].strip()
            payload = json.dumps({"bytes": base64.b64encode(event).decode()}).encode()
            yield replace(item, data=message("event", "chunk", payload))


def exception_message(kind: str, words: str) -> bytes:
    """A failure in the middle of a stream."""
    return message("exception", kind, json.dumps({"message": words}).encode())


def message(category: str, kind: str, payload: bytes) -> bytes:
    headers = b"".join(
        _header(name, value)
        for name, value in (
            (f":{category}-type", kind),
            (":content-type", "application/json"),
            (":message-type", category),
        )
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    begun = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return begun + struct.pack("!I", crc32(begun))


def _header(name: str, value: str) -> bytes:
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _TEXT, len(value)) + value.encode()
