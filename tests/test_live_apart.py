"""Worker and gateways as processes of their own, which have nothing in common but Temporal, Redis and the blob store."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.apart import Apart, apart
from tests.support.session_client import Frame, Viewer, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

WORDS = [f"word{n}" for n in range(60)]
SLOW = Reply(text=" ".join(WORDS), gap=0.05)
ENDLESS = Reply(text=" ".join(f"word{n}" for n in range(5000)), gap=0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> AsyncIterator[Apart]:
    """Each test leaves everything running."""
    async with apart(tmp_path_factory.mktemp("apart"), provider) as everything:
        yield everything


def streamed(frames: list[Frame]) -> str:
    """What a viewer has of the step that streamed last. Fails on a fragment that does not follow on what it has."""
    attempt = n = 0
    text = ""
    for frame in frames:
        data = frame.data
        if frame.type == "step.started":
            attempt, n, text = 0, 0, ""
        elif frame.type == "step.snapshot":
            attempt, n, text = data["attempt"], data["n"], "".join(part["text"] for part in data["parts"])
        elif frame.type == "step.delta":
            if attempt == 0:
                attempt = 1
            assert (data["attempt"], data["n"]) == (attempt, n)
            n, text = n + 1, text + data["delta"]
    return text


def answers(frames: list[Frame]) -> list[dict[str, Any]]:
    return [frame.data["message"] for frame in frames if frame.type == "step.finished"]


def check(viewer: Viewer) -> None:
    assert [frame.seq for frame in viewer.durable] == list(range(1, len(viewer.durable) + 1))


async def test_any_gateway_shows_what_a_worker_streams_to_who_is_there_and_to_who_comes_late(
    running: Apart, provider: FakeProvider
) -> None:
    one, other = running.sessions
    provider.script(SLOW)
    session = await one.create()
    async with one.view(session) as first:
        # By the gateway that has no viewer of it.
        await other.send(session, "tell me")
        await first.until_streaming("word3 ")
        async with other.view(session) as late:
            await late.until_streaming("word0 word1 word2 word3 ")
            for viewer in (first, late):
                frames = await viewer.until("turn.finished")
                # All of it was seen as it was written, and the end says the same.
                assert streamed(frames) == texts(answers(frames))[0][1] == " ".join(WORDS)
                check(viewer)
    assert sum(frame.type == "step.delta" for frame in first.frames) > len(WORDS) / 2


async def test_a_stop_and_the_progress_of_a_tool_cross_processes(running: Apart, provider: FakeProvider) -> None:
    one, other = running.sessions
    provider.script(ENDLESS)
    session = await one.create(message="tell me")
    async with one.view(session) as viewer:
        await viewer.until_streaming("word3 ")
        await other.stop(session)
        frames = await viewer.until("turn.finished")
        assert frames[-1].data["reason"] == "stopped"
        (message,) = answers(frames)
        assert message["stopped"] is True
        # The partial answer is what its viewer has seen.
        assert streamed(frames) == texts([message])[0][1]
    provider.script(
        Reply(tools=(("wait_for", {"path": str(running.gate)}),)),
        Reply(text="Done."),
    )
    session = await one.create("waiting", message="wait")
    async with other.view(session) as viewer:
        told = (await viewer.until("tool.progress"))[-1].data
        assert (told["message"], told["fraction"]) == ("waiting", 0.5)
        async with one.view(session) as late:
            await late.until("tool.progress")
        running.gate.touch()
        await viewer.until("turn.finished")


async def test_redis_is_killed_in_the_middle_of_an_answer_and_comes_back(
    running: Apart, provider: FakeProvider
) -> None:
    """Nothing is lost or doubled: while it is away, the durable events still come."""
    one, other = running.sessions
    provider.script(ENDLESS, Reply(text="Short."), SLOW)
    session = await one.create()
    async with one.view(session) as viewer, other.view(session) as second:
        await one.send(session, "tell me")
        await viewer.until_streaming("word9 ")
        await running.redis.kill()
        quiet = await one.create()
        async with other.view(quiet) as third:
            await one.send(quiet, "and you?")
            frames = await third.until("turn.finished")
            assert texts(answers(frames)) == [("assistant", "Short.")]
            check(third)
        await running.redis.start()
        long = next(call for call in provider.calls if call.closed_at is None)
        word = f"word{len(long.tokens) + 20} "
        for there in (viewer, second):
            await there.until_streaming(word)
        await one.stop(session)
        for there in (viewer, second):
            frames = await there.until("turn.finished")
            assert streamed(frames) == texts(answers(frames))[0][1]
            check(there)
        await one.send(session, "once more")
        for there in (viewer, second):
            frames = await there.until("turn.finished", 2)
            assert streamed(frames) == " ".join(WORDS)
            check(there)
    lost = [line for line in running.worker.output if "live.lost" in line]
    assert len(lost) == 1
    for process in (running.worker, *running.gateways):
        assert sum("live.connected" in line for line in process.output) == 2


async def test_an_answer_ends_well_while_redis_hangs(running: Apart, provider: FakeProvider) -> None:
    one, other = running.sessions
    provider.script(SLOW, SLOW)
    session = await one.create()
    async with other.view(session) as viewer:
        await one.send(session, "tell me")
        await viewer.until_streaming("word9 ")
        running.redis.freeze()
        try:
            frames = await viewer.until("turn.finished")
        finally:
            running.redis.thaw()
        assert texts(answers(frames)) == [("assistant", " ".join(WORDS))]
        await one.send(session, "once more")
        frames = await viewer.until("turn.finished", 2)
        check(viewer)
        assert streamed(frames) == " ".join(WORDS)


async def test_gateways_and_workers_come_and_go_while_an_answer_streams(running: Apart, provider: FakeProvider) -> None:
    """A worker that is stopped hands its answer on; a gateway's viewer goes on at another."""
    one, other = running.sessions
    provider.script(ENDLESS, SLOW)
    session = await one.create()
    async with one.view(session) as viewer:
        await other.send(session, "tell me")
        await viewer.until_streaming("word9 ")
        await running.gateways[0].kill()
    async with other.view(session) as viewer:
        await viewer.until_streaming("word0 word1 word2 word3 word4 ")
        await running.worker.kill()
        await running.worker.start()
        frames = await viewer.until("turn.finished")
        assert texts(answers(frames)) == [("assistant", " ".join(WORDS))]
        assert streamed(frames) == " ".join(WORDS)
        check(viewer)
    await running.gateways[0].start()
