"""Tools that block, in the real `perdure dev`: streams, gateway and other calls continue, and effects are reported."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import pytest_asyncio

from perdure.temporal.app.bench.measures.interrupted import as_told
from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S, Sessions, Viewer
from tests.support.shop_dev import ended, results
from tests.support.tool_shop import LOOK_S, words, written

pytestmark = [pytest.mark.server, pytest.mark.slow]

TOOLS = Path(__file__).parent / "support" / "blocking_tools.py"
AGENT = """
name: blocker
models: {main: {use: anthropic/claude-sonnet-5-5, max_output_tokens: 1024}}
model: main
instructions: Do as you are told.
tools:
  - block: {side_effects: once}
  - same_loop
  - hold: {side_effects: once, process: true}
  - wait_apart: {process: true}
  - crash: {process: true, retry: {attempts: 2, initial: 10ms}}
"""
STORY = " ".join(f"word{n}" for n in range(60))


def reply(call: Call) -> Reply:
    told = as_told(call)
    return told if told.tools or "story" not in json.dumps(call.body["messages"][-1]) else Reply(text=STORY, gap=0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], provider: FakeProvider
) -> AsyncIterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    (folder / "agents").mkdir()
    (folder / "agents" / "blocker.yaml").write_text(AGENT)
    provider.default(reply)
    # Its tools share code with those of other tests.
    environment = {**environment, "PYTHONPATH": str(Path(__file__).parent.parent)}
    running = Dev(folder, environment, ["--agents", str(folder / "agents"), "--tools", str(TOOLS)])
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


async def call(sessions: Sessions, *calls: tuple[str, dict[str, Any]]) -> str:
    return await sessions.create("blocker", message=json.dumps(calls))


async def streams_on(sessions: Sessions) -> Viewer:
    """Another session's whole turn, streamed in one attempt."""
    assert (await sessions.http.get("/healthz")).status_code == 200
    other = await sessions.create("blocker", message="tell a story")
    viewer = await ended(sessions, other)
    (step,) = [frame.data for frame in viewer.frames if frame.type == "step.finished"]
    assert step["attempt"] == 1
    assert {frame.data["attempt"] for frame in viewer.frames if frame.type in ("step.delta", "step.snapshot")} <= {1}
    return viewer


async def test_a_blocked_loop_harms_no_stream_and_its_effect_is_told(
    dev: Dev, sessions: Sessions, tmp_path: Path
) -> None:
    session = await call(sessions, ("block", {"ledger": str(tmp_path), "until": "go"}))
    await written(tmp_path, "begun")
    await streams_on(sessions)
    # Calls of other tools do not wait for it either.
    other = await call(sessions, ("same_loop", {}))
    assert results(await ended(sessions, other))["t1.s1.c1"] >= 1
    (tmp_path / "go").touch()
    assert results(await ended(sessions, session)) == {"t1.s1.c1": "done"}
    assert words(tmp_path) == {"begun": 1, "effect": 1}
    (warned,) = [line for line in dev.output if "tool.blocks" in line]
    assert "[warning" in warned
    assert "tool=block" in warned
    assert f"line={TOOLS}:" in warned
    metrics = (await sessions.http.get("/metrics")).text
    assert 'perdure_tool_blocked_seconds_count{name="block"' in metrics


async def test_a_stop_is_obeyed_at_once(sessions: Sessions, tmp_path: Path) -> None:
    """The file appears only after the turn has ended, so the stop did not wait for the tool."""
    session = await call(sessions, ("block", {"ledger": str(tmp_path), "until": "go"}))
    await written(tmp_path, "begun")
    await sessions.stop(session)
    viewer = await ended(sessions, session)
    assert results(viewer)["t1.s1.c1"]["type"] == "outcome_unknown"
    (turn,) = [frame.data for frame in viewer.frames if frame.type == "turn.finished"]
    assert turn["reason"] == "stopped"
    assert words(tmp_path) == {"begun": 1}
    (tmp_path / "go").touch()
    await written(tmp_path, "effect")


async def test_what_holds_the_interpreter_does_so_in_its_own_process(sessions: Sessions, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    session = await call(sessions, ("hold", {"ledger": str(tmp_path), "until": "pipe"}))
    await written(tmp_path, "begun")
    await streams_on(sessions)
    (tmp_path / "pipe").write_text("go")
    assert results(await ended(sessions, session)) == {"t1.s1.c1": "done"}


async def test_a_blocked_tool_does_not_keep_the_worker_from_ending(
    dev: Dev, sessions: Sessions, tmp_path: Path
) -> None:
    session = await call(sessions, ("block", {"ledger": str(tmp_path), "until": "go"}))
    await written(tmp_path, "begun")
    assert await dev.stop() == 0
    await dev.start()
    assert results(await ended(sessions, session))["t1.s1.c1"]["type"] == "outcome_unknown"
    assert words(tmp_path) == {"begun": 1}


async def test_processes_of_tools_end_with_the_worker(dev: Dev, sessions: Sessions, tmp_path: Path) -> None:
    """Even if the worker is killed in the middle of a call."""
    session = await call(sessions, ("wait_apart", {"ledger": str(tmp_path), "until": "go"}))
    await written(tmp_path, "begun")
    (child,) = tool_processes(dev)
    await dev.kill()
    async with asyncio.timeout(PATIENCE_S):
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_S)
    (tmp_path / "go").touch()
    await dev.start()
    assert results(await ended(sessions, session)) == {"t1.s1.c1": "done"}
    assert words(tmp_path) == {"begun": 2, "effect": 1}


async def test_a_process_that_ends_fails_its_call_alone(sessions: Sessions, tmp_path: Path) -> None:
    session = await call(sessions, ("crash", {"ledger": str(tmp_path), "how": "exit"}))
    (result,) = results(await ended(sessions, session)).values()
    assert (result["type"], words(tmp_path)) == ("tool_crashed", {"begun": 2})
    assert "code 3" in result["message"]
    await streams_on(sessions)


def tool_processes(dev: Dev) -> list[psutil.Process]:
    """The processes of `dev` that run tools."""
    return [one for one in psutil.Process(dev.pid).children(recursive=True) if "tool_child" in " ".join(one.cmdline())]
