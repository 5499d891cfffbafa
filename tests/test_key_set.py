"""An identity provider's keys are fetched within bounds, whatever answers in its place."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from perdure.gateway.auth.key_set import KeySet
from perdure.gateway.http.problems import Problem
from tests.support.issuer import Issuer

MIB = 1024 * 1024
#: Of a key set that nothing may hold up, and far more than a fetch on this machine takes.
PATIENT_S = 60.0
#: Of one whose server never ends.
SHORT_S = 0.1

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Answers each request by what `answers` has for its path, and waits for the other side to leave."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    #: The other side has left.
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            self.asked.append(path)
            await self.answers[path](writer)
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self.ended.set()


@asynccontextmanager
async def serving(**answers: Answer) -> AsyncIterator[Server]:
    made = Server(answers={f"/{path}": answer for path, answer in answers.items()})
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made
        if made.asked:
            await made.ended.wait()


def whole(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = (f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}", *headers, "", "")
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return answer


async def endless(writer: asyncio.StreamWriter) -> None:
    """As fast as it is taken."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()


async def never(writer: asyncio.StreamWriter) -> None:
    """The head, and nothing more."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await writer.drain()


async def drop_by_drop(writer: asyncio.StreamWriter) -> None:
    """Always something, so that no single read takes long."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        # The other side takes it, as long as it wants it.
        await asyncio.sleep(0)


async def refused(keys: KeySet) -> str:
    """Why nothing was fetched, as the log has it."""
    with capture_logs() as logs, pytest.raises(Problem) as caught:
        await keys.generation()
    assert caught.value.code == "issuer_unavailable"
    (line,) = [log for log in logs if log["event"] == "auth.issuer_unavailable"]
    return str(line["problem"])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>Sign in</html>", ""),
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"[]", "something else than an object"),
        (b"null", "something else than an object"),
        (b"{}", "no JWKS"),
        (b'{"keys": {"a": 1}}', "no JWKS"),
        (b"[" * 500_000, "nested too deep"),
        (b'{"keys": [' + b" " * MIB + b"]}", "more than 1048576 bytes"),
        (b"\x1f\x8b\x08" + b"\0" * 100, ""),
    ],
)
async def test_what_is_no_key_set(body: bytes, why: str) -> None:
    async with serving(keys=whole(body)) as server:
        assert why in await refused(KeySet("issuer", f"{server.url}/keys", timeout_s=PATIENT_S))


async def test_an_answer_without_end_is_left_at_a_mebibyte() -> None:
    async with serving(keys=endless) as server:
        assert "more than 1048576 bytes" in await refused(KeySet("issuer", f"{server.url}/keys", timeout_s=PATIENT_S))
        # The connection is closed, so that the server is through.
        async with asyncio.timeout(PATIENT_S):
            await server.ended.wait()


@pytest.mark.parametrize("answer", [never, drop_by_drop])
async def test_an_answer_that_takes_too_long_is_left(answer: Answer) -> None:
    async with serving(keys=answer) as server:
        assert "Timeout" in await refused(KeySet("issuer", f"{server.url}/keys", timeout_s=SHORT_S))
        async with asyncio.timeout(PATIENT_S):
            await server.ended.wait()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_nothing_is_fetched_from_where_an_answer_points(status: str) -> None:
    good = json.dumps({"keys": [Issuer().jwk("ec")]}).encode()
    async with serving(elsewhere=whole(good)) as other:
        async with serving(keys=whole(good, status, f"Location: {other.url}/elsewhere")) as server:
            await refused(KeySet("issuer", f"{server.url}/keys", timeout_s=PATIENT_S))
        assert (server.asked, other.asked) == (["/keys"], [])


@pytest.mark.parametrize("status", ["204 No Content", "206 Partial Content", "404 Not Found", "500 Oops"])
async def test_only_a_plain_answer_counts(status: str) -> None:
    good = json.dumps({"keys": [Issuer().jwk("ec")]}).encode()
    async with serving(keys=whole(b"" if status.startswith("204") else good, status)) as server:
        await refused(KeySet("issuer", f"{server.url}/keys", timeout_s=PATIENT_S))


async def test_keys_that_are_none_are_left_out() -> None:
    good = Issuer().jwk("ec")
    odd = [7, None, {}, {"kty": ["EC"]}, {"kty": "EC", "kid": ["a"]}, {**good, "kid": {}}, {**good, "use": "enc"}]
    broken = {"kty": "EC", "crv": "P-256", "x": 1, "y": "", "kid": "broken"}
    async with serving(keys=whole(json.dumps({"keys": [*odd, broken, good]}).encode())) as server:
        keys = KeySet("issuer", f"{server.url}/keys", timeout_s=PATIENT_S)
        assert await keys.key("ec", "ES256") is not None
        assert await keys.key("broken", "ES256") is None
        assert server.asked == ["/keys"]
