"""The route of uploads: a file comes in, in a form or as it is, and gets a `uri` that messages can name."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from urllib.parse import unquote

from fastapi import APIRouter, Header, Query
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from perdure.gateway.http.problems import invalid
from perdure.gateway.openapi.answers import FileUploaded
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door

PATH: Final = "/v1/files"
router = APIRouter(prefix=PATH, tags=["files"], route_class=Door)

_CHUNK: Final = 256 * 1024
_MAX_FIELDS: Final = 16
#: RFC 6266: `filename*` is percent-encoded, and comes first.
_NAMED: Final = re.compile(r"filename\*\s*=\s*(?:utf-8|iso-8859-1)'[^']*'([^;]+)", re.IGNORECASE)
_PLAINLY: Final = re.compile(r"filename\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\s]+))", re.IGNORECASE)
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary", "description": "The file, one only"}},
                }
            },
            "*/*": {"schema": {"type": "string", "format": "binary", "description": "The file itself"}},
        },
    }
}


@router.post("", response_model=FileUploaded, openapi_extra=_BODY)
async def upload_file(
    request: Request,
    app: App,
    caller: Caller,
    name: Annotated[str, Query(max_length=1000, description="The file's name, where the body is the file itself")] = "",
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
    content_disposition: Annotated[str, Header(include_in_schema=False)] = "",
) -> FileUploaded:
    """Stores a file: a form with one file, or a body that is the file. Its `uri` can be used in `file` parts of messages to
    any session of the same user, for some days; a session keeps a copy of what its messages name."""
    uploads = app.sessions.uploads
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        named = name or _named_in(content_disposition)
        given = await uploads.receive(caller, request.stream(), content_type, named)
        return _answer(given)
    # Beyond a megabyte, what a form brings waits on the disk.
    async with request.form(max_files=2, max_fields=_MAX_FIELDS) as form:
        file = _only_file(form)
        given = await uploads.receive(caller, _chunks(file), file.content_type or "", name or file.filename or "")
    return _answer(given)


def _answer(upload: Any) -> FileUploaded:
    media_type = upload.media_type.partition(";")[0]
    return FileUploaded(uri=upload.uri, id=upload.uri, media_type=media_type, name=upload.name, bytes=upload.bytes)


def _only_file(form: FormData) -> UploadFile:
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not files:
        raise invalid("file", "is required: the form has no part with a file name")
    if len(files) > 1:
        raise invalid("file", "comes alone: upload each file by a request of its own")
    return files[0]


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk


def _named_in(disposition: str) -> str:
    found = _NAMED.search(disposition)
    if found is not None:
        return unquote(found[1].strip())
    plain = _PLAINLY.search(disposition)
    return "" if plain is None else re.sub(r"\\(.)", r"\1", plain[1]) if plain[1] is not None else plain[2]
