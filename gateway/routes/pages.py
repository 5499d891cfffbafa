"""Pages: the chat and the inspector. Everything comes from this server, nothing from other hosts."""

import hashlib
import re
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.routes.client_module import joined
from perdure.gateway.routes.door import Door

PAGES: Final = Path(__file__).parent.parent / "pages"
#: The paths of pages that people open; other sites may link to them.
LINKED: Final = re.compile(r"/|/docs|/guide(/[a-z]+)?|/(chat|sessions)/[^/]+")
#: Pages are asked for anew each time (304 where nothing changed), so that an update is seen at the next reload.
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

router = APIRouter(include_in_schema=False, route_class=Door)


class PageFiles(StaticFiles):
    """The pages' own files, with the pages' headers."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


@router.get("/")
async def chat_page() -> FileResponse:
    return FileResponse(PAGES / "chat" / "chat.html", headers=HEADERS)


@router.get("/chat/{session_id}")
async def session_page() -> FileResponse:
    """The chat page, which tells by itself where there is no such session."""
    return await chat_page()


@router.get("/sessions/{session_id}")
async def inspector_page(session_id: SessionPath) -> FileResponse:
    return FileResponse(PAGES / "inspector" / "inspector.html", headers=HEADERS)


@router.get("/client.js")
def client_script(request: Request) -> Response:
    return _text(
        request, joined(PAGES / "client" / "client.js"), "text/javascript", {"X-TypeScript-Types": "/client.d.ts"}
    )


@router.get("/client.d.ts")
def client_types(request: Request) -> Response:
    return _text(request, (PAGES / "client" / "client.d.ts").read_text(encoding="utf-8"), "application/typescript", {})


def _text(request: Request, text: str, media_type: str, headers: dict[str, str]) -> Response:
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers={**HEADERS, "ETag": tag})
    return Response(text, media_type=media_type, headers={**HEADERS, **headers, "ETag": tag})
