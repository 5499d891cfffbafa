"""Pages: the chat and the inspector. Everything comes from this server, nothing from other hosts."""

import re
from typing import Final

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.page_files import HEADERS, PAGES, page

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
async def client_script() -> FileResponse:
    return FileResponse(PAGES / "client" / "client.js", headers=HEADERS)
