"""Which bodies reach an app that would accept any."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from perdure.gateway.http.json_bodies import JsonBodies
from tests.support.session_client import told

WRITES = ["POST", "PUT", "PATCH", "DELETE"]
NOT_JSON = [
    *("text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
    *("", "json", "application/json5", "text/json", "application/octet-stream", "text/plain; application/json"),
    *("application/json, text/plain", "text/plain, application/json", "image/svg+json", "application/jsonp"),
]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(await Request(scope, receive).body())(scope, receive, send)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def send(
    method: str, content: bytes | AsyncIterator[bytes] | None, *types: str, path: str = "/x"
) -> httpx2.Response:
    app = JsonBodies(echo, raw={"/files"})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        headers = [("Content-Type", given) for given in types]
        return await client.request(method, path, content=content, headers=headers)


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("kind", NOT_JSON)
async def test_only_json_is_taken(method: str, kind: str) -> None:
    for content in (b"{}", pieces(b"", b"{", b"}")):
        assert told(await send(method, content, kind)) == (415, "unsupported_media_type")


async def test_a_body_of_no_type_or_of_two_is_refused() -> None:
    assert told(await send("POST", b"{}")) == (415, "unsupported_media_type")
    assert told(await send("POST", b"{}", "application/json", "text/plain")) == (415, "unsupported_media_type")


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json", " application/json "]
)
async def test_json_comes_through_whole(method: str, kind: str) -> None:
    assert (await send(method, b'{"a": 1}', kind)).content == b'{"a": 1}'
    assert (await send(method, pieces(b"", b'{"a"', b": 1}"), kind)).content == b'{"a": 1}'


@pytest.mark.parametrize("method", WRITES)
async def test_without_a_body_no_type_is_needed(method: str) -> None:
    for content in (None, b"", pieces(), pieces(b"", b"")):
        answer = await send(method, content)
        assert (answer.status_code, answer.content) == (200, b"")


async def test_reads_and_paths_that_take_raw_bytes_are_let_alone() -> None:
    assert (await send("GET", b"x", "text/plain")).content == b"x"
    assert (await send("POST", b"x", "image/png", path="/files")).content == b"x"
