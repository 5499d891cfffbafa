"""Chunks of Vercel's AI SDK (UI message stream, version 1): what each is made of, and its bytes. Pure.

Rule 1: only chunks and fields that `ai` 6 and 7 both take: one that a client does not know ends its stream. What they have no
word for is a `data-*` chunk.
Rule 2: what there is nothing to say of is absent, never null.
"""

import re
from typing import Any, Final

from perdure.gateway.http.sse import json_line

Chunk = dict[str, Any]

HEADERS: Final = {"x-vercel-ai-ui-message-stream": "v1"}
#: Ends a stream, behind its last chunk.
DONE: Final = b"data: [DONE]\n\n"
#: The `uri` of a file that a session keeps.
_KEPT: Final = re.compile(r".+/([0-9a-f]{64})")


def encoded(chunk: Chunk) -> bytes:
    """A whole frame."""
    return b"data: %s\n\n" % json_line(chunk)


def start(message_id: str, metadata: dict[str, Any]) -> Chunk:
    return {"type": "start", "messageId": message_id, "messageMetadata": metadata}


def finish(reason: str, metadata: dict[str, Any]) -> Chunk:
    return {"type": "finish", "finishReason": reason, "messageMetadata": metadata}


def metadata(told: dict[str, Any]) -> Chunk:
    return {"type": "message-metadata", "messageMetadata": told}


def abort(reason: str) -> Chunk:
    return {"type": "abort", "reason": reason}


def error(text: str) -> Chunk:
    return {"type": "error", "errorText": text}


def start_step() -> Chunk:
    return {"type": "start-step"}


def finish_step() -> Chunk:
    return {"type": "finish-step"}


def speech_start(kind: str, part: str) -> Chunk:
    """`kind` is `text` or `reasoning`, and `part` the part's id."""
    return {"type": f"{kind}-start", "id": part}


def speech_delta(kind: str, part: str, delta: str) -> Chunk:
    return {"type": f"{kind}-delta", "id": part, "delta": delta}


def speech_end(kind: str, part: str) -> Chunk:
    return {"type": f"{kind}-end", "id": part}


def speech(kind: str, part: str, text: str) -> list[Chunk]:
    """A whole part."""
    return [speech_start(kind, part), speech_delta(kind, part, text), speech_end(kind, part)]


def input_start(call_id: str, name: str) -> Chunk:
    return {"type": "tool-input-start", "toolCallId": call_id, "toolName": name, "dynamic": True}


def input_delta(call_id: str, delta: str) -> Chunk:
    return {"type": "tool-input-delta", "toolCallId": call_id, "inputTextDelta": delta}


def input_available(call_id: str, name: str, args: dict[str, Any], *, here: bool) -> Chunk:
    """`here`: the call is run for the client, which does not run it itself."""
    chunk = {"type": "tool-input-available", "toolCallId": call_id, "toolName": name, "input": args, "dynamic": True}
    return _run_by(chunk, here)


def output_available(call_id: str, output: Any, *, here: bool) -> Chunk:
    return _run_by({"type": "tool-output-available", "toolCallId": call_id, "output": output, "dynamic": True}, here)


def output_error(call_id: str, text: str, *, here: bool) -> Chunk:
    return _run_by({"type": "tool-output-error", "toolCallId": call_id, "errorText": text, "dynamic": True}, here)


def output_denied(call_id: str) -> Chunk:
    return {"type": "tool-output-denied", "toolCallId": call_id}


def approval_request(call_id: str, question_id: str) -> Chunk:
    return {"type": "tool-approval-request", "approvalId": question_id, "toolCallId": call_id}


def file(url: str, media_type: str) -> Chunk:
    return {"type": "file", "url": url, "mediaType": media_type}


def source(source_id: str, url: str, title: str | None) -> Chunk:
    """A page that an answer rests on."""
    named = {} if title is None else {"title": title}
    return {"type": "source-url", "sourceId": source_id, "url": url, **named}


def file_url(uri: str, session_id: str) -> str:
    """Where a client finds a file: below the gateway's own address, if the session keeps it."""
    kept = None if uri.startswith(("http:", "https:", "data:")) else _KEPT.fullmatch(uri)
    return uri if kept is None else f"/v1/sessions/{session_id}/files/{kept[1]}"


def data(name: str, value: Any, part: str) -> Chunk:
    """A part of the message; a later one of the same name and id (`part`) takes its place."""
    return {"type": f"data-{name}", "id": part, "data": value}


def passing(name: str, value: Any) -> Chunk:
    """Told once, and no part of the message."""
    return {"type": f"data-{name}", "data": value, "transient": True}


def _run_by(chunk: Chunk, here: bool) -> Chunk:
    # Told also where it is false: a call is taken for the gateway's until clients are asked to run it.
    return {**chunk, "providerExecuted": here}
