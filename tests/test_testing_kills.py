"""Kills in the test kit while several calls are running: all of them are retried, and the clock advances."""

import asyncio
from pathlib import Path

import pytest

from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.app.testing.kit import Perdure, open_perdure
from perdure.temporal.app.testing.server import TestServer, rests
from perdure.workflows.protocol.signals import Stop
from perdure.workflows.session import SessionWorkflow

pytestmark = pytest.mark.server


async def until_streaming(perdure: Perdure) -> None:
    async with asyncio.timeout(30):
        while perdure.model.streaming == 0:  # noqa: ASYNC110 - the kit has no event for it
            await asyncio.sleep(0.005)


async def test_a_kill_cuts_two_sessions(perdure: Perdure) -> None:
    gate = asyncio.Event()
    perdure.model.says("held", gate=gate)
    perdure.model.says("one two three")
    held, killed = await perdure.session("assistant"), await perdure.session("assistant")
    first = asyncio.create_task(held.say("a"))
    await until_streaming(perdure)
    perdure.kill_worker(at="step.streaming")
    second = asyncio.create_task(killed.say("b"))
    assert (await second).text == "one two three"
    gate.set()
    assert (await first).text == "held"
    await perdure.later(days=2)


async def test_a_kill_cuts_parallel_tools(perdure: Perdure) -> None:
    stand_in = perdure.tool("calculator", lambda expression: "42")
    perdure.model.says("", calls=[("calculator", {"expression": f"{n}+1"}) for n in range(3)])
    perdure.model.says("done")
    perdure.model.says("later")
    session = await perdure.session("assistant")
    perdure.kill_worker(at="tool.started")
    assert (await session.say("sum it up")).text == "done"
    assert len(stand_in.calls) >= 3
    await perdure.later(days=2)
    assert (await session.say("still there?")).text == "later"


@pytest.mark.parametrize("stopped", ["before", "after"])
async def test_a_call_that_a_kill_cuts_is_stopped(perdure: Perdure, stopped: str) -> None:
    """The test server loses a call that is to cancel and fails instead, and its turn would never end."""
    perdure.model.hangs("Once upon a time")
    perdure.model.says("later")
    session = await perdure.session("assistant")
    message = await session.send("a story")
    await session.streamed("Once upon a time")

    if stopped == "before":
        await session.handle.signal(SessionWorkflow.stop, Stop(id="halt"))
        await rests(session.handle)
    await perdure.restart_worker()
    if stopped == "after":
        await session.ask_to_stop()

    assert (await session.turn(message)).reason == "stopped"
    assert (await session.say("still there?")).text == "later"


async def test_a_point_that_is_none_is_refused(perdure: Perdure) -> None:
    with pytest.raises(ValueError, match=r"no point 'finished'.*tool\.finished"):
        perdure.kill_worker(at="finished")  # type: ignore[arg-type]


@pytest.mark.parametrize("at_work", ["the model", "a tool", "a seal"])
async def test_a_test_that_ends_in_the_middle_leaves_the_clock_going(
    perdure_server: TestServer, tmp_path: Path, at_work: str
) -> None:
    async with open_perdure(perdure_server, tmp_path / "left", Sources()) as kit:
        session = await kit.session("assistant")
        if at_work == "the model":
            kit.model.hangs("One")
            await session.send("count")
            await session.streamed("One")
        elif at_work == "a tool":
            begun = asyncio.Event()

            async def never(expression: str) -> str:
                begun.set()
                await asyncio.Event().wait()
                return expression

            kit.tool("calculator", never)
            kit.model.says(calls=[("calculator", {"expression": "1+1"})])
            await session.send("add")
            await begun.wait()
        else:
            kit.model.says("yes " * 15_000)
            await session.say("repeat")
    async with open_perdure(perdure_server, tmp_path / "next", Sources()) as kit:
        await kit.later(days=1)
