"""Workers and gateways that are told to stop while sessions work: nobody's turn fails, and viewers are sent elsewhere."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.apart import Apart, apart
from tests.support.dev import Command
from tests.support.ports import free_ports
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

WORDS = " ".join(f"word{n}" for n in range(60))
#: Takes longer than the workers' grace period.
SLOW = Reply(text=WORDS, gap=0.05)
SESSIONS = 6


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> AsyncIterator[Apart]:
    """Two workers. Each test leaves everything running."""
    grace = {"PERDURE_GRACEFUL_SHUTDOWN_S": "1"}
    async with apart(tmp_path_factory.mktemp("restarts"), provider, 1, [(), ()], grace) as everything:
        yield everything


async def test_a_worker_that_is_stopped_in_the_middle_of_turns_hands_them_on(
    running: Apart, provider: FakeProvider
) -> None:
    (sessions,) = running.sessions
    provider.default(lambda call: SLOW)

    async def turn(streams: asyncio.Barrier) -> tuple[list[tuple[str, str]], str, int]:
        session = await sessions.create(message="tell me")
        async with sessions.view(session) as viewer:
            await viewer.until_streaming("word3 ")
            await streams.wait()
            frames = await viewer.until("turn.finished")
            (finished,) = [frame.data for frame in frames if frame.type == "step.finished"]
            assert [frame.seq for frame in viewer.durable] == list(range(1, len(viewer.durable) + 1))
        messages = (await sessions.snapshot(session))["messages"]
        return texts(messages), frames[-1].data["reason"], finished["attempt"]

    streams = asyncio.Barrier(SESSIONS + 1)
    turns = [asyncio.create_task(turn(streams)) for _ in range(SESSIONS)]
    await streams.wait()
    one, _ = running.workers
    assert await one.stop() == 0
    said = [("user", "tell me"), ("assistant", WORDS)]
    ended = await asyncio.gather(*turns)
    assert [(words, reason) for words, reason, _ in ended] == [(said, "done")] * SESSIONS
    # Both workers had some of them.
    assert {attempt for _, _, attempt in ended} == {1, 2}
    await one.start()


async def until_cut(lines: AsyncIterator[str]) -> list[str]:
    """All that comes before the connection is dropped, which is never a clean end."""
    seen: list[str] = []
    try:
        async for line in lines:
            seen.append(line)
    except httpx2.RemoteProtocolError:
        return seen
    raise AssertionError("the stream ended")


async def test_a_gateway_that_is_stopped_serves_until_it_is_out_of_the_way(
    running: Apart, provider: FakeProvider
) -> None:
    provider.default(lambda call: SLOW)
    (port,) = free_ports(1)
    environment = {**running.environment, "PERDURE_DRAIN_S": "3"}
    gateway = Command(running.folder, environment, ["gateway", "--port", str(port)])
    await gateway.start()
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        sessions = Sessions(http)
        session = await sessions.create()
        async with http.stream("GET", f"/v1/sessions/{session}/events") as stream:
            lines = aiter(stream.aiter_lines())
            while not (await anext(lines)).startswith("event: session.started"):
                pass
            gateway.signal(signal.SIGTERM)
            while (wanted := await http.get("/healthz/traffic")).status_code == 200:
                pass
            assert (wanted.status_code, wanted.json()["code"]) == (503, "stopping")
            assert [(await http.get(path)).status_code for path in ("/readyz", "/healthz")] == [503, 200]
            answer = await http.post(f"/v1/sessions/{session}/messages", json={"text": "tell me"})
            assert (answer.status_code, answer.headers["connection"]) == (202, "close")
            seen = await until_cut(lines)
    assert "event: step.started" in seen
    assert [line for line in seen if line][-1].startswith("retry: ")
    assert await gateway.ended() == 0
    logged = [json.loads(line) for line in gateway.output if line.startswith("{")]
    told = [line["event"] for line in logged if line["level"] in ("info", "warning", "error")]
    assert told[-2:] == ["drain.begun", "drain.ended"]
    assert [line for line in logged if line["level"] == "error"] == []


async def test_a_second_signal_ends_a_process_at_once(running: Apart) -> None:
    (port,) = free_ports(1)
    environment = {**running.environment, "PERDURE_DRAIN_S": "3600"}
    gateway = Command(running.folder, environment, ["gateway", "--port", str(port)])
    await gateway.start()
    gateway.signal(signal.SIGTERM)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        while (await http.get("/readyz")).status_code == 200:
            pass
    assert await gateway.stop() == 128 + signal.SIGTERM
    assert await gateway.said("stopped_at_once")
