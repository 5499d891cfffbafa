"""Which requests the guard passes to an app that would answer everything."""

import re

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from perdure.gateway.http.hosts import KnownHosts
from perdure.gateway.http.origin_guard import OriginGuard
from perdure.gateway.routes.pages import LINKED
from tests.support.session_client import told

HERE = "http://localhost:8000"
LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://127.0.0.1:8000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": HERE},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    {"Sec-Fetch-Site": "something-new"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "document"},
    {**LINK, "Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
)


async def ask(method: str, path: str, headers: dict[str, str], pages: re.Pattern[str] = LINKED) -> httpx2.Response:
    app = OriginGuard(PlainTextResponse("served"), KnownHosts(), pages)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=HERE) as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/sessions"),
        ("HEAD", "/v1/sessions/s1"),
        ("GET", "/metrics"),
        ("GET", "/"),
        ("POST", "/v1/sessions/s1/stop"),
        ("DELETE", "/v1/sessions/s1"),
        ("OPTIONS", "/v1/sessions"),
        ("POST", "/"),
    ],
)
async def test_other_sites_pages_get_nothing(method: str, path: str, headers: dict[str, str]) -> None:
    answer = await ask(method, path, headers)
    if method == "HEAD":
        assert answer.status_code == 403
    else:
        assert told(answer) == (403, "foreign_origin")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": HERE},
        {"Origin": "https://localhost:8000"},
        {"Sec-Fetch-Site": "same-origin", "Origin": HERE, "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "none", **LINK},
        {"Referer": "http://evil.example/"},
    ],
)
async def test_our_own_pages_and_who_is_no_browser_pass(method: str, headers: dict[str, str]) -> None:
    assert (await ask(method, "/v1/sessions", headers)).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/", "/docs", "/guide", "/guide/tools", "/sessions/s1", "/sessions/a~b"])
async def test_a_link_from_another_site_opens_a_page(path: str, site: str) -> None:
    assert (await ask("GET", path, {**LINK, "Sec-Fetch-Site": site})).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/sessions", "/v1/sessions/s1", "/metrics", "/sessions/s1/v1", "/openapi.json", "/guide/a/b"]
)
async def test_a_link_from_another_site_opens_no_data(path: str) -> None:
    assert told(await ask("GET", path, {**LINK, "Sec-Fetch-Site": "cross-site"})) == (403, "foreign_origin")


async def test_a_form_of_another_site_is_no_link() -> None:
    assert told(await ask("POST", "/", {**LINK, "Sec-Fetch-Site": "cross-site"})) == (403, "foreign_origin")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "", "localhost:8000x"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/sessions", "/client.js"])
async def test_an_unknown_host_is_told_what_to_set(host: str, path: str) -> None:
    answer = await ask("GET", path, {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"})
    assert told(answer) == (421, "unknown_host")
    assert "PERDURE_ALLOWED_HOSTS" in answer.json()["detail"]
    assert "evil" not in answer.text


async def test_two_host_names_are_none() -> None:
    status = 0

    async def send(message: dict[str, object]) -> None:
        nonlocal status
        status = status or int(str(message["status"]))

    scope = {
        **{"type": "http", "method": "GET", "path": "/"},
        "headers": [(b"host", b"localhost"), (b"host", b"evil.example")],
    }
    app = OriginGuard(PlainTextResponse("served"), KnownHosts(), LINKED)
    await app(scope, None, send)  # type: ignore[arg-type]
    assert status == 421
