"""The route of files: pictures, sounds and other bytes that tools gave beside their results, or that came with messages.

Rule: nobody's word on what bytes are is trusted with the page that shows them. Only what no browser runs is shown
in place; everything else is a download, of no type.
"""

from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.http.problems import Problem
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.file_names import file_name

router = APIRouter(prefix="/v1/sessions/{session_id}/files", tags=["files"], route_class=Door)

#: Media types that are shown in place, and how their files are called.
_SHOWN: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
    "audio/webm": "weba",
    "audio/aac": "aac",
    "audio/flac": "flac",
}
_GUARD: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Its name is its content's hash; whoever may not see the session must not find it in a shared cache.
    "Cache-Control": "private, max-age=31536000, immutable",
}


@router.get(
    "/{sha256}",
    response_class=Response,
    responses={200: {"description": "Its bytes, under their media type", "content": {"*/*": {}}}},
)
async def read_file(
    session_id: SessionPath,
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    app: App,
    caller: Caller,
    name: Annotated[str, Query(max_length=200, description="The name under which it is saved")] = "",
) -> Response:
    """A file that a tool of this session gave, or that came with a message; the last part of its `uri` is its `sha256`."""
    found = await app.sessions.open(caller, session_id).file(sha256)
    if found is None:
        raise Problem("not_found")
    data, told = found
    media_type = told.partition(";")[0].strip().lower()
    ending = _SHOWN.get(media_type)
    saved = f'filename="{sha256[:12]}{"" if ending is None else f".{ending}"}"'
    if name:
        # RFC 6266: whoever knows this form takes it before the other.
        saved += f"; filename*=UTF-8''{quote(file_name(name, media_type), safe='')}"
    headers = {**_GUARD, "Content-Disposition": f"{'attachment' if ending is None else 'inline'}; {saved}"}
    # Starlette would add a charset to a text's type; there is none among these.
    return Response(data, media_type=media_type if ending else "application/octet-stream", headers=headers)
