"""The files that pages are made of, under addresses that name their version, so that a browser asks for each once.

Rule: a version is made of the files' contents. Files of one version are kept for ever; an address of another version gives
the files of now, which are not kept.
"""

import hashlib
import posixpath
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from perdure.gateway.routes.client_module import joined

PAGES: Final = Path(__file__).parent.parent / "pages"
#: Pages are asked for anew each time (304 where nothing changed), so that an update is seen at the next reload.
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_KEPT: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
CLIENT: Final = "client.js"
_OWN: Final = "pages/"
_SCRIPT: Final = re.compile(r'<script type="module" src="/([^"]+)"')
_IMPORT: Final = re.compile(r"^(?:import|export)\s(?:[\w*{}\s,]+\sfrom\s)?'(\.[^']+)';", re.MULTILINE)


class PageFiles(StaticFiles):
    """The pages' own files, with the pages' headers."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


class VersionedFiles(PageFiles):
    """`/@VERSION/client.js` and `/@VERSION/pages/…`, laid out as without a version, so that modules find each other."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        name = _file_of(path)
        if path == CLIENT:
            response: Response = Response(joined_client(), media_type="text/javascript", headers=HEADERS)
        elif name is None:
            raise HTTPException(404)
        else:
            response = await super().get_response(name, scope)
        if response.status_code in (200, 304) and scope["path_params"].get("version") == version():
            response.headers.update(_KEPT)
        return response


def joined_client() -> str:
    """`/client.js`, which is one file."""
    return joined(PAGES / "client" / "client.js")


def page(name: str) -> Response:
    """A page that people open, with its files' version in their addresses."""
    return Response(_page(name, version()), media_type="text/html", headers=HEADERS)


def version() -> str:
    """Of the files as they are now, which may be mended while the server runs."""
    files = sorted(file for file in PAGES.rglob("*") if file.is_file())
    return _version(tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@lru_cache(maxsize=1)
def _version(files: tuple[tuple[str, int, int], ...]) -> str:
    """The same for the same contents, so that all gateways of a deployment have one."""
    whole = hashlib.sha256()
    for name, _, _ in files:
        path = Path(name)
        content = path.read_bytes()
        whole.update(f"{path.relative_to(PAGES).as_posix()} {len(content)}\n".encode() + content)
    return whole.hexdigest()[:12]


@lru_cache(maxsize=8)
def _page(name: str, now: str) -> str:
    text = (PAGES / name).read_text(encoding="utf-8")
    needed = [module for entry in _SCRIPT.findall(text) for module in _modules(entry)]
    # Or the browser would find a module only once it has read the one that needs it.
    links = "".join(f'  <link rel="modulepreload" href="/{module}">\n' for module in needed)
    text = text.replace("</head>", f"{links}</head>")
    return text.replace('"/pages/', f'"/@{now}/pages/').replace('"/client.js"', f'"/@{now}/client.js"')


def _modules(entry: str) -> list[str]:
    """`entry` and all that it imports."""
    found = [entry]
    for module in found:
        file = _file_of(module)
        # The client is one file.
        if file is None:
            continue
        for target in _IMPORT.findall((PAGES / file).read_text(encoding="utf-8")):
            needed = posixpath.normpath(posixpath.join(posixpath.dirname(module), target))
            if needed not in found:
                found.append(needed)
    return found


def _file_of(path: str) -> str | None:
    return path.removeprefix(_OWN) if path.startswith(_OWN) else None
