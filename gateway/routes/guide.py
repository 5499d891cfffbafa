"""The guide and the HTTP reference. Each page is rendered once for a process, when somebody first asks for it."""

from dataclasses import replace
from functools import cache

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from perdure.gateway.guide.pages import FOLDER, PAGES, Page, page_of, rendered, resolve
from perdure.gateway.http.problems import Problem
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.page_files import HEADERS

router = APIRouter(include_in_schema=False, route_class=Door)


@router.get("/guide")
async def first_page() -> HTMLResponse:
    return HTMLResponse(_page(PAGES[0]), headers=HEADERS)


@router.get("/guide/{name}")
async def page(name: str) -> HTMLResponse:
    known = page_of(name)
    if known is None:
        raise Problem("not_found")
    return HTMLResponse(_page(known), headers=HEADERS)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    if (shown := getattr(request.app.state, "docs_page", None)) is None:
        # Imported here for the same reason as in `pages.rendered`.
        from perdure.gateway.guide.frame import framed
        from perdure.gateway.guide.markdown import render
        from perdure.gateway.openapi.reference import reference

        text = render(reference(request.app.openapi()), folder=FOLDER, resolve=resolve)
        # The list beside the page leads to the routes; the schemas and problems are too many for it.
        routes = tuple(one for one in text.headings if one.level == 2 or "/" in one.text)
        shown = request.app.state.docs_page = framed(replace(text, headings=routes), "/docs")
    return HTMLResponse(shown, headers=HEADERS)


@cache
def _page(one: Page) -> str:
    from perdure.gateway.guide.frame import framed

    place = PAGES.index(one)
    before = PAGES[place - 1] if place else None
    after = PAGES[place + 1] if place + 1 < len(PAGES) else None
    return framed(rendered(one), one.address, before, after)
