"""Keeps web pages of other sites away from a server that asks nobody who they are.

Rule 1: a request names a host that is ours (see `hosts.py`), or it is refused, whatever it asks for.
Rule 2: a browser says which page makes a request (`Origin`, `Sec-Fetch-Site`). A page that did not come from this very host
and port gets nothing and changes nothing; another port of the same host is another site, too. Who sends neither header is
no browser of today, and passes.
Rule 3: pages of the origins that the operator lists may use the API (see `allowed_origins.py`).
Rule 4: people may follow a link from anywhere to a page, for what opens then is a page of ours, in a tab of its own.
"""

import re
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from perdure.gateway.http.allowed_origins import AllowedOrigins
from perdure.gateway.http.hosts import Host, KnownHosts
from perdure.gateway.http.problems import Problem

#: `none`: the person typed the address, or took a bookmark.
_OURS: Final = {"same-origin", "none"}
#: An origin that a log may repeat, and how many of them a process tells of: browsers hide a refusal from the page itself.
_TOLD: Final = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(:\d{1,5})?")
_MOST_TOLD: Final = 20

log = structlog.get_logger(__name__)


class OriginGuard:
    """ASGI middleware. `pages` matches the paths that may be linked to from other sites."""

    def __init__(
        self, app: ASGIApp, hosts: KnownHosts, pages: re.Pattern[str], allowed: AllowedOrigins | None = None
    ) -> None:
        self._app = app
        self._allowed = allowed or AllowedOrigins()
        self._hosts = hosts
        self._pages = pages
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = self._allowed.origin_of(scope, headers)
        problem = self._problem(scope, headers, listed=origin is not None)
        if problem is not None:
            if problem.code == "foreign_origin":
                self._tell(headers.get("origin", ""))
            await problem.response()(scope, receive, send)
        elif origin is None:
            await self._app(scope, receive, send)
        elif (preflight := self._allowed.preflight(scope, headers, origin)) is not None:
            await preflight(scope, receive, send)
        else:
            await self._app(scope, receive, self._allowed.answering(send, origin))

    def _problem(self, scope: Scope, headers: Headers, *, listed: bool) -> Problem | None:
        named = headers.getlist("host")
        host = Host.parse(named[0]) if len(named) == 1 else None
        if host is None or host not in self._hosts:
            return Problem(
                "unknown_host",
                "This server does not answer to the host name of this request. If the name is the server's, list it in "
                "PERDURE_ALLOWED_HOSTS where the server starts, as in PERDURE_ALLOWED_HOSTS=agents.example.com.",
            )
        if listed:
            return None
        if not all(map(host.is_origin, headers.getlist("origin"))) or not (
            _OURS.issuperset(headers.getlist("sec-fetch-site")) or self._is_link(scope, headers)
        ):
            return Problem(
                "foreign_origin",
                "A page of another site or port made this request; only this server's own pages may, and those of "
                "PERDURE_ALLOWED_ORIGINS. A proxy in front of the server must pass on the Host header as the browser sent "
                "it, with its port.",
            )
        return None

    def _tell(self, origin: str) -> None:
        """Once of each origin: whoever writes a page there sees a network error, and no word of why."""
        if origin in self._told or len(self._told) >= _MOST_TOLD or _TOLD.fullmatch(origin) is None:
            return
        self._told.add(origin)
        log.warning(
            "origin.refused", origin=origin, advice=f"PERDURE_ALLOWED_ORIGINS={origin} at the start lets its pages in"
        )

    def _is_link(self, scope: Scope, headers: Headers) -> bool:
        return (
            scope.get("method") in ("GET", "HEAD")
            and headers.get("sec-fetch-mode") == "navigate"
            # Not `iframe`, in which another site could lay ours under its own.
            and headers.get("sec-fetch-dest") == "document"
            and self._pages.fullmatch(scope["path"]) is not None
        )
