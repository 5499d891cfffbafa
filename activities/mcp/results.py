"""Converts an MCP tool's result to the output of a tool call. Pure.

Rule 1: nothing that a tool returned is dropped, except a text that only repeats the structured content as JSON.
(Servers send both for clients without support for structured content, and they wrap a plain value in an object as its
`result`.)
Rule 2: a single item is the output as it is: structured content, or a text; several texts alone are joined to one.
Anything else is a list of the items under `content`, next to `structured` if there is structured content.
Rule 3: bytes become files stored beside the output, and the output states their type, size and URI.
"""

import base64
import binascii
import json
from typing import assert_never

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import JsonValue

from perdure.activities.encoding.raw_bytes import Files
from perdure.activities.tools.results import BadResult
from perdure.temporal.telemetry.redaction import redacted
from perdure.workflows.vocabulary.folding import preview

_SILENT = "The tool failed and did not say why."


def read_result(result: CallToolResult, files: Files) -> JsonValue:
    """The output of a successful call; its files are added to `files`. Raises `BadResult`."""
    blocks = _blocks(result, files)
    texts = [block for block in blocks if isinstance(block, str)]
    structured: dict[str, JsonValue] | None = result.structured_content
    if structured is None:
        if len(texts) == len(blocks):
            return "\n\n".join(texts)
        return [_as_object(block) for block in blocks]
    if _repeats(texts, structured):
        blocks = [block for block in blocks if not isinstance(block, str)]
    if not blocks:
        return structured
    return {"structured": structured, "content": [_as_object(block) for block in blocks]}


def read_failure(result: CallToolResult, files: Files) -> tuple[str, list[JsonValue] | None]:
    """The error message of a failed call, and any further content. Raises `BadResult`."""
    blocks = _blocks(result, files)
    texts = [block for block in blocks if isinstance(block, str)]
    words = redacted("\n\n".join(texts).strip())
    content: list[JsonValue] = [_as_object(block) for block in blocks if not isinstance(block, str)]
    if result.structured_content:
        content.insert(0, {"type": "data", "value": result.structured_content})
    if preview(words) != words:
        content.insert(0, {"type": "text", "text": words})
    return preview(words) or _SILENT, content or None


def _blocks(result: CallToolResult, files: Files) -> list[JsonValue]:
    """The items of the content. One that cannot be read says so in its place, unless there is nothing else."""
    blocks: list[JsonValue] = []
    bad: list[BadResult] = []
    for block in result.content:
        try:
            blocks.append(_block(block, files))
        except BadResult as why:
            bad.append(why)
            blocks.append({"type": "unreadable", "about": str(why)})
    if bad and len(bad) == len(blocks) and result.structured_content is None:
        raise bad[0]
    return blocks


def _repeats(texts: list[str], structured: JsonValue) -> bool:
    """Whether these texts only repeat the structured content."""
    if len(texts) == 1 and _is(texts[0], structured):
        return True
    if not isinstance(structured, dict) or list(structured) != ["result"]:
        return False
    value = structured["result"]
    if len(texts) == 1 and _is(texts[0], value):
        return True
    return (
        isinstance(value, list)
        and len(texts) == len(value)
        and all(_is(text, item) for text, item in zip(texts, value, strict=True))
    )


def _is(text: str, value: JsonValue) -> bool:
    if text == value:
        return True
    try:
        return json.dumps(json.loads(text), sort_keys=True) == json.dumps(value, sort_keys=True)
    except (ValueError, RecursionError):
        return False


def _as_object(block: JsonValue) -> JsonValue:
    return {"type": "text", "text": block} if isinstance(block, str) else block


def _block(block: ContentBlock, files: Files) -> JsonValue:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return {"type": block.type, **_file(block.data, block.mime_type, files)}
        case ResourceLink():
            fields = {
                "uri": block.uri,
                "name": block.name,
                "title": block.title,
                "media_type": block.mime_type,
                "bytes": block.size,
                "about": block.description,
            }
            return {"type": "resource_link", **{name: value for name, value in fields.items() if value}}
        case EmbeddedResource(resource=TextResourceContents() as text):
            kind = {"media_type": text.mime_type} if text.mime_type else {}
            return {"type": "resource", "of": text.uri, **kind, "text": text.text}
        case EmbeddedResource(resource=BlobResourceContents() as blob):
            media_type = blob.mime_type or "application/octet-stream"
            return {"type": "resource", "of": blob.uri, **_file(blob.blob, media_type, files)}
        case EmbeddedResource():
            raise BadResult("a resource that is neither text nor bytes")
        case _:
            assert_never(block)


def _file(data: str, media_type: str, files: Files) -> dict[str, JsonValue]:
    if data.startswith("data:"):
        data = data.partition(",")[2]
    bare = "".join(data.split())
    try:
        # Some servers break lines, and some leave out the padding.
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadResult(f"content of type {media_type} that is not base64") from None
    return files.add(raw, media_type)
