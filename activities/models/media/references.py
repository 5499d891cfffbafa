"""References to files of a session in a tool's output, and the output without them. Pure.

They are made by `activities.encoding.raw_bytes` and `activities.mcp.results`: objects of a certain `type` with a `uri`.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from pydantic import JsonValue

from perdure.temporal.stores.files import file_in
from perdure.workflows.vocabulary.parts import File

_TYPES: Final = frozenset(("image", "audio", "resource", "file"))
#: How deep in an output files are looked for.
_DEEPEST: Final = 32


def files_in(output: JsonValue, workflow_id: str) -> Iterator[File]:
    """The session's files that an output references, in its order."""
    yield from _found(output, workflow_id, _DEEPEST)


def told(output: JsonValue, workflow_id: str, words: Callable[[File], str]) -> JsonValue:
    """The output with `words` in place of each reference, for no model can do anything with an internal address."""
    return _told(output, workflow_id, words, _DEEPEST)


def _found(value: JsonValue, workflow_id: str, depth: int) -> Iterator[File]:
    if depth == 0 or not isinstance(value, dict | list):
        return
    if isinstance(value, dict) and (file := _file(value, workflow_id)) is not None:
        yield file
        return
    for inner in value.values() if isinstance(value, dict) else value:
        yield from _found(inner, workflow_id, depth - 1)


def _told(value: JsonValue, workflow_id: str, words: Callable[[File], str], depth: int) -> JsonValue:
    if depth == 0 or not isinstance(value, dict | list):
        return value
    if isinstance(value, list):
        return [_told(inner, workflow_id, words, depth - 1) for inner in value]
    file = _file(value, workflow_id)
    if file is not None:
        return words(file)
    return {name: _told(inner, workflow_id, words, depth - 1) for name, inner in value.items()}


def _file(value: dict[str, Any], workflow_id: str) -> File | None:
    uri = value.get("uri")
    if value.get("type") not in _TYPES or not isinstance(uri, str) or file_in(uri, workflow_id) is None:
        return None
    media_type, size = value.get("media_type"), value.get("bytes")
    # A resource of an MCP server has an address there.
    named = next((one for key in ("name", "of") if isinstance(one := value.get(key), str)), "")
    return File(
        uri=uri,
        media_type=media_type if isinstance(media_type, str) else "application/octet-stream",
        name=named.rstrip("/").rpartition("/")[2][:200] or str(value["type"]),
        bytes=size if isinstance(size, int) else None,
    )
