"""The gateway in trouble: hostile requests, no worker, no Temporal. Every error is a problem, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
import uvicorn
from temporalio.client import Client

from perdure.gateway.app import create_app
from perdure.gateway.routes.context import ReadMetrics
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.definitions.store import SHIPPED, Definitions
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import LocalBlobs

pytestmark = pytest.mark.server

JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def serving(
    client: Client,
    folder: Path,
    *,
    host: str = "localhost",
    allowed_hosts: tuple[str, ...] = (),
    read_metrics: ReadMetrics | None = None,
) -> AsyncIterator[httpx2.AsyncClient]:
    """A gateway without a worker, and a client for it."""
    blobs = LocalBlobs(folder)
    app = create_app(
        client=client,
        live=MemoryLive(asyncio.get_running_loop()),
        blobs=blobs,
        definitions=Definitions([SHIPPED], blobs=blobs),
        settings=Settings(query_timeout_s=1, body_limit_bytes=100_000, allowed_hosts=allowed_hosts),
        host=host,
        read_metrics=read_metrics,
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    running = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            yield http
    finally:
        server.should_exit = True
        await running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def temporal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    """A Temporal server that no worker polls."""
    async with DevServer(tmp_path_factory.mktemp("alone"), 0, None) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(temporal: DevServer) -> Client:
    return await connect(Settings(), address=temporal.address)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(client, tmp_path_factory.mktemp("blobs")) as connected:
        yield connected


def code(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/s1/messages"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe{}",
        b'{"text":NaN}',
        b'{"text":1e999}',
        b'{"text":"a","text":"b"}',
        b'{"text":"\\ud800"}',
        b'{"text":"\\u0000"}',
        b"[" * 50_000,
        b'{"a":' * 10_000,
    ],
)
async def test_bodies_that_are_broken(http: httpx2.AsyncClient, path: str, body: bytes) -> None:
    assert code(await http.post(path, content=body, headers=JSON)) == (422, "validation")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json5", ""])
async def test_a_body_must_say_that_it_is_json(http: httpx2.AsyncClient, content_type: str) -> None:
    answer = await http.post("/v1/sessions", content=b'{"agent":"a"}', headers={"Content-Type": content_type})

    assert code(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "/v1/sessions/s1/stop"), ("DELETE", "/v1/sessions/s1"), ("DELETE", "/v1/sessions/s1?erase=true")),
        *(("DELETE", "/v1/sessions/s1/timers/t1"), ("PATCH", "/v1/sessions/s1"), ("POST", "/v1/sessions/s1/answers")),
    ],
)
async def test_no_route_takes_a_body_that_is_not_json(http: httpx2.AsyncClient, method: str, path: str) -> None:
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data; boundary=x"}, {}):
        answer = await http.request(method, path, content=b"{}", headers=headers)
        assert code(answer) == (415, "unsupported_media_type")
    vendor = {"Content-Type": "application/merge-patch+json"}
    assert (await http.request(method, path, content=b"{}", headers=vendor)).status_code != 415


@pytest.mark.parametrize(
    ("method", "path", "status", "kept"),
    [
        ("GET", "/v1/sessions", 200, "no-store"),
        ("GET", "/v1/agents", 200, "no-store"),
        ("GET", "/healthz", 200, "no-store"),
        ("GET", "/openapi.json", 200, "no-store"),
        ("GET", "/nothing", 404, "no-store"),
        ("GET", "/v1/sessions/nobody", 404, "no-store"),
        ("PUT", "/v1/sessions", 405, "no-store"),
        ("POST", "/v1/sessions", 422, "no-store"),
        ("GET", "/pages/nothing.js", 404, "no-store"),
        ("GET", "/", 200, "no-cache"),
        ("GET", "/docs", 200, "no-cache"),
        ("GET", "/client.js", 200, "no-cache"),
        ("GET", "/client.d.ts", 200, "no-cache"),
        ("GET", "/pages/chat/chat.css", 200, "no-cache"),
    ],
)
async def test_every_answer_says_how_it_may_be_kept_and_read(
    http: httpx2.AsyncClient, method: str, path: str, status: int, kept: str
) -> None:
    answer = await http.request(method, path)
    assert (answer.status_code, answer.headers["cache-control"]) == (status, kept)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.headers.get_list("cache-control")) == 1
    if answer.headers["content-type"].startswith("text/html"):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_refusals_say_so_as_well(http: httpx2.AsyncClient) -> None:
    for headers, content, expected in (
        ({"Host": "evil.example"}, b"", (421, "unknown_host")),
        ({"Origin": "http://evil.example"}, b"", (403, "foreign_origin")),
        ({"Content-Type": "text/plain"}, b"{}", (415, "unsupported_media_type")),
        (JSON, b'"' + b"x" * 100_000 + b'"', (413, "body_too_large")),
    ):
        answer = await http.post("/v1/sessions", headers=headers, content=content)
        assert code(answer) == expected
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.slow
async def test_a_failure_that_nobody_expected_says_so_as_well(client: Client, tmp_path: Path) -> None:
    async def broken() -> bytes:
        raise RuntimeError("a bug")

    async with serving(client, tmp_path, read_metrics=broken) as http:
        answer = await http.get("/metrics")
        assert code(answer) == (500, "internal")
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_a_page_that_did_not_change_is_kept(http: httpx2.AsyncClient) -> None:
    first = await http.get("/pages/chat/chat.css")
    again = await http.get("/pages/chat/chat.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")


@pytest.mark.parametrize("bind", ["gateway.lan", "127.0.0.1"])
async def test_the_name_it_is_served_on_and_names_that_are_set_are_its_own(
    client: Client, tmp_path: Path, bind: str
) -> None:
    async with serving(client, tmp_path, host=bind, allowed_hosts=("agents.example.com",)) as http:
        for name in (
            bind,
            f"{bind}:80",
            "agents.example.com",
            "AGENTS.example.com:443",
            "localhost",
            "[::1]:1",
            "10.0.0.7",
        ):
            assert (await http.get("/v1/agents", headers={"Host": name})).status_code == 200, name
        for name in ("gateway.lan" if bind == "127.0.0.1" else "other.lan", "x.agents.example.com", "example.com"):
            assert code(await http.get("/v1/agents", headers={"Host": name})) == (421, "unknown_host"), name


async def test_a_body_above_the_limit_is_refused_however_it_comes(http: httpx2.AsyncClient) -> None:
    body = b'{"agent":"assistant","message":"' + b"x" * 100_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    for content in (body, pieces()):
        assert code(await http.post("/v1/sessions", content=content, headers=JSON)) == (413, "body_too_large")
    assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("bad", ["%2e", "%2e%2e", "a%20b", "a%00", "%C3%A4", "a" * 201])
async def test_ids_in_addresses_are_checked(http: httpx2.AsyncClient, bad: str) -> None:
    for path in (f"/v1/sessions/{bad}", f"/v1/sessions/{bad}/events", f"/sessions/{bad}"):
        answer = await http.get(path)
        assert code(answer) == (422, "validation")
        assert answer.json()["errors"][0]["field"] == "session_id"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, "not_found")),
        ("GET", "/v1/sessions/", (404, "not_found")),
        ("GET", "/v1/agents/nobody", (404, "agent_not_found")),
        ("GET", "/pages/../app.py", (404, "not_found")),
        ("GET", "/pages/%2e%2e/app.py", (404, "not_found")),
        ("PUT", "/v1/sessions", (405, "method_not_allowed")),
        ("PATCH", "/v1/sessions/s1/messages", (405, "method_not_allowed")),
        ("POST", "/v1/sessions/s1/messages?wait=301", (422, "validation")),
        ("POST", "/v1/sessions/s1/messages?wait=nan", (422, "validation")),
        ("POST", "/v1/sessions/s1/fork", (422, "validation")),
    ],
)
async def test_wrong_addresses(http: httpx2.AsyncClient, method: str, path: str, expected: tuple[int, str]) -> None:
    body = b'{"text":"a"}' if method == "POST" else None
    assert code(await http.request(method, path, content=body, headers=JSON)) == expected


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/sessions/s1", "text/html"),
        ("/client.js", "text/javascript"),
        ("/client.d.ts", "application/typescript"),
        ("/pages/chat/chat.css", "text/css"),
        ("/docs", "text/html"),
        ("/openapi.json", "application/json"),
    ],
)
async def test_pages_load_nothing_from_other_hosts(http: httpx2.AsyncClient, path: str, kind: str) -> None:
    answer = await http.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    for words in ('src="http', 'href="http', "@import", "cdn."):
        assert words not in answer.text


async def test_the_docs_name_every_route_and_code(http: httpx2.AsyncClient) -> None:
    page = (await http.get("/docs")).text

    for path in (await http.get("/openapi.json")).json()["paths"]:
        assert path in page
    assert 'id="session_closed"' in page


async def test_without_a_worker_nothing_is_signalled(http: httpx2.AsyncClient, client: Client) -> None:
    created = await http.post("/v1/sessions", json={"agent": "assistant", "session_id": "waits", "message": "hi"})
    before = await client.get_workflow_handle("default/waits").describe()

    answers = await asyncio.gather(
        http.get("/v1/sessions/waits"),
        http.get("/v1/sessions/waits/trace"),
        http.post("/v1/sessions/waits/messages", json={"text": "hi"}),
        http.post("/v1/sessions/waits/stop"),
        http.patch("/v1/sessions/waits", json={"model": "fast"}),
        http.delete("/v1/sessions/waits"),
        http.get("/readyz"),
    )

    assert created.status_code == 201
    assert [code(answer) for answer in answers] == [(503, "no_worker")] * len(answers)
    assert all(answer.headers["retry-after"] for answer in answers)
    after = await client.get_workflow_handle("default/waits").describe()
    assert after.history_length == before.history_length
    for path in ("/v1/sessions/unknown", "/v1/sessions/unknown/events"):
        assert code(await http.get(path)) == (404, "session_not_found")
    async with http.stream("GET", "/v1/sessions/waits/events") as stream:
        assert stream.status_code == 200
        lines = stream.aiter_lines()
        assert [await anext(lines) for _ in range(2)] == [": perdure", "retry: 2000"]
    assert (await http.get("/healthz")).status_code == 200


@pytest.mark.slow
async def test_without_temporal_every_answer_is_503_and_it_recovers(tmp_path: Path) -> None:
    settings = Settings()
    async with DevServer(tmp_path, 0, None) as server:
        client = await connect(settings, address=server.address)
        port = int(server.address.rpartition(":")[2])
    async with serving(client, tmp_path / "blobs") as http:
        answers = await asyncio.gather(
            http.post("/v1/sessions", json={"agent": "assistant", "session_id": "s1"}),
            http.get("/v1/sessions"),
            http.get("/v1/sessions/s1"),
            http.get("/v1/sessions/s1/events"),
            http.post("/v1/sessions/s1/messages", json={"text": "hi"}),
            http.get("/readyz"),
        )
        assert [code(answer) for answer in answers] == [(503, "temporal_unavailable")] * len(answers)
        assert (await http.get("/v1/agents")).status_code == 200
        assert (await http.get("/healthz")).status_code == 200

        async with DevServer(tmp_path, port, None), asyncio.timeout(30):
            while (answer := await http.get("/v1/sessions")).status_code != 200:
                assert code(answer) == (503, "temporal_unavailable")
            created = await http.post("/v1/sessions", json={"agent": "assistant", "session_id": "s1"})
            assert created.status_code in (200, 201)
