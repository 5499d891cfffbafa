"""Amazon's event stream encoding, in which Bedrock answers: a prelude, headers, a payload, and checksums."""

import base64
import json
import struct
from binascii import crc32
from typing import Any

from tests.support.body_server import Body

MEDIA_TYPE = "application/vnd.amazon.eventstream"


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    encoded = b"".join(
        struct.pack(f">B{len(name)}sBH{len(value)}s", len(name), name.encode(), 7, len(value), value.encode())
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    message = prelude + struct.pack(">I", crc32(prelude)) + encoded + payload
    return message + struct.pack(">I", crc32(message))


def chunk(event: dict[str, Any]) -> bytes:
    """An event of the model's own API."""
    data = base64.b64encode(json.dumps(event).encode()).decode()
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps({"bytes": data, "p": "abcdef"}).encode())


def exception(kind: str, message: str) -> bytes:
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message}).encode())


def body(*events: dict[str, Any], **fields: Any) -> Body:
    return Body(b"".join(map(chunk, events)), MEDIA_TYPE, **fields)
