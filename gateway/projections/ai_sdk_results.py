"""What a call's result has for people beside its value, as chunks of the AI SDK: its files, and pages that it links to. Pure.

Rule: a file is one that a session keeps, wherever in the result it is named; an address of another kind is no file.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import JsonValue

from perdure.gateway.projections import ai_sdk_chunks as chunks
from perdure.gateway.projections.ai_sdk_chunks import Chunk
from perdure.workflows.vocabulary.parts import ToolResult

#: Of a file in a result: what it is told as, and `{tenant}/{session}/{sha256}`.
_FILES: Final = frozenset(("image", "audio", "resource", "file"))
_KEPT: Final = re.compile(r"[\w.~:-]{1,200}/(?!\.{1,2}/)([\w.~:-]{1,200})/([0-9a-f]{64})", re.ASCII)
_PAGE: Final = re.compile(r"https?://\S+", re.ASCII)
_UNKNOWN: Final = "application/octet-stream"
#: How deep in a result they are looked for, and how many are told.
_DEEPEST: Final = 8
_MOST: Final = 50


def beside(call_id: str, result: ToolResult) -> list[Chunk]:
    """The same file or page is told once."""
    output = result.output
    if result.is_error:
        output = output.get("content") if isinstance(output, dict) else None
    found: dict[str, Chunk] = {}
    for entry in _entries(output, _DEEPEST):
        chunk = _told(entry, f"{call_id}.{len(found)}")
        if chunk is not None:
            found.setdefault(chunk["url"], chunk)
        if len(found) == _MOST:
            break
    return list(found.values())


def _entries(value: JsonValue, depth: int) -> Iterator[dict[str, Any]]:
    if depth == 0 or not isinstance(value, dict | list):
        return
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        yield from _entries(inner, depth - 1)


def _told(entry: dict[str, Any], source_id: str) -> Chunk | None:
    kind, uri = entry.get("type"), entry.get("uri")
    if not isinstance(kind, str) or not isinstance(uri, str):
        return None
    if kind == "resource_link" and _PAGE.fullmatch(uri):
        title = entry.get("title") or entry.get("name")
        return chunks.source(source_id, uri, title if isinstance(title, str) else None)
    kept = _KEPT.fullmatch(uri) if kind in _FILES else None
    if kept is None:
        return None
    media_type = entry.get("media_type")
    return chunks.file(
        f"/v1/sessions/{kept[1]}/files/{kept[2]}", media_type if isinstance(media_type, str) else _UNKNOWN
    )
