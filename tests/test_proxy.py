"""The shipped Caddyfile, run by Caddy: what it keeps from the public, and what it asks the gateways."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from perdure.gateway.routes import health
from perdure.temporal.app.commands.checkup import Check
from perdure.temporal.app.commands.gateway_checks import gateway
from tests.support.proxy import Proxy, proxy
from tests.support.serving import serve

pytestmark = pytest.mark.server


@dataclass
class Upstream:
    """Answers everything, as a gateway answers what it is asked for."""

    name: str = "passed"
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    draining: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = next(value.decode() for name, value in scope["headers"] if name == b"host")
        if (host, scope["path"]) == ("localhost", "/healthz/traffic"):
            self.was_asked.set()
            await PlainTextResponse("", 503 if self.draining else 200)(scope, receive, send)
            return
        answer = await health.healthz_stream() if scope["path"] == "/healthz/stream" else PlainTextResponse(self.name)
        await answer(scope, receive, send)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest_asyncio.fixture
async def before(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with serve(upstream) as port, proxy(tmp_path, [f"http://127.0.0.1:{port}"]) as running:
        yield running


async def test_what_is_not_for_the_public_is_for_this_machine(before: Proxy) -> None:
    async with httpx2.AsyncClient(timeout=30) as http:
        for path in ("/readyz", "/READYZ", "/%72eadyz", "//readyz", "/./readyz", "/healthz/stream", "/metrics"):
            answer = await http.get(f"{before.url}{path}")
            assert (path, answer.status_code, answer.text) == (path, 404, "")
        for path in ("/healthz", "/", "/v1/sessions", "/v1/readyz", "/pages/metrics"):
            assert (path, (await http.get(f"{before.url}{path}")).text) == (path, "passed")
        for path in ("/readyz", "/metrics", "/healthz", "/v1/sessions"):
            assert (path, (await http.get(f"{before.inner_url}{path}")).text) == (path, "passed")


async def test_the_gateways_are_asked_whether_they_want_requests(before: Proxy, upstream: Upstream) -> None:
    async with asyncio.timeout(30):
        await upstream.was_asked.wait()
    async with httpx2.AsyncClient(timeout=30) as http:
        assert (await http.get(f"{before.url}/v1/sessions")).text == "passed"


async def test_a_gateway_that_drains_gets_no_more_requests(tmp_path: Path) -> None:
    one, other = Upstream("one"), Upstream("other")
    async with (
        serve(one) as port,
        serve(other) as next_port,
        proxy(tmp_path, [f"http://127.0.0.1:{port}", f"http://127.0.0.1:{next_port}"]) as before,
        httpx2.AsyncClient(base_url=before.url, timeout=30) as http,
        asyncio.timeout(60),
    ):
        while {(await http.get("/v1/sessions")).text for _ in range(10)} != {"one", "other"}:
            pass
        one.draining = True
        # Each of the proxy's two ways in asks for itself. The second question of each comes after what was answered to its
        # first is known.
        for _ in range(4):
            one.was_asked.clear()
            await one.was_asked.wait()
        assert {(await http.post("/v1/sessions", content=b"{}")).text for _ in range(20)} == {"other"}


async def test_a_connection_that_breaks_does_not_take_the_last_gateway_out(tmp_path: Path) -> None:
    drops = 1

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal drops
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST") and drops:
            drops -= 1
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as upstream,
        # What cannot be passed on is told at once.
        proxy(
            tmp_path,
            [f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"],
            {"lb_try_duration 5s": "lb_try_duration 0s"},
        ) as before,
        httpx2.AsyncClient(base_url=before.url, timeout=30) as http,
    ):
        answers = [await http.post("/v1/sessions", content=b"{}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [502, 200]


async def test_doctor_asks_inside(before: Proxy) -> None:
    async def found(url: str) -> dict[str, Check]:
        return {check.name: check async for check in gateway(url)}

    public, inner = await found(before.url), await found(before.inner_url)
    assert [(public[name].state, "ask from inside" in public[name].advice) for name in ("gateway", "streaming")] == [
        ("unknown", True)
    ] * 2
    assert [inner[name].state for name in ("gateway", "streaming")] == ["ok", "ok"]
