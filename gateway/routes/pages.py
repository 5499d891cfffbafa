"""Pages: the chat, the inspector, and the list of routes. Everything comes from this server, nothing from other hosts."""

import html
import re
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from perdure.gateway.http.bodies import SessionPath
from perdure.gateway.http.problems import KINDS

PAGES: Final = Path(__file__).parent.parent / "pages"
#: The paths of pages that people open; other sites may link to them.
LINKED: Final = re.compile(r"/|/docs|/sessions/[^/]+")
#: Pages are asked for anew each time (304 where nothing changed), so that an update is seen at the next reload.
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

router = APIRouter(include_in_schema=False)


class PageFiles(StaticFiles):
    """The pages' own files, with the pages' headers."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_HEADERS)
        return response


@router.get("/")
async def chat_page() -> FileResponse:
    return FileResponse(PAGES / "chat" / "chat.html", headers=_HEADERS)


@router.get("/sessions/{session_id}")
async def inspector_page(session_id: SessionPath) -> FileResponse:
    return FileResponse(PAGES / "inspector" / "inspector.html", headers=_HEADERS)


@router.get("/client.js")
async def client_script() -> FileResponse:
    return FileResponse(PAGES / "client" / "client.js", headers=_HEADERS)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    return HTMLResponse(docs_page(request.app.openapi()), headers=_HEADERS)


def docs_page(openapi: dict[str, Any]) -> str:
    """The routes and the problem codes as one plain page."""
    routes = [
        f"<tr><td><code>{method.upper()}</code><td><code>{html.escape(path)}</code>"
        f"<td>{html.escape(' '.join(operation.get('description', '').split()))}"
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    ]
    codes = [
        f'<tr id="{code}"><td><code>{code}</code><td>{kind.status}<td>{html.escape(kind.title)}'
        for code, kind in KINDS.items()
    ]
    return _DOCS.format(title=html.escape(openapi["info"]["title"]), routes="\n".join(routes), codes="\n".join(codes))


_DOCS: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: HTTP</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td {{ border-top: 1px solid color-mix(in srgb, currentcolor 20%, transparent); padding: .4rem .8rem .4rem 0;
      vertical-align: top }}
:target {{ background: color-mix(in srgb, currentcolor 12%, transparent) }}
</style>
<h1>{title}</h1>
<p>Bodies and parameters in full: <a href="/openapi.json">openapi.json</a>.</p>
<h2>Routes</h2>
<table>
{routes}
</table>
<h2>Problems</h2>
<p>Errors are <code>application/problem+json</code>. <code>code</code> is stable; <code>detail</code> is for people.</p>
<table>
{codes}
</table>
</html>
"""
