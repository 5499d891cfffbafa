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

    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = next(value.decode() for name, value in scope["headers"] if name == b"host")
        if (host, scope["path"]) == ("localhost", "/healthz"):
            self.was_asked.set()
        answer = await health.healthz_stream() if scope["path"] == "/healthz/stream" else PlainTextResponse("passed")
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


async def test_the_gateways_are_asked_whether_they_live(before: Proxy, upstream: Upstream) -> None:
    async with asyncio.timeout(30):
        await upstream.was_asked.wait()
    async with httpx2.AsyncClient(timeout=30) as http:
        assert (await http.get(f"{before.url}/v1/sessions")).text == "passed"


async def test_doctor_asks_inside(before: Proxy) -> None:
    async def found(url: str) -> dict[str, Check]:
        return {check.name: check async for check in gateway(url)}

    public, inner = await found(before.url), await found(before.inner_url)
    assert [(public[name].state, "ask from inside" in public[name].advice) for name in ("gateway", "streaming")] == [
        ("unknown", True)
    ] * 2
    assert [inner[name].state for name in ("gateway", "streaming")] == ["ok", "ok"]
