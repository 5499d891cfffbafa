"""Parts of values that JSON cannot hold: bytes become files beside the value, lone surrogates become U+FFFD."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, JsonValue

from perdure.temporal.media.signatures import signature_type

Bytes = bytes | bytearray | memoryview


@dataclass
class Files:
    """Bytes that were found in a result. The caller stores them."""

    #: Returns the URI of the file with this sha256.
    uri: Callable[[str], str]
    #: Bytes and media type, by sha256.
    found: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def add(self, data: bytes, media_type: str) -> dict[str, JsonValue]:
        """Adds a file. Returns what stands in its place in the value."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.found[sha256] = (data, media_type)
        return {"media_type": media_type, "bytes": len(data), "uri": self.uri(sha256)}


#: JSON Schema of the reference that replaces bytes.
FILE_SCHEMA: Final[dict[str, JsonValue]] = {
    "type": "object",
    "description": "Bytes, kept as a file.",
    "properties": {
        "type": {"const": "file"},
        "media_type": {"type": "string"},
        "bytes": {"type": "integer"},
        "uri": {"type": "string"},
    },
    "required": ["type", "media_type", "bytes", "uri"],
}


def holds_bytes(value: object) -> bool:
    """Whether there are bytes in `value`, in its lists, dicts, sets, dataclasses or models."""
    todo, seen = [value], set[int]()
    while todo:
        one = todo.pop()
        if isinstance(one, Bytes):
            return True
        if isinstance(one, str | int | float | None) or id(one) in seen:
            continue
        seen.add(id(one))
        todo.extend(_children(one))
    return False


def without_bytes(value: Any, files: Files) -> Any:
    """`value`, which is made of plain dicts and lists, with files in place of bytes."""
    match value:
        case bytes() | bytearray() | memoryview():
            data = bytes(value)
            return {"type": "file", **files.add(data, signature_type(data[:32]) or "application/octet-stream")}
        case dict():
            return {_key(key): without_bytes(inner, files) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [without_bytes(inner, files) for inner in value]
        case _:
            return value


def whole_text(text: str) -> str:
    """`text` with U+FFFD in place of each lone surrogate, which file names and JavaScript may hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def whole_texts(value: Any) -> Any:
    """The same for every text in `value`, which is plain JSON."""
    match value:
        case str():
            return whole_text(value)
        case dict():
            return {whole_texts(key): whole_texts(inner) for key, inner in value.items()}
        case list() | tuple():
            return [whole_texts(inner) for inner in value]
        case _:
            return value


def _children(value: object) -> Iterable[object]:
    match value:
        case dict():
            return value.values()
        case list() | tuple() | set() | frozenset():
            return value
        case BaseModel():
            return vars(value).values()
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return [getattr(value, one.name, None) for one in dataclasses.fields(value)]
        case _:
            return ()


def _key(key: Any) -> Any:
    return bytes(key).decode(errors="replace") if isinstance(key, Bytes) else key
