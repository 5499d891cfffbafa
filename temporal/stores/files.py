"""Files of a session: what tools returned beside their results, and what came with messages. Their bytes lie in the blob
store, each with a description.

Rule 1: only blobs stored through `put_file` are files. No other blob of a session can be read through this module.
Rule 2: results and messages reference a file by its `uri`, `{tenant}/{session}/{sha256}`. A session's history references
only the session's own files, so they exist for as long as the session does. A session that takes over another's history
copies the files and rewrites their URIs.
"""

import re
from collections.abc import Set
from typing import Final

from pydantic import BaseModel, JsonValue

from perdure.temporal.stores.blobs import BlobDamaged, BlobMissing, BlobStore

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MAX_TYPE: Final = 200


class _Described(BaseModel):
    media_type: str


async def put_file(blobs: BlobStore, workflow_id: str, sha256: str, data: bytes, media_type: str) -> None:
    """Stores `data`, whose hash is `sha256`, as a file of a session."""
    await blobs.put(f"{workflow_id}/{sha256}", data)
    described = _Described(media_type=media_type[:_MAX_TYPE])
    await blobs.put(f"{workflow_id}/file.{sha256}", described.model_dump_json().encode())


async def get_file(blobs: BlobStore, workflow_id: str, sha256: str) -> tuple[bytes, str] | None:
    """The bytes and the media type as it was told, with the encoding of a text that is not UTF-8; None if the session has no
    such file."""
    if _SHA256.fullmatch(sha256) is None:
        return None
    try:
        described = _Described.model_validate_json(await blobs.get(f"{workflow_id}/file.{sha256}"))
        return await blobs.get(f"{workflow_id}/{sha256}"), described.media_type
    except (BlobMissing, BlobDamaged):
        return None


def file_in(uri: str, workflow_id: str) -> str | None:
    """The sha256 of the session's own file at `uri`; None where `uri` is anything else."""
    session, _, sha256 = uri.rpartition("/")
    return sha256 if session == workflow_id and _SHA256.fullmatch(sha256) is not None else None


async def note_upload(blobs: BlobStore, workflow_id: str, uri: str) -> None:
    """Notes that a message of the session named the upload `uri`, so that erasing the session finds it."""
    await blobs.put(f"{workflow_id}/{uri.replace(':', '.', 1)}", b"")


async def noted_uploads(blobs: BlobStore, workflow_id: str) -> list[str]:
    """The `uri` of each upload that messages of the session named."""
    names = (key.rpartition("/")[2] for key in await blobs.keys(workflow_id))
    return [name.replace(".", ":", 1) for name in names if name.startswith("upload.")]


async def copy_file(blobs: BlobStore, source: str, target: str, sha256: str) -> None:
    """Copies a file of the session `source` (a workflow id) to the session `target`. Does nothing if the file does not
    exist."""
    try:
        await blobs.copy(f"{source}/{sha256}", f"{target}/{sha256}")
        await blobs.copy(f"{source}/file.{sha256}", f"{target}/file.{sha256}")
    except BlobMissing:
        return


def with_files_of(output: JsonValue, source: str, target: str) -> tuple[JsonValue, Set[str]]:
    """Rewrites each `uri` in a tool's output that references a file of `source` to reference `target`. Pure.

    Returns the output and the sha256 of each rewritten file. Values without such a reference keep their identity."""
    files: set[str] = set()

    def renamed(value: JsonValue) -> JsonValue:
        match value:
            case list():
                items = [renamed(item) for item in value]
                return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
            case dict():
                fields = {name: uri(field) if name == "uri" else renamed(field) for name, field in value.items()}
                return fields if any(fields[name] is not value[name] for name in value) else value
            case _:
                return value

    def uri(value: JsonValue) -> JsonValue:
        if not isinstance(value, str):
            return renamed(value)
        sha256 = file_in(value, source)
        if sha256 is None:
            return value
        files.add(sha256)
        return f"{target}/{sha256}"

    return renamed(output), files
