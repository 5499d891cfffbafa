"""Pages: the chat and the inspector. Everything comes from this server, nothing from other hosts."""

import hashlib
import re
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.page_files import HEADERS, PAGES, joined_client, page

#: The paths of pages that people open; other sites may link to them.
LINKED: Final = re.compile(r"/|/docs|/guide(/[a-z]+)?|/(chat|sessions)/[^/]+")
router = APIRouter(include_in_schema=False, route_class=Door)


@router.get("/")
async def chat_page() -> Response:
    return page("chat/chat.html")


@router.get("/chat/{session_id}")
async def session_page() -> Response:
    """The chat page, which tells by itself where there is no such session."""
    return await chat_page()


@router.get("/sessions/{session_id}")
async def inspector_page(session_id: SessionPath) -> Response:
    return page("inspector/inspector.html")


@router.get("/client.js")
def client_script(request: Request) -> Response:
    return _text(request, joined_client(), "text/javascript", {"X-TypeScript-Types": "/client.d.ts"})


@router.get("/client.d.ts")
def client_types(request: Request) -> Response:
    return _text(request, (PAGES / "client" / "client.d.ts").read_text(encoding="utf-8"), "application/typescript", {})


def _text(request: Request, text: str, media_type: str, headers: dict[str, str]) -> Response:
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers={**HEADERS, "ETag": tag})
    return Response(text, media_type=media_type, headers={**HEADERS, **headers, "ETag": tag})
