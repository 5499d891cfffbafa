"""Files in what an app gives as the result of a client tool: `data:` URIs, as a canvas or a camera makes them, put away like
any other file of the session, so that no history holds base64 and a model that sees is shown the picture.
"""

import hashlib
from typing import Any, Final

from pydantic import JsonValue

from perdure.temporal.media.data_uris import BadDataUri, is_data_uri, read_data_uri
from perdure.temporal.media.reading import in_thread
from perdure.temporal.media.recognise import Unrecognised, recognise
from perdure.temporal.sessions.errors import FileUnreadable, InvalidRequest
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.files import put_file

_TYPES: Final = frozenset(("image", "audio", "resource", "file"))
#: Beginnings of texts that are files and nothing else.
_MEDIA: Final = ("data:image/", "data:audio/", "data:application/pdf;")
_DEEPEST: Final = 16


async def with_files_kept(blobs: BlobStore, session: str, result: JsonValue) -> JsonValue:
    """`result` with references to files of `session`, a workflow id, in place of its `data:` URIs.

    Raises `InvalidRequest` where one holds nothing, and `FileUnreadable`."""
    return await _kept(blobs, session, result, _DEEPEST)


async def _kept(blobs: BlobStore, session: str, value: JsonValue, depth: int) -> JsonValue:
    match value:
        case str() if value.startswith(_MEDIA) and ";base64," in value[:200]:
            return await _file(blobs, session, value, {"type": "file"})
        case dict() if value.get("type") in _TYPES and isinstance(uri := value.get("uri"), str) and is_data_uri(uri):
            return await _file(blobs, session, uri, value)
        case dict() if depth:
            return {name: await _kept(blobs, session, one, depth - 1) for name, one in value.items()}
        case list() if depth:
            return [await _kept(blobs, session, one, depth - 1) for one in value]
        case _:
            return value


async def _file(blobs: BlobStore, session: str, uri: str, beside: dict[str, Any]) -> JsonValue:
    try:
        data, declared = read_data_uri(uri)
        seen = await in_thread(session.partition("/")[0], recognise, data, declared, str(beside.get("name", "")))
    except BadDataUri as problem:
        raise InvalidRequest("result", str(problem)) from None
    except Unrecognised as problem:
        raise FileUnreadable("result", f"the file {problem}") from None
    sha256 = hashlib.sha256(data).hexdigest()
    await put_file(blobs, session, sha256, data, seen.described)
    return {**beside, "media_type": seen.media_type, "bytes": len(data), "uri": f"{session}/{sha256}"}
