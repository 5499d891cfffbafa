"""Where tools run, on a real Temporal server: the whole SDK is available there, and a tool that blocks others is
named."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from perdure.activities.tools import runner as tool_runner
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.live.frames import ToolProgress
from perdure.workflows.vocabulary.events import ToolFinished
from tests.support.session_lab import Lab, Talk, check, lab_on
from tests.support.tool_lab import MODELS, begin, end, error, outcome, results, turn
from tests.support.tool_shop import LOOK_S, PATIENCE_S, words, written

pytestmark = [pytest.mark.server, pytest.mark.slow]

TOOLS = Path(__file__).parent / "support" / "blocking_tools.py"
AGENTS = {
    "blocking": f"""{MODELS}
tools:
  - block: {{side_effects: once}}
  - block_inside
  - hold
  - hold_async
  - same_loop
  - wait_to_stop
  - block_briefly: {{timeout: 400ms, retry: {{attempts: 1}}}}
  - block_once_briefly: {{timeout: 400ms, side_effects: once}}
  - ask_server
  - leave: {{retry: {{attempts: 2, initial: 10ms}}}}
  - leave_thread: {{retry: {{attempts: 2, initial: 10ms}}}}
""",
    "apart": f"""{MODELS}
tools:
  - crash: {{process: true, retry: {{initial: 10ms}}}}
  - block: {{process: true, side_effects: once}}
  - hold: {{process: true}}
  - block_briefly: {{process: true, timeout: 3s, retry: {{attempts: 1}}}}
  - count_calls: {{process: true}}
  - tell_from_there: {{process: true}}
  - fail_there: {{process: true, retry: {{attempts: 2, initial: 10ms}}}}
  - big_there: {{process: true}}
  - lie_there: {{process: true}}
  - leave: {{process: true, retry: {{attempts: 1}}}}
  - calculator: {{process: true}}
""",
    "once": f"{MODELS}\ntools: [crash: {{process: true, side_effects: once}}]",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    async with lab_on(
        temporal_server, folder, more_agents=AGENTS, more_tools=[TOOLS], heartbeat_throttle_s=0.1, tool_processes=1
    ) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def talk(lab: Lab) -> AsyncIterator[Talk]:
    async for talk in session(lab, "blocking"):
        yield talk


@pytest_asyncio.fixture(loop_scope="session")
async def apart(lab: Lab) -> AsyncIterator[Talk]:
    async for talk in session(lab, "apart"):
        yield talk


async def session(lab: Lab, agent: str) -> AsyncIterator[Talk]:
    lab.stage.plays.clear()
    talk = await lab.start(agent)
    yield talk
    check(await talk.events())
    await talk.close()


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path)


async def test_heartbeats_go_on_while_a_tool_blocks(talk: Talk, ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_runner, "HEARTBEAT_S", 0.05)
    await begin(talk, ("block", {"ledger": ledger, "until": "go"}))
    await written(Path(ledger), "begun")
    beats: set[int] = set()
    async with asyncio.timeout(PATIENCE_S):
        while len(beats) < 4:
            (pending,) = (await talk.handle.describe()).raw_description.pending_activities
            beats.add(pending.last_heartbeat_time.ToNanoseconds())
            await asyncio.sleep(LOOK_S)
    (Path(ledger) / "go").touch()
    assert results(await end(talk))["t1.s1.c1"].output == "done"


@pytest.mark.parametrize("tool", ["block", "block_inside"])
async def test_the_call_and_the_line_are_named_once(talk: Talk, ledger: str, tool: str) -> None:
    with capture_logs() as logs:
        await begin(talk, (tool, {"ledger": ledger, "until": "go"}), ("ask_server", {}))
        await until_logged(logs, "tool.blocks")
        (Path(ledger) / "go").touch()
        events = await end(talk)
        await until_logged(logs, "tool.goes_on")
    (warned,) = [line for line in logs if line["event"] == "tool.blocks"]
    line = f"{TOOLS}:{line_of('    time.sleep')}"
    assert (warned["log_level"], warned["tool"], warned["call_id"]) == ("warning", tool, "t1.s1.c1")
    assert f"{warned['tenant']}/{warned['session']}" == talk.handle.id
    assert warned["line"] in (line, f"{TOOLS}:{line_of('while not (Path')}")
    finished = {event.name: event for event in events if isinstance(event, ToolFinished)}
    blocked = finished[tool].blocked
    assert blocked is not None
    assert (blocked.line, blocked.seconds >= 1) == (warned["line"], True)
    assert finished["ask_server"].blocked is None


async def test_calls_that_begin_meanwhile_do_not_wait_for_it(lab: Lab, talk: Talk, ledger: str) -> None:
    await begin(talk, ("block", {"ledger": ledger, "until": "go"}))
    await written(Path(ledger), "begun")
    async for other in session(lab, "blocking"):
        assert (await outcome(other, "ask_server", {})).output == other.handle.id
    (Path(ledger) / "go").touch()
    assert results(await end(talk))["t1.s1.c1"].output == "done"


@pytest.mark.parametrize(("tool", "kind"), [("block_briefly", "timeout"), ("block_once_briefly", "outcome_unknown")])
async def test_a_call_that_blocks_beyond_its_time_out_is_given_up(
    talk: Talk, ledger: str, tool: str, kind: str
) -> None:
    """Its thread cannot be ended; its later result is dropped."""
    await begin(talk, (tool, {"ledger": ledger, "until": "go"}))
    await written(Path(ledger), "begun")
    found = results(await end(talk))
    assert error(found["t1.s1.c1"]).type == kind
    (Path(ledger) / "go").touch()
    await written(Path(ledger), "effect")
    assert results(await talk.events()) == found


async def test_tools_see_one_loop_as_long_as_it_turns(talk: Talk) -> None:
    found = results(await turn(talk, *[("same_loop", {})] * 8))
    assert len({result.output for result in found.values()}) == 1


async def test_a_stop_finds_a_tool_that_waits_for_it(talk: Talk, ledger: str) -> None:
    await begin(talk, ("wait_to_stop", {"ledger": ledger}))
    await written(Path(ledger), "begun")
    await talk.stop()
    assert results(await end(talk))["t1.s1.c1"].output == "True True"


@pytest.mark.parametrize("tool", ["leave", "leave_thread"])
async def test_a_tool_that_exits_fails_alone(talk: Talk, tool: str) -> None:
    assert error(await outcome(talk, tool, {"code": 3})).type == "SystemExit"
    assert (await outcome(talk, "ask_server", {})).output == talk.handle.id


@pytest.mark.parametrize("tool", ["hold", "hold_async"])
async def test_who_held_the_interpreter_is_named_afterwards(talk: Talk, ledger: str, tool: str) -> None:
    with let_go(ledger, 2), capture_logs() as logs:
        events = await turn(talk, (tool, {"ledger": ledger, "until": "pipe"}))
        await until_logged(logs, "tool.blocks")
    (warned,) = [line for line in logs if line["event"] == "tool.blocks"]
    assert (warned["tool"], warned["held"], warned["call_id"]) == (tool, "the interpreter", "t1.s1.c1")
    assert warned["line"].startswith(f"{TOOLS}:")
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert finished.blocked is not None


async def test_a_process_that_was_stopped_blames_nobody(talk: Talk, ledger: str) -> None:
    with capture_logs() as logs:
        await begin(talk, ("wait_to_stop", {"ledger": ledger}))
        await written(Path(ledger), "begun")
        stopping = f"kill -STOP {os.getpid()}; sleep 2; kill -CONT {os.getpid()}"
        await (await asyncio.create_subprocess_exec("sh", "-c", stopping)).wait()
        await talk.stop()
        await end(talk)
    assert [line for line in logs if line["event"] in ("tool.blocks", "loop.blocks")] == []


async def test_a_process_is_kept_and_has_the_module_for_itself(apart: Talk) -> None:
    first = (await outcome(apart, "count_calls", {"word": "one"})).output
    second = results(await turn(apart, ("count_calls", {"word": "two"})))["t2.s1.c1"].output
    assert isinstance(first, list)
    assert second == [*first, "two"]
    assert first[1:] == ["one"]
    assert first[0] != str(os.getpid())


async def test_what_a_tool_is_told_and_tells_there(apart: Talk, ledger: str) -> None:
    said: list[ToolProgress] = []
    async with apart.lab.live.subscribe(apart.handle.id) as frames:
        await begin(apart, ("tell_from_there", {"ledger": ledger, "until": "go"}))
        async with asyncio.timeout(PATIENCE_S):
            while not said:
                frame = await frames.get()
                if isinstance(frame, ToolProgress):
                    said.append(frame)
    assert said == [ToolProgress("t1.s1.c1", "half way", 0.5)]
    (Path(ledger) / "go").touch()
    found = results(await end(apart))["t1.s1.c1"].output
    assert found == [apart.handle.id, "t1.s1.c1", "1", "tell_from_there"]


async def test_failures_and_results_there_are_those_of_any_tool(apart: Talk) -> None:
    found = results(
        await turn(
            apart,
            ("fail_there", {"kind": "sold_out"}),
            ("fail_there", {"kind": "value"}),
            ("fail_there", {"sort": "value"}),
            ("lie_there", {}),
            ("leave", {"code": 3}),
            ("big_there", {"size": 100_000}),
            ("calculator", {"expression": "6 * 7"}),
        )
    )
    kinds = [error(found[f"t1.s1.c{n}"]).type for n in range(1, 6)]
    assert kinds == ["sold_out", "ValueError", "invalid_arguments", "invalid_result", "SystemExit"]
    assert error(found["t1.s1.c1"]) == error(found["t1.s1.c1"]).model_copy(
        update={"message": "not this", "retryable": False}
    )
    assert found["t1.s1.c6"].blob is not None
    assert found["t1.s1.c7"].is_error is False


@pytest.mark.parametrize(("how", "told"), [("exit", "with code 3"), ("signal", "by SIGSEGV")])
async def test_a_process_that_ends_is_a_failed_attempt(apart: Talk, ledger: str, how: str, told: str) -> None:
    assert (await outcome(apart, "crash", {"ledger": ledger, "how": how, "attempts": 2})).output == "survived"
    failure = error(await outcome(apart, "crash", {"ledger": ledger, "how": how}))
    assert (failure.type, told in failure.message) == ("tool_crashed", True)
    assert words(Path(ledger)) == {"begun": 6}


async def test_of_a_call_that_happens_once_nobody_knows_then(lab: Lab, ledger: str) -> None:
    async for talk in session(lab, "once"):
        assert error(await outcome(talk, "crash", {"ledger": ledger, "how": "exit"})).type == "outcome_unknown"
    assert words(Path(ledger)) == {"begun": 1}


async def test_a_stop_ends_the_process(apart: Talk, ledger: str) -> None:
    os.mkfifo(Path(ledger) / "pipe")
    await begin(apart, ("hold", {"ledger": ledger, "until": "pipe"}))
    await written(Path(ledger), "begun")
    before = children()
    await apart.stop()
    found = results(await end(apart))
    assert error(found["t1.s1.c1"]).type == "stopped"
    assert len(children()) == len(before) - 1
    assert words(Path(ledger)) == {"begun": 1}


async def test_a_time_out_ends_the_process(apart: Talk, ledger: str) -> None:
    # Starts the process, which may take longer than the time-out.
    await outcome(apart, "count_calls", {"word": "first"})
    await begin(apart, ("block_briefly", {"ledger": ledger, "until": "go"}))
    await written(Path(ledger), "begun")
    (child,) = children()
    assert error(results(await end(apart, 2))["t2.s1.c1"]).type == "timeout"
    async with asyncio.timeout(PATIENCE_S):
        while child.is_running():  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_S)
    assert words(Path(ledger)) == {"begun": 1}


async def test_a_call_that_waits_for_room_never_ran(lab: Lab, apart: Talk, ledger: str) -> None:
    """A `once` call that waits for the only process: its outcome is known, because it never started."""
    await begin(apart, ("block", {"ledger": ledger, "until": "go"}))
    await written(Path(ledger), "begun")
    async for other in session(lab, "apart"):
        await begin(other, ("block", {"ledger": ledger, "until": "go"}))
        await other.stop()
        assert error(results(await end(other))["t1.s1.c1"]).type == "stopped"
    (Path(ledger) / "go").touch()
    assert results(await end(apart))["t1.s1.c1"].output == "done"
    assert words(Path(ledger)) == {"begun": 1, "effect": 1}


def children() -> list[psutil.Process]:
    """The processes that run tools."""
    return [one for one in psutil.Process().children() if any("tool_child" in word for word in one.cmdline())]


def line_of(code: str) -> int:
    return next(n for n, line in enumerate(TOOLS.read_text().splitlines(), 1) if code in line)


async def until_logged(logs: Any, event: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if any(line["event"] == event for line in logs):
                return
            await asyncio.sleep(LOOK_S)


@contextmanager
def let_go(ledger: str, seconds: float) -> Any:
    """Another process releases the GIL `seconds` after a tool has begun to hold it."""
    os.mkfifo(Path(ledger) / "pipe")
    waits = f"until grep -qs begun ledger.txt; do sleep 0.02; done; sleep {seconds}; echo go > pipe"
    with subprocess.Popen(["sh", "-c", waits], cwd=ledger):
        yield
