"""The proxy in front of the Web UI: which requests pass, and that they pass unchanged."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from perdure.temporal.app.dev_server.ports import listen
from perdure.temporal.app.dev_server.web_ui import guarded_web_ui
from perdure.temporal.telemetry.hidden_address import Address
from tests.support.ports import free_ports
from tests.support.serving import serve
from tests.support.session_client import told

FIRST, SECOND = b"first", b"second"


class Upstream:
    """Echoes the request; `/slow` sends its second half once `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.url.path == "/slow":
            await StreamingResponse(self._halves())(scope, receive, send)
            return
        body = await request.body()
        asked = {
            "method": request.method,
            "path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "host": request.headers["host"],
            "cookie": request.headers.get("cookie", ""),
            "body": body.decode(),
        }
        response = Response(json.dumps(asked), 201)
        response.headers.append("Set-Cookie", "_csrf=a")
        response.headers.append("Set-Cookie", "other=b")
        await response(scope, receive, send)

    async def _halves(self) -> AsyncIterator[bytes]:
        yield FIRST
        await self.go.wait()
        yield SECOND


@asynccontextmanager
async def web_ui(upstream: Address, *hosts: str) -> AsyncIterator[httpx2.AsyncClient]:
    (port,) = free_ports(1)
    with listen("127.0.0.1", port, "--ui-port") as listener:
        async with (
            guarded_web_ui(upstream, listener, hosts),
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
        ):
            yield client


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_requests_and_answers_pass_as_they_are() -> None:
    async with serve(Upstream()) as port, web_ui(Address("127.0.0.1", port)) as client:
        for content in (b"{}", pieces(b"{", b"}")):
            answer = await client.post("/api/v1/a%2Fb%20c?q=%25&r", content=content, headers={"Cookie": "_csrf=mine"})
            assert answer.status_code == 201
            assert answer.json() == {
                "method": "POST",
                "path": "/api/v1/a%2Fb%20c",
                "query": "q=%25&r",
                "host": str(client.base_url.netloc.decode()),
                "cookie": "_csrf=mine",
                "body": "{}",
            }
            assert answer.headers.get_list("set-cookie") == ["_csrf=a", "other=b"]
        client.cookies.clear()
        # One person's cookie is not given to another.
        assert (await client.get("/")).json()["cookie"] == ""
        assert (await client.head("/")).status_code == 201


async def test_an_answer_comes_as_it_is_made() -> None:
    upstream = Upstream()
    async with (
        serve(upstream) as port,
        web_ui(Address("127.0.0.1", port)) as client,
        client.stream("GET", "/slow") as got,
    ):
        parts = got.aiter_raw()
        assert await anext(parts) == FIRST
        upstream.go.set()
        assert await anext(parts) == SECOND


async def test_strangers_are_kept_out() -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with serve(Upstream()) as port, web_ui(Address("127.0.0.1", port), "ui.example.com") as client:
        for path in ("/", "/api/v1/namespaces"):
            assert told(await client.get(path, headers={"Host": "evil.example"})) == (421, "unknown_host")
            for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}):
                assert told(await client.get(path, headers=headers)) == (403, "foreign_origin")
                assert told(await client.post(path, headers=headers)) == (403, "foreign_origin")
            assert (await client.get(path, headers={"Host": "ui.example.com"})).status_code == 201
            assert (await client.get(path, headers={"Origin": str(client.base_url).rstrip("/")})).status_code == 201
        assert (await client.get("/namespaces/default/workflows", headers=link)).status_code == 201
        assert told(await client.get("/api/v1/namespaces", headers=link)) == (403, "foreign_origin")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_ui_that_is_away_is_said_to_be(method: str) -> None:
    (nobody,) = free_ports(1)
    async with web_ui(Address("127.0.0.1", nobody)) as client:
        answer = await client.request(method, "/", content=b"{}" if method == "POST" else None)
        assert (answer.status_code, answer.text) == (502, "Temporal's Web UI does not answer.\n")
