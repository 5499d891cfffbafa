"""Whoever comes in is looked at before what they bring: on every route, before a byte of a body is read."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import httpx2
import orjson
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import HTTPConnection
from starlette.types import Message, Scope
from temporalio.client import Client

from perdure.gateway.app import create_app, create_routes
from perdure.gateway.auth.authentication import Authentication
from perdure.gateway.http.problems import Problem
from perdure.gateway.routes.context import Caller
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.sign_in import BODY_BYTES
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.sessions.errors import RateLimited
from perdure.temporal.sessions.limits.bucket import Rate
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import EVERYTHING
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import LocalBlobs
from tests.support.serving import serve

#: Routes that ask nobody who calls. Each new one has to be thought about.
OPEN = {
    *(
        "GET /",
        "GET /chat/{session_id}",
        "GET /client.js",
        "GET /client.d.ts",
        "GET /docs",
        "GET /guide",
        "GET /guide/{name}",
        "GET /sessions/{session_id}",
    ),
    *("GET /healthz", "GET /healthz/stream", "GET /healthz/traffic", "GET /readyz"),
    *("POST /v1/sign-in", "DELETE /v1/sign-in"),
}
OWN_PAGE = ((b"sec-fetch-site", b"same-origin"),)
JSON = (b"content-type", b"application/json")
MIB = b" " * 1024 * 1024
LARGE = 1 << 30
#: What is wrong with them a stranger is not told: not JSON, JSON of the wrong kind, another type, too large, and
#: announced as too large.
BODIES: dict[str, tuple[bytes, tuple[tuple[bytes, bytes], ...]]] = {
    "broken": (b'{"agent":', (JSON,)),
    "wrong": (b"[1, 2]", (JSON,)),
    "deep": (b"[" * 5000, (JSON,)),
    "another type": (b"a=1", ((b"content-type", b"text/plain"),)),
    "pieces of another type": (b"a=1", ((b"content-type", b"text/plain"), (b"transfer-encoding", b"chunked"))),
    "endless": (MIB, (JSON, (b"transfer-encoding", b"chunked"))),
    "announced": (MIB, (JSON, (b"content-length", str(LARGE).encode()))),
}


@dataclass
class Asked:
    """A request, and what became of it."""

    sent: list[Message] = field(default_factory=list)
    #: Bytes of the body that were read before the answer began.
    read_before: int = 0

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def code(self) -> str:
        body = b"".join(one.get("body", b"") for one in self.sent[1:])
        told = orjson.loads(body)
        # OpenAI's clients are told in an envelope of their own.
        return str(told.get("error", told)["code"])

    @property
    def closes(self) -> bool:
        return (b"connection", b"close") in self.sent[0]["headers"]


async def ask(app: FastAPI, operation: str, kind: str, *headers: tuple[bytes, bytes]) -> Asked:
    method, path = operation.split(" ")
    piece, more = BODIES[kind]
    if not {b"transfer-encoding", b"content-length"} & dict(more).keys():
        more = (*more, (b"content-length", str(len(piece)).encode()))
    asked = Asked()

    async def receive() -> Message:
        if not asked.sent:
            asked.read_before += len(piece)
        return {"type": "http.request", "body": piece, "more_body": piece is MIB}

    async def send(message: Message) -> None:
        asked.sent.append(message)

    url = re.sub(r"\{[^}]*\}", "user", path)
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": url,
        "raw_path": url.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *more, *headers],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    await app(scope, receive, send)
    return asked


def routes() -> Iterator[tuple[str, Any]]:
    for route in iter_route_contexts(create_routes().routes):
        for method in sorted(getattr(route, "methods", None) or ()):
            if method != "HEAD":
                yield f"{method} {getattr(route, 'path', '')}", route


def guarded() -> list[str]:
    return [operation for operation, _ in routes() if operation not in OPEN and operation != "GET /openapi.json"]


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> Any:
    """Makes a gateway whose Temporal is nowhere: nothing here comes so far."""
    client = await Client.connect("127.0.0.1:1", lazy=True)
    blobs = LocalBlobs(tmp_path)

    def made(**options: Any) -> FastAPI:
        return create_app(
            client=client,
            live=MemoryLive(asyncio.get_running_loop()),
            blobs=blobs,
            definitions=Definitions((), blobs=blobs),
            settings=Settings(),
            **options,
        )

    return made


async def nobody(_request: HTTPConnection) -> Principal:
    raise Problem("unauthenticated")


async def ann(_request: HTTPConnection) -> Principal:
    return Principal("lab", "ann", EVERYTHING)


def test_every_route_is_a_door_and_knows_its_caller() -> None:
    seen = dict(routes())
    assert seen.keys() > OPEN
    (depends,) = get_args(Caller)[1:]
    for operation, route in seen.items():
        if operation == "GET /openapi.json":
            continue
        assert isinstance(route.original_route, Door), operation
        asks = any(one.call is depends.dependency for one in route.dependant.dependencies)
        assert asks is not (operation in OPEN), operation


@pytest.mark.parametrize("kind", BODIES)
async def test_a_stranger_is_told_nothing_about_a_body_on_any_route(make: Any, kind: str) -> None:
    app = make(authenticate=nobody)
    for operation in guarded():
        asked = await ask(app, operation, kind)
        told = (operation, asked.status, asked.code, asked.read_before)
        assert told == (operation, 401, "unauthenticated", 0)
        # Such a body is not waited for to its end.
        assert asked.closes or kind not in ("endless", "announced"), operation


@pytest.mark.parametrize("kind", BODIES)
async def test_a_caller_over_the_limit_is_told_so_before_anything_else(make: Any, kind: str) -> None:
    limits = Limits(Caps(requests={"user": Rate(1e-6, 1)}))
    caller = await ann(HTTPConnection({"type": "http"}))
    with suppress(RateLimited):
        while True:
            await limits.request(caller)
    app = make(authenticate=ann, limits=limits)
    for operation in guarded():
        asked = await ask(app, operation, kind)
        assert (operation, asked.status, asked.code, asked.read_before) == (operation, 429, "rate_limited", 0)


async def test_a_caller_is_told_what_is_wrong_with_a_body(make: Any) -> None:
    app = make(authenticate=ann)
    for kind, status in (
        *(("broken", 422), ("wrong", 422), ("deep", 422)),
        *(("another type", 415), ("pieces of another type", 415), ("endless", 413), ("announced", 413)),
    ):
        asked = await ask(app, "POST /v1/sessions", kind)
        assert (kind, asked.status) == (kind, status)
    # Whether a route takes a body or not.
    assert (await ask(app, "GET /v1/agents", "announced")).status == 413
    assert (await ask(app, "DELETE /v1/sessions/{session_id}", "another type")).status == 415


async def test_a_request_counts_once(make: Any) -> None:
    asked = 0

    async def counting(request: HTTPConnection) -> Principal:
        nonlocal asked
        asked += 1
        return await ann(request)

    app = make(authenticate=counting)
    assert (await ask(app, "POST /v1/sessions", "wrong")).status == 422
    assert asked == 1


async def test_a_sign_in_is_from_an_own_page_and_small(make: Any) -> None:
    app_page = ((b"origin", b"https://app.example.com"), (b"sec-fetch-site", b"same-site"))
    app = make(authenticate=nobody, sign_in=Authentication(None, None).sign_in)
    for kind in BODIES:
        asked = await ask(app, "POST /v1/sign-in", kind, *app_page)
        assert (asked.status, asked.read_before) == (403, 0)
    large = await ask(app, "POST /v1/sign-in", "endless", *OWN_PAGE)
    assert (large.status, large.closes) == (413, True)
    assert BODY_BYTES < large.read_before == len(MIB)
    assert (await ask(app, "POST /v1/sign-in", "announced", *OWN_PAGE)).read_before == 0
    assert (await ask(app, "POST /v1/sign-in", "wrong", *OWN_PAGE)).status == 422


async def test_a_client_that_still_sends_reads_the_refusal(make: Any) -> None:
    """Over sockets: a connection that is closed with bytes unread would be reset."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield MIB

    async with serve(make(authenticate=nobody)) as port:
        for content in (MIB * 30, pieces()):
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                answer = await http.post("/v1/sessions", content=content, headers={"Content-Type": "application/json"})
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
                assert answer.headers["connection"] == "close"
                assert (await http.get("/healthz")).status_code == 200
