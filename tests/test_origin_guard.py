"""Which requests the guard passes to an app that would answer everything."""

import re

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from structlog.testing import capture_logs

from perdure.gateway.http.allowed_origins import AllowedOrigins
from perdure.gateway.http.hosts import KnownHosts
from perdure.gateway.http.origin_guard import OriginGuard
from perdure.gateway.routes.pages import LINKED
from perdure.temporal.settings import Settings, SettingsInvalid
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


APP = "https://app.example.com"
PAGE = {"Origin": APP, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}


async def listed(method: str, path: str, headers: dict[str, str], base_url: str = HERE) -> httpx2.Response:
    """As a server asks that lists the origin of an app."""
    app = OriginGuard(PlainTextResponse("served"), KnownHosts(), LINKED, AllowedOrigins([APP]))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=base_url) as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/sessions/s1/events"),
        ("POST", "/v1/sessions"),
        ("GET", "/client.js"),
        ("GET", "/pages/view/view.js"),
    ],
)
async def test_a_listed_origin_uses_the_api(method: str, path: str) -> None:
    answer = await listed(method, path, PAGE)
    assert (answer.text, answer.headers["access-control-allow-origin"]) == ("served", APP)
    assert (answer.headers["access-control-allow-credentials"], answer.headers["vary"]) == ("true", "Origin")


async def test_its_browser_asks_first_and_the_app_is_not_asked() -> None:
    answer = await listed("OPTIONS", "/v1/sessions/s1/messages", {**PAGE, **ASKS})
    assert (answer.status_code, answer.text, answer.headers["access-control-allow-origin"]) == (204, "", APP)
    for name, value in (("methods", "PATCH"), ("headers", "Authorization"), ("headers", "Last-Event-ID")):
        assert value in answer.headers[f"access-control-allow-{name}"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", PAGE),
        ("/metrics", PAGE),
        ("/sessions/s1", PAGE),
        ("/v1/sessions", {**PAGE, "Origin": "https://app.example.com.evil.example"}),
        ("/v1/sessions", {**PAGE, "Origin": "http://app.example.com"}),
        ("/v1/sessions", {**PAGE, "Origin": f"{APP}:8443"}),
        ("/v1/sessions", {**PAGE, "Origin": "null"}),
        # A frame or an image of such a page has no origin that a server could trust.
        ("/v1/sessions", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
    ],
)
async def test_nothing_else_is_open_to_others(path: str, headers: dict[str, str]) -> None:
    for method, more in (("GET", {}), ("OPTIONS", ASKS)):
        answer = await listed(method, path, {**headers, **more})
        assert told(answer) == (403, "foreign_origin")
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_listed_origin_does_not_stand_for_a_host() -> None:
    assert told(await listed("GET", "/v1/sessions", PAGE, "http://app.example.com"))[1] == "unknown_host"


@pytest.mark.parametrize("wrong", ["*", "app.example.com", "https://app.example.com/", "https://*.example.com", "null"])
def test_an_origin_is_listed_in_whole(wrong: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"PERDURE_ALLOWED_ORIGINS: .*whole origins"):
        Settings.load(allowed_origins=f"{APP},{wrong}")
    assert Settings.load(allowed_origins=f"{APP}, http://[::1]:3000").allowed_origins == (APP, "http://[::1]:3000")


async def test_whoever_runs_the_server_is_told_once_which_origin_was_refused() -> None:
    app = OriginGuard(PlainTextResponse("served"), KnownHosts(), LINKED)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=HERE) as client:
        with capture_logs() as logs:
            for origin in (
                APP,
                APP,
                "null",
                "https://a b",
                "http://localhost:5173",
                *(f"https://{n}.x" for n in range(40)),
            ):
                answer = await client.get("/v1/sessions", headers={**PAGE, "Origin": origin})
                assert told(answer) == (403, "foreign_origin")
    assert [one["origin"] for one in logs[:2]] == [APP, "http://localhost:5173"]
    assert f"PERDURE_ALLOWED_ORIGINS={APP}" in logs[0]["advice"]
    assert len(logs) == 20
