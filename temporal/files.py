"""Files that a tool gave beside its result: bytes in the blob store, and beside them what they are.

Rule: only what was put here as a file is one. Nothing else of a session's blobs can be got by this way.
"""

import re
from typing import Final

from pydantic import BaseModel

from temporal.blobs import BlobDamaged, BlobMissing, BlobStore

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MAX_TYPE: Final = 200


class _Described(BaseModel):
    media_type: str


async def put_file(blobs: BlobStore, workflow_id: str, sha256: str, data: bytes, media_type: str) -> None:
    """Keeps `data`, which has this `sha256`, in the name of a session."""
    await blobs.put(f"{workflow_id}/{sha256}", data)
    described = _Described(media_type=media_type[:_MAX_TYPE])
    await blobs.put(f"{workflow_id}/file.{sha256}", described.model_dump_json().encode())


async def get_file(blobs: BlobStore, workflow_id: str, sha256: str) -> tuple[bytes, str] | None:
    """The bytes and the media type that the tool told; None where the session has no such file."""
    if _SHA256.fullmatch(sha256) is None:
        return None
    try:
        described = _Described.model_validate_json(await blobs.get(f"{workflow_id}/file.{sha256}"))
        return await blobs.get(f"{workflow_id}/{sha256}"), described.media_type
    except (BlobMissing, BlobDamaged):
        return None
