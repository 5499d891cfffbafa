"""Bodies over the limit, slow clients, and too many of them: over raw sockets and through real clients."""

import asyncio
import http.client
import json
import socket
from urllib.parse import urlsplit

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from tests.support.dev import Dev
from tests.support.session_client import Sessions, told

pytestmark = pytest.mark.server

MIB = 1024 * 1024
CONNECTIONS = 40
STREAMS = 3


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "PERDURE_HEAD_TIMEOUT_S": "1",
        "PERDURE_BODY_TIMEOUT_S": "1",
        "PERDURE_MAX_CONNECTIONS": str(CONNECTIONS),
        "PERDURE_STREAMS_PER_PRINCIPAL": str(STREAMS),
    }


def connected(dev: Dev) -> socket.socket:
    address = urlsplit(dev.url)
    assert address.hostname is not None
    return socket.create_connection((address.hostname, address.port or 80), timeout=30)


def rest(connection: socket.socket) -> bytes:
    """Everything received up to the end of the connection; a reset raises."""
    found = b""
    while data := connection.recv(65536):
        found += data
    return found


def exchange(dev: Dev, head: str, *bodies: bytes) -> tuple[int, str]:
    """Sends everything, then reads, as the simplest client does; returns status and code."""
    with connected(dev) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode())
        for body in bodies:
            connection.sendall(body)
        return parsed(rest(connection))


def parsed(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), str(json.loads(body)["code"])


HEAD = "Host: 127.0.0.1\nContent-Type: application/json\n"
MESSAGES = "/v1/sessions/any/messages"


@pytest.mark.parametrize(("path", "size"), [(MESSAGES, 30 * MIB), ("/v1/sessions/any/stop", 2 * MIB)])
async def test_a_body_over_the_limit_is_answered_on_a_plain_socket(dev: Dev, path: str, size: int) -> None:
    head = f"POST {path} HTTP/1.1\n{HEAD}Content-Length: {size}\n\n"
    found = await asyncio.to_thread(exchange, dev, head, *[b" " * MIB] * (size // MIB))
    assert found == (413, "body_too_large")


@pytest.mark.parametrize(("path", "mib"), [(MESSAGES, 30), ("/v1/sessions/any/stop", 3)])
async def test_a_chunked_body_over_the_limit_is_answered_too(dev: Dev, path: str, mib: int) -> None:
    head = f"POST {path} HTTP/1.1\n{HEAD}Transfer-Encoding: chunked\n\n"
    chunk = f"{MIB:x}\r\n".encode() + b" " * MIB + b"\r\n"
    found = await asyncio.to_thread(exchange, dev, head, *[chunk] * mib, b"0\r\n\r\n")
    assert found == (413, "body_too_large")


async def test_who_asks_before_sending_is_told_without_sending(dev: Dev) -> None:
    head = f"POST {MESSAGES} HTTP/1.1\n{HEAD}Content-Length: {30 * MIB}\nExpect: 100-continue\n\n"
    assert await asyncio.to_thread(exchange, dev, head) == (413, "body_too_large")


async def test_real_clients_read_the_refusal(dev: Dev, http: httpx2.AsyncClient) -> None:
    body = b" " * (25 * MIB)

    def plain() -> int:
        client = http_client(dev)
        client.request("POST", MESSAGES, body, {"Content-Type": "application/json"})
        return client.getresponse().status

    assert await asyncio.to_thread(plain) == 413
    assert told(await http.post(MESSAGES, content=body, headers={"Content-Type": "application/json"})) == (
        413,
        "body_too_large",
    )


def http_client(dev: Dev) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(dev.url).netloc, timeout=30)


async def test_what_belongs_to_messages_may_be_big(http: httpx2.AsyncClient) -> None:
    text = "x" * (2 * MIB)
    made = await http.post("/v1/sessions", json={"agent": "assistant", "message": text})
    session = made.json()["session_id"]
    sent = await http.post(f"/v1/sessions/{session}/messages", json={"text": text})
    answered = await http.post(f"/v1/sessions/{session}/answers", json={"question_id": "none", "result": text})
    forked = await http.post(f"/v1/sessions/{session}/fork", json={"turn_id": "t99", "text": text})
    assert (made.status_code, sent.status_code) == (201, 202)
    assert {told(one) for one in (answered, forked)} == {(422, "validation")}


@pytest.mark.parametrize(
    "head",
    [
        "GET /healthz HTTP/1.1\nHost: 127.0.0.1\nX-Slow: ",
        f"POST {MESSAGES} HTTP/1.1\n{HEAD}Content-Length: 1000\n\n" + '{"text"',
        f"POST {MESSAGES} HTTP/1.1\n{HEAD}Transfer-Encoding: chunked\n\n" + "5\n{",
    ],
)
async def test_a_request_that_never_ends_is_ended(dev: Dev, head: str) -> None:
    assert await asyncio.to_thread(exchange, dev, head) == (408, "too_slow")


async def test_a_connection_that_says_nothing_is_closed(dev: Dev) -> None:
    def silent() -> bytes:
        with connected(dev) as connection:
            return rest(connection)

    assert await asyncio.to_thread(silent) == b""


async def test_a_client_that_trickles_is_ended(dev: Dev) -> None:
    def trickle() -> tuple[int, str]:
        with connected(dev) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
            connection.settimeout(0.05)
            found = b""
            while True:
                try:
                    data = connection.recv(65536)
                    found += data
                    if not data:
                        return parsed(found)
                except TimeoutError:
                    connection.send(b"x")

    assert await asyncio.to_thread(trickle) == (408, "too_slow")


async def test_readers_who_never_read_give_their_connections_up(dev: Dev) -> None:
    held = [tight(dev) for _ in range(CONNECTIONS)]
    try:
        for one in held:
            await asyncio.to_thread(one.sendall, b"GET /docs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 40)
        async with httpx2.AsyncClient(base_url=dev.url, timeout=30) as http, asyncio.timeout(60):
            # While they have them, everybody else is refused.
            while (await http.get("/healthz")).status_code != 200:
                pass
    finally:
        for one in held:
            one.close()


async def test_who_reads_slowly_reads_all(dev: Dev) -> None:
    with tight(dev) as connection:
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")

        def read() -> bytes:
            found = b""
            while data := connection.recv(4096):
                found += data
            return found

        answer = await asyncio.to_thread(read)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["openapi"]


def tight(dev: Dev) -> socket.socket:
    """A connection that takes hardly anything before it is read."""
    address = urlsplit(dev.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.settimeout(60)
    connection.connect((address.hostname, address.port))
    return connection


async def test_streams_above_the_cap_are_refused_readably(dev: Dev, http: httpx2.AsyncClient) -> None:
    sessions = Sessions(http)
    session = await sessions.create(message="hi")
    async with sessions.view(session), sessions.view(session), sessions.view(session):
        refused = await http.get(f"/v1/sessions/{session}/events")
        assert told(refused) == (429, "too_many_streams")
        assert int(refused.headers["retry-after"]) > 0
    async with asyncio.timeout(30):
        while (await opened(http, session)) != 200:
            pass


async def opened(http: httpx2.AsyncClient, session: str) -> int:
    async with http.stream("GET", f"/v1/sessions/{session}/events") as answer:
        return answer.status_code


async def test_connections_above_the_cap_are_told_so(dev: Dev) -> None:
    def crowd() -> tuple[int, str]:
        held = [connected(dev) for _ in range(CONNECTIONS)]
        try:
            return exchange(dev, "GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\n")
        finally:
            for one in held:
                one.close()

    assert await asyncio.to_thread(crowd) == (429, "too_many")
    async with httpx2.AsyncClient(base_url=dev.url, timeout=30) as again, asyncio.timeout(30):
        while (await again.get("/healthz")).status_code != 200:
            pass
