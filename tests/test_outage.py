"""Gateway, worker and Temporal as processes of their own, with the worker or Temporal unavailable for a while."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Command
from tests.support.ports import free_ports
from tests.support.session_client import Frame, Sessions, Viewer, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

#: For everything that the gateway asks; below the default, because these tests often wait for it.
DEADLINE_S = 6
#: A lost poke is made up for by the safety net's look each second; the rest is for slow machines.
LATE_S = 4
SLOW = Reply(text=" ".join(f"word{n}" for n in range(60)), gap=0.05)


class Cluster:
    """A Temporal server, a gateway and a worker, which share only a blob store."""

    def __init__(self, folder: Path, provider: FakeProvider) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()
        temporal, port = free_ports(2)
        self._temporal_port = temporal
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal}",
            "PERDURE_DATA_DIR": str(folder),
            "PERDURE_QUERY_TIMEOUT_S": str(DEADLINE_S),
            "ANTHROPIC_BASE_URL": provider.url,
            "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        }
        self.gateway = Command(folder, environment, ["gateway", "--port", str(port)])
        self.worker = Command(folder, environment, ["worker"])

    async def start_temporal(self) -> None:
        self.temporal = await self._stack.enter_async_context(
            DevServer(self._folder / "temporal", self._temporal_port, None)
        )

    def signal_temporal(self, number: signal.Signals) -> None:
        assert self.temporal.pid is not None
        os.kill(self.temporal.pid, number)
        # On a busy machine some of its threads respond for another moment.
        while number == signal.SIGSTOP and psutil.Process(self.temporal.pid).status() != psutil.STATUS_STOPPED:
            pass

    async def stop_temporal(self) -> None:
        await self._stack.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> AsyncIterator[Cluster]:
    """Begins without a worker; each test leaves everything running."""
    running = Cluster(tmp_path_factory.mktemp("cluster"), provider)
    await running.start_temporal()
    await running.gateway.start()
    yield running
    await running.gateway.stop()
    await running.worker.stop()
    await running.stop_temporal()


@pytest_asyncio.fixture(loop_scope="session")
async def sessions(cluster: Cluster) -> AsyncIterator[Sessions]:
    async with httpx2.AsyncClient(base_url=cluster.url, timeout=30) as http:
        yield Sessions(http)


async def refused(sessions: Sessions, session: str, message_id: str) -> tuple[int, str, float]:
    """Sends a message; returns the status, the problem's code, and the seconds it took."""
    began = time.monotonic()
    body = {"text": message_id, "message_id": message_id}
    answer = await sessions.http.post(f"/v1/sessions/{session}/messages", json=body)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert "retry-after" in answer.headers
    return answer.status_code, answer.json()["code"], time.monotonic() - began


async def accepted(sessions: Sessions, session: str, message_id: str) -> None:
    """Sends the message until it is accepted, as a client does on a 503."""
    async with asyncio.timeout(30):
        while True:
            body = {"text": message_id, "message_id": message_id}
            answer = await sessions.http.post(f"/v1/sessions/{session}/messages", json=body)
            if answer.status_code == 202:
                return
            assert answer.status_code == 503, answer.text


async def get_ready(sessions: Sessions) -> None:
    """Polls `/readyz` until it succeeds: Temporal lists a worker a moment after it starts."""
    async with asyncio.timeout(10):
        while (answer := await sessions.http.get("/readyz")).status_code != 200:
            assert answer.status_code == 503


async def unready(sessions: Sessions) -> httpx2.Response:
    """What `/readyz` says once it is not ready: an answer may be a second old."""
    async with asyncio.timeout(10):
        while (answer := await sessions.http.get("/readyz")).status_code == 200:
            pass
    return answer


def kinds(frames: list[Frame]) -> list[str]:
    return [frame.type for frame in frames if frame.seq is not None]


def users(snapshot: dict[str, Any]) -> list[str]:
    return [text for role, text in texts(snapshot["messages"]) if role == "user"]


TURN = ["turn.started", "message.added", "step.started", "step.finished", "turn.finished"]


async def test_no_worker_yet(cluster: Cluster, sessions: Sessions, provider: FakeProvider) -> None:
    """A gateway alone is alive but not ready; what it accepts is kept, what it refuses has no effect."""
    healthy, ready = await asyncio.gather(sessions.http.get("/healthz"), sessions.http.get("/readyz"))
    assert healthy.status_code == 200
    assert (ready.status_code, ready.json()["code"]) == (503, "no_worker")
    session = await sessions.create(message={"text": "first", "message_id": "first"})
    async with sessions.view(session) as viewer:
        status, code, took = await refused(sessions, session, "second")
        assert (status, code) == (503, "no_worker")
        assert took < DEADLINE_S
        assert (await sessions.http.get(f"/v1/sessions/{session}-unknown/events")).status_code == 404

        await cluster.worker.start()

        await get_ready(sessions)
        assert kinds(await viewer.until("turn.finished")) == ["session.started", *TURN]
        await accepted(sessions, session, "second")
        assert kinds(await viewer.until("turn.finished", 2)) == ["session.started", *TURN, *TURN]
    assert users(await sessions.snapshot(session)) == ["first", "second"]


async def test_events_come_from_a_worker_in_another_process(
    cluster: Cluster, sessions: Sessions, provider: FakeProvider
) -> None:
    """The gateway is poked only by its own signal; the safety net finds every event, and the turn that follows."""
    provider.script(
        Reply(text="Let me see.", tools=(("calculator", {"expression": "6*7"}),), gap=0.3),
        Reply(text="It is forty two then.", gap=0.3),
        Reply(text="Once more, it is 42.", gap=0.3),
    )
    session = await sessions.create()
    async with sessions.view(session) as viewer, sessions.view(session) as other:
        lags = asyncio.create_task(_lags(viewer, 2))
        await sessions.send(session, "what is six times seven?")
        await sessions.send(session, "again?")
        seen = [kind for kind in kinds(await other.until("turn.finished", 2)) if kind != "message.queued"]
        assert seen == [
            "session.started",
            *TURN[:4],
            *("tool.started", "tool.finished"),
            *TURN[2:],
            *TURN,
        ]
        assert max(await lags) < LATE_S
        assert [frame.seq for frame in viewer.durable] == list(range(1, len(viewer.durable) + 1))


async def _lags(viewer: Viewer, turns: int) -> list[float]:
    """Seconds from each event to its arrival."""
    lags: list[float] = []
    while sum(frame.type == "turn.finished" for frame in viewer.frames) < turns:
        count = len(viewer.frames)
        await viewer.more(count)
        for frame in viewer.frames[count:]:
            if frame.seq is not None:
                lags.append(time.time() - datetime.fromisoformat(frame.data["at"]).timestamp())
    return lags


async def test_a_stop_reaches_a_worker_in_another_process(
    cluster: Cluster, sessions: Sessions, provider: FakeProvider
) -> None:
    provider.script(Reply(text=" ".join(f"word{n}" for n in range(1000)), gap=0.05))
    session = await sessions.create(message="tell me")
    async with sessions.view(session) as viewer:
        await viewer.until("step.started")
        await provider.until(lambda calls: len(calls[-1].tokens) > 3)
        await sessions.stop(session)
        frames = await viewer.until("turn.finished")
    (message,) = [frame.data["message"] for frame in frames if frame.type == "step.finished"]
    assert message["stopped"] is True
    assert texts([message])[0][1].startswith("word0 word1 ")
    assert frames[-1].data["reason"] == "stopped"
    assert provider.calls[-1].closed_at is not None


async def test_the_worker_goes_and_comes_back(cluster: Cluster, sessions: Sessions, provider: FakeProvider) -> None:
    """Killed mid-answer: meanwhile nothing is accepted that could be lost, then the answer is generated again."""
    provider.script(SLOW)
    session = await sessions.create(message={"text": "first", "message_id": "first"})
    async with sessions.view(session) as viewer:
        await viewer.until("step.started")
        await provider.until(lambda calls: len(calls[-1].tokens) > 3)
        await cluster.worker.kill()
        status, code, took = await refused(sessions, session, "second")
        assert (status, code) == (503, "no_worker")
        assert took < DEADLINE_S
        await cluster.worker.start()
        await viewer.until("turn.finished")
        await accepted(sessions, session, "second")
        frames = await viewer.until("turn.finished", 2)
        assert kinds(frames) == ["session.started", *TURN, *TURN]
    assert users(await sessions.snapshot(session)) == ["first", "second"]


async def test_the_worker_is_stopped_for_a_while(cluster: Cluster, sessions: Sessions, provider: FakeProvider) -> None:
    """Requests that need no worker succeed; others are refused before their deadline, and a stream waits."""
    session = await sessions.create(message={"text": "first", "message_id": "first"})
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
    cluster.worker.signal(signal.SIGSTOP)
    try:
        async with sessions.view(session) as viewer:
            status, code, took = await refused(sessions, session, "second")
            assert (status, code) == (503, "no_worker")
            assert took < DEADLINE_S
            assert (await sessions.http.get("/v1/sessions")).status_code == 200
            cluster.worker.signal(signal.SIGCONT)
            await accepted(sessions, session, "second")
            frames = await viewer.until("turn.finished", 2)
            assert kinds(frames) == ["session.started", *TURN, *TURN]
    finally:
        cluster.worker.signal(signal.SIGCONT)
    assert users(await sessions.snapshot(session)) == ["first", "second"]


@pytest.mark.parametrize("killed", [False, True], ids=["hangs", "is killed"])
async def test_temporal_goes_and_comes_back(
    cluster: Cluster, sessions: Sessions, provider: FakeProvider, killed: bool
) -> None:
    """Mid-answer: every request fails within its deadline, and everything recovers by itself, even open streams."""
    provider.script(SLOW)
    session = await sessions.create(message={"text": "first", "message_id": "first"})
    async with sessions.view(session) as viewer:
        await viewer.until("step.started")
        await provider.until(lambda calls: len(calls[-1].tokens) > 3)
        cluster.signal_temporal(signal.SIGKILL if killed else signal.SIGSTOP)
        refusal = asyncio.create_task(refused(sessions, session, "second"))
        assert (await sessions.http.get("/healthz")).status_code == 200
        others = await asyncio.gather(
            unready(sessions),
            sessions.http.get("/v1/sessions"),
            sessions.http.get(f"/v1/sessions/{session}"),
            sessions.http.get(f"/v1/sessions/{session}/events"),
            sessions.http.post("/v1/sessions", json={"agent": "assistant"}),
            sessions.http.delete(f"/v1/sessions/{session}"),
        )
        status, code, took = await refusal
        assert (status, code) == (503, "temporal_unavailable")
        assert took < DEADLINE_S + 4
        told = [(answer.status_code, answer.json()["code"], answer.headers["content-type"]) for answer in others]
        assert set(told) == {(503, "temporal_unavailable", "application/problem+json")}

        if killed:
            await cluster.stop_temporal()
            await cluster.start_temporal()
        else:
            cluster.signal_temporal(signal.SIGCONT)

        await viewer.until("turn.finished")
        await accepted(sessions, session, "second")
        frames = await viewer.until("turn.finished", 2)
        assert kinds(frames) == ["session.started", *TURN, *TURN]
        assert [frame.seq for frame in viewer.durable] == list(range(1, len(viewer.durable) + 1))
    assert users(await sessions.snapshot(session)) == ["first", "second"]
    await get_ready(sessions)
