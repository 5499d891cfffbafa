"""Hostile HTTP against the real server: refused with a message, never a 5xx, nothing lost, and the server survives."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import Sessions, told

pytestmark = pytest.mark.server

JSON = {"Content-Type": "application/json"}
MIB = 2**20
#: Every route of a session, with a valid body.
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/v1/sessions/{}", None),
    ("GET", "/v1/sessions/{}/events", None),
    ("GET", "/v1/sessions/{}/trace", None),
    ("POST", "/v1/sessions/{}/messages", {"text": "hello"}),
    ("POST", "/v1/sessions/{}/stop", {}),
    ("PATCH", "/v1/sessions/{}", {"model": "fast"}),
    ("PATCH", "/v1/sessions/{}/limits", {"session": {"cost_usd": 1.0}}),
    ("DELETE", "/v1/sessions/{}", None),
]


@pytest_asyncio.fixture(loop_scope="session")
async def sessions(http: httpx2.AsyncClient, provider: FakeProvider) -> AsyncIterator[Sessions]:
    """Checks afterwards that the server is alive, has logged no failure, and still answers."""
    provider.default(Reply())
    sessions = Sessions(http)
    yield sessions
    assert (await http.get("/healthz")).status_code == 200
    answer = await sessions.ask(await sessions.create(), "still there?")
    assert answer["turn"]["reason"] == "done"


@pytest.fixture(scope="module", autouse=True)
def no_failure_in_the_log(dev: Dev) -> Any:
    yield
    assert not [line for line in dev.output if "gateway.failed" in line or "Traceback" in line]


def fields_of(answer: httpx2.Response) -> list[str]:
    assert told(answer) == (422, "validation")
    return [error["field"] for error in answer.json()["errors"]]


NESTED = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
DEEP = b'{"data": ' + b"[" * 100 + b"]" * 100 + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nothing",
        b'{"text": "a"} {"text": "b"}',
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf" + b'{"text": "a"}',
        '{"text": "a"}'.encode("utf-16"),
        b'{"text": "a", "text": "b"}',
        b'{"text": NaN}',
        b'{"text": 1e999}',
        b'{"text": ' + b"9" * 5000 + b"}",
        b'{"text": "\\ud800"}',
        b'{"text": "a\\udc00b"}',
        b'{"text": "nul\\u0000"}',
        b'{"text": "nul\x00"}',
        NESTED,
        DEEP,
        b"[" * 200_000,
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_bodies_that_are_no_json_object(sessions: Sessions, body: bytes) -> None:
    session = await sessions.create()
    for path in ("/v1/sessions", f"/v1/sessions/{session}/messages"):
        answer = await sessions.http.post(path, content=body, headers=JSON)
        assert told(answer) == (422, "validation")
    assert (await sessions.snapshot(session))["seq"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"text": "a", "parts": [{"type": "text", "text": "b"}]}, "body"),
        ({"text": 1}, "text"),
        ({"text": ["a"]}, "text"),
        ({"text": None}, "body"),
        ({"text": ""}, "text"),
        ({"text": " \n\t"}, "text"),
        ({"text": "a", "colour": "red"}, "colour"),
        ({"text": "a", "busy": "later"}, "busy"),
        ({"text": "a", "message_id": ""}, "message_id"),
        ({"text": "a", "message_id": ".."}, "message_id"),
        ({"text": "a", "message_id": 7}, "message_id"),
        ({"text": "a", "message_id": "x" * 201}, "message_id"),
        ({"text": "a", "message_id": "a/b"}, "message_id"),
        ({"text": "a", "message_id": "a\nb"}, "message_id"),
        ({"parts": []}, "parts"),
        ({"parts": {}}, "parts"),
        ({"parts": "text"}, "parts"),
        ({"parts": [{"type": "text"}]}, "parts[0].text"),
        ({"parts": [{"type": "tool_call", "call_id": "c", "name": "n", "args": {}}]}, "parts[0]"),
        ({"parts": [{"type": "text", "text": "a", "native": {"api": "x", "block": {}}}]}, "parts[0].native"),
        ({"parts": [{"type": "text", "text": "a", "blob": {"key": "default/x/y", "size": 1}}]}, "parts[0].blob"),
        ({"parts": [{"type": "file", "uri": "file:///etc/passwd", "media_type": "a/b", "name": "p"}]}, "parts[0].uri"),
        ({"parts": [{"type": "text", "text": "a"}] * 257}, "parts"),
    ],
    ids=str,
)
async def test_messages_that_are_not_right_name_their_field(
    sessions: Sessions, body: dict[str, Any], field: str
) -> None:
    session = await sessions.create()
    answer = await sessions.http.post(f"/v1/sessions/{session}/messages", json=body)
    assert fields_of(answer) == [field]
    first = await sessions.http.post("/v1/sessions", json={"agent": "assistant", "message": body})
    assert told(first) == (422, "validation")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "agent"),
        ({"agent": "nobody"}, "agent"),
        ({"agent": 1}, "agent"),
        ({"agent": "assistant", "inputs": []}, "inputs"),
        ({"agent": "assistant", "inputs": {"unknown": 1}}, "inputs.unknown"),
        ({"agent": "support", "inputs": {"customer_name": 1}}, "inputs.customer_name"),
        ({"agent": "support", "inputs": {"customer_name": ""}}, "inputs.customer_name"),
        ({"agent": "assistant", "metadata": {"a": "x" * 40_000}}, "metadata"),
        ({"agent": "assistant", "user": "a\nb"}, "user"),
        ({"agent": "assistant", "user": "x" * 201}, "user"),
        ({"agent": "assistant", "message": 7}, "message"),
        ({"agent": "assistant", "session_id": "a b"}, "session_id"),
        ({"agent": "assistant", "tenant": "other"}, "tenant"),
    ],
    ids=str,
)
async def test_creates_that_are_not_right_name_their_field(
    sessions: Sessions, body: dict[str, Any], field: str
) -> None:
    assert fields_of(await sessions.http.post("/v1/sessions", json=body)) == [field]


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("PATCH", "", "model"),
        ("PATCH", "", "digest"),
        ("PATCH", "/limits", "session.cost_usd"),
        ("PATCH", "/limits", "turn.steps"),
        ("POST", "/stop", "turn_id"),
    ],
)
async def test_commands_with_wrong_values(sessions: Sessions, method: str, path: str, field: str) -> None:
    session = await sessions.create()
    for value in (["x"], {"y": 1}, -1, "no such", "\ud83d", True):
        body: Any = value
        for name in reversed(field.split(".")):
            body = {name: body}
        answer = await sessions.http.request(
            method, f"/v1/sessions/{session}{path}", content=json.dumps(body).encode(), headers=JSON
        )
        assert answer.status_code == 422, (value, answer.text)
        told(answer)


@pytest.mark.parametrize(
    "session_id",
    [
        ".",
        "..",
        "...%2f",
        "a b",
        "a/b",
        "a\\b",
        "ä",
        "日本",
        "a\u202eb",
        "a%00b",
        "x" * 201,
        "%2e%2e",
        "'",
        '"',
        "a'b",
        "",
    ],
)
async def test_ids_that_are_none(sessions: Sessions, session_id: str) -> None:
    answer = await sessions.http.post("/v1/sessions", json={"agent": "assistant", "session_id": session_id})
    assert fields_of(answer) == ["session_id"]
    for method, path, body in ROUTES:
        # Built by hand, because clients normalise `..` before they send it.
        url = path.format(quote(session_id, safe="").replace(".", "%2e"))
        answer = await sessions.http.request(method, url, json=body)
        assert answer.status_code in (404, 405, 422), (method, url, answer.text)
        told(answer)


@pytest.mark.parametrize("session_id", ["x" * 200, "A.b_c~d:e-f", "...", "-", "null", "%7E"])
async def test_ids_that_are_strange_but_right(sessions: Sessions, session_id: str) -> None:
    name = session_id.replace("%7E", "~")
    await sessions.create(session_id=name)
    answer = await sessions.http.get(f"/v1/sessions/{session_id}")
    assert (answer.status_code, answer.json()["session_id"]) == (200, name)


async def test_a_session_that_nobody_made(sessions: Sessions) -> None:
    for method, path, body in ROUTES:
        answer = await sessions.http.request(method, path.format("nobody"), json=body)
        assert told(answer) == (404, "session_not_found"), (method, path)
    answer = await sessions.http.get("/v1/agents/nobody")
    assert told(answer) == (404, "agent_not_found")
    assert re.search("no agent 'nobody'. There are: .*support", answer.json()["detail"])
    assert told(await sessions.http.get("/v1/nothing")) == (404, "not_found")


async def test_methods_and_content_types_that_no_route_takes(sessions: Sessions) -> None:
    session = await sessions.create()
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        answer = await sessions.http.request(method, f"/v1/sessions/{session}/messages")
        assert told(answer) == (405, "method_not_allowed"), method
        assert "allow" in answer.headers
    body = b'{"text": "hello"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"):
        answer = await sessions.http.post(
            f"/v1/sessions/{session}/messages", content=body, headers={"Content-Type": kind}
        )
        assert told(answer) == (415, "unsupported_media_type"), kind
    charset = {"Content-Type": "application/json; charset=utf-8"}
    assert (
        await sessions.http.post(f"/v1/sessions/{session}/messages", content=body, headers=charset)
    ).status_code == 202


@pytest.mark.parametrize("cursor", ["-1", "one", "1.0", "1e3", "0x1", " ", "", "١", "9" * 400, "1,2", "null", "+1"])
async def test_cursors_that_are_none(sessions: Sessions, cursor: str) -> None:
    session = await sessions.create()
    url = f"/v1/sessions/{session}/events"
    in_query = await sessions.http.get(url, params={"after": cursor})
    assert fields_of(in_query) == ["after"]
    if cursor != " ":  # no client sends it
        in_header = await sessions.http.get(url, headers=[(b"Last-Event-ID", cursor.encode())])
        assert fields_of(in_header) == ["Last-Event-ID"]


async def test_a_cursor_above_all_events_is_told_the_whole(sessions: Sessions) -> None:
    session = await sessions.create()
    async with sessions.view(session, after=999_999_999_999_999) as viewer:
        (whole,) = await viewer.until("session.snapshot")
        assert whole.data["seq"] == 1
        await sessions.send(session, "hello")
        assert [frame.seq for frame in await viewer.until("turn.finished") if frame.seq is not None] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("wait", ["-1", "301", "soon", "nan", "inf", "1e400", ""])
async def test_waits_that_are_none(sessions: Sessions, wait: str) -> None:
    session = await sessions.create()
    answer = await sessions.http.post(f"/v1/sessions/{session}/messages?wait={wait}", json={"text": "hello"})
    assert fields_of(answer) == ["wait"]
    assert (await sessions.snapshot(session))["messages"] == []


@pytest.mark.parametrize("query", ["status=asleep", "cursor=x", "cursor=AAAA", "cursor=%00"])
async def test_lists_that_cannot_be(sessions: Sessions, query: str) -> None:
    assert fields_of(await sessions.http.get(f"/v1/sessions?{query}")) == [query.partition("=")[0]]


@pytest.mark.parametrize("name", ["' OR 1=1 --", "a\\' b", "x\x00y", "日本", "%", "`", '"; DROP', "x" * 10_000])
async def test_lists_take_names_as_names(sessions: Sessions, name: str) -> None:
    for key in ("user", "agent"):
        answer = await sessions.http.get("/v1/sessions", params={key: name})
        if "\x00" in name or len(name) > 200:
            assert fields_of(answer) == [key]
        else:
            assert (answer.status_code, answer.json()["sessions"]) == (200, [])


async def test_bodies_above_the_limit(sessions: Sessions) -> None:
    session = await sessions.create()
    big = json.dumps({"text": "x" * (11 * MIB)}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(big), MIB):
            yield big[start : start + MIB]

    for path in ("/v1/sessions", f"/v1/sessions/{session}/messages"):
        for content in (big, pieces()):
            answer = await sessions.http.post(path, content=content, headers=JSON)
            assert told(answer) == (413, "body_too_large")
    assert (await sessions.snapshot(session))["seq"] == 1


async def test_a_body_that_ends_early(sessions: Sessions, dev: Dev) -> None:
    session = await sessions.create()
    for head in (
        f"POST /v1/sessions/{session}/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        'Content-Length: 100\r\n\r\n{"text": "hel',
        "GET /v1/sessions HTTP/one\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
        f"GET /{'x' * 100_000} HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", dev.port)
        writer.write(head.encode("latin-1"))
        writer.write_eof()
        answer = await reader.read(100)
        assert answer == b"" or answer.split()[1].startswith(b"4")
        writer.close()
    assert (await sessions.snapshot(session))["seq"] == 1


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    (
        *("text", "parts", "message_id", "busy", "agent", "inputs", "session_id", "message", "user", "metadata"),
        *("model", "digest", "turn_id", "session", "turn"),
    )
)
part = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "file", "data", "tool_result"])}, optional={"text": values}
)
bodies = st.dictionaries(names, values | st.lists(part, max_size=3) | st.just("assistant"), max_size=4) | values
targets = st.sampled_from([("POST", "/v1/sessions"), *((m, p) for m, p, body in ROUTES if body is not None)])


def test_whatever_comes_is_answered(dev: Dev) -> None:
    with httpx2.Client(base_url=dev.url, timeout=30) as http:
        session = http.post("/v1/sessions", json={"agent": "assistant"}).json()["session_id"]

        @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(target=targets, body=bodies)
        def answered(target: tuple[str, str], body: Any) -> None:
            method, path = target
            # Values that are not JSON (NaN, halves of surrogate pairs) are sent as Python writes them.
            data = json.dumps(body).encode()
            answer = http.request(method, path.format(session), content=data, headers=JSON)
            assert answer.status_code < 500, (target, data, answer.text)
            if answer.status_code >= 400:
                told(answer)

        answered()
        assert http.get(f"/v1/sessions/{session}").json()["status"] in ("idle", "working")
