"""Temporal's Web UI behind the shipped Caddyfile: whom it is for, in a browser and beside it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from starlette.responses import PlainTextResponse

from tests.support.ports import free_ports
from tests.support.proxy import Proxy
from tests.support.serving import serve

pytestmark = pytest.mark.server

CADDYFILE = Path(__file__).parents[1] / "temporal" / "app" / "deploy" / "Caddyfile"
OWN = "http://localhost:8080, http://127.0.0.1:8080 {"


@pytest_asyncio.fixture
async def ui(tmp_path: Path) -> AsyncIterator[str]:
    """Its address."""
    _, _, section = CADDYFILE.read_text().partition("\n# Temporal's Web UI")
    (port,) = free_ports(1)
    async with serve(PlainTextResponse("passed")) as upstream:
        server = Proxy(tmp_path, [f"http://127.0.0.1:{upstream}"])
        shipped = f"#{section}".replace(OWN, f"http://localhost:{port}, http://127.0.0.1:{port} {{")
        shipped = shipped.replace("temporal-ui:8080", f"127.0.0.1:{upstream}")
        assert "8080" not in shipped
        (tmp_path / "Caddyfile").write_text("{\n\tadmin off\n}\n" + shipped)
        await server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await server.kill()


LINK = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


async def test_other_pages_do_not_reach_the_web_ui(ui: str) -> None:
    async with httpx2.AsyncClient(base_url=ui, timeout=30) as http:
        for headers in (
            {},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": "same-origin", "Origin": ui},
            {"Origin": ui},
        ):
            for method in ("GET", "POST"):
                assert (await http.request(method, "/api/v1/x", headers=headers)).text == "passed", headers
        assert (await http.get("/namespaces", headers=LINK)).text == "passed"
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "CROSS-SITE"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "anything"},
            {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
            {**LINK, "Sec-Fetch-Site": "cross-site"},
            {**LINK, "Sec-Fetch-Mode": "cors"},
            {**LINK, "Sec-Fetch-Dest": "iframe"},
        ):
            answer = await http.get("/api/v1/x", headers=headers)
            assert (answer.status_code, answer.text) == (403, "Open the Web UI itself."), headers
        assert (await http.post("/api/v1/x", headers=LINK)).status_code == 403
        twice = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")]
        assert (await http.get("/", headers=twice)).status_code == 403
