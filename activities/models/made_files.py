"""Files that a model made and its server sent within the answer, as `data:` addresses: they become files of the session."""

import base64
import binascii
import hashlib

from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.files import put_file
from perdure.workflows.vocabulary.parts import File, Part, Text


async def kept(blobs: BlobStore, workflow_id: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """`parts` of an answer with its files in the blob store."""
    return tuple([await _kept(blobs, workflow_id, part) if isinstance(part, File) else part for part in parts])


async def _kept(blobs: BlobStore, workflow_id: str, file: File) -> Part:
    head, comma, body = file.uri.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return file
    try:
        data = base64.b64decode(body, validate=True)
    except binascii.Error:
        return Text(text=f"[file {file.name} ({file.media_type}): it cannot be read]")
    sha256 = hashlib.sha256(data).hexdigest()
    await put_file(blobs, workflow_id, sha256, data, file.media_type)
    return file.model_copy(update={"uri": f"{workflow_id}/{sha256}", "bytes": len(data)})
