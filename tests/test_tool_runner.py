"""What a worker does around its tools, on a real Temporal server: it heartbeats for them, and cancels quickly on a
stop."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput

from perdure.activities.tools import runner as tool_runner
from perdure.activities.tools.runner import ToolRunner
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.live.memory import MemoryLive
from perdure.workflows.protocol.signals import Stop
from perdure.workflows.session import SessionWorkflow
from tests.support.session_lab import Lab, Play, Talk, check, lab_on
from tests.support.tool_lab import MODELS, SHOP, begin, end, error, outcome, results
from tests.support.tool_shop import words, written

pytestmark = pytest.mark.server

AGENTS = {
    "calling": f"{MODELS}\ntools: [gather, last_word, last_word_thread, sulk, say_oddly, agent: {{name: called}}, "
    "resume: {retry: {initial: 10ms}}]",
    "called": f"{MODELS}\ntools: [last_word]",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """A lab in which the tools' own heartbeats reach the server once, and then never."""
    async with lab_on(
        temporal_server,
        tmp_path_factory.mktemp("lab"),
        more_agents=AGENTS,
        more_tools=[SHOP],
        heartbeat_throttle_s=3600,
    ) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def talk(lab: Lab) -> AsyncIterator[Talk]:
    lab.stage.plays.clear()
    talk = await lab.start("calling")
    yield talk
    check(await talk.events())
    await talk.close()


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> None:
    """No heartbeat is sent unasked, so no cancellation arrives."""
    monkeypatch.setattr(tool_runner, "HEARTBEAT_S", 3600.0)


async def signal_stop(talk: Talk, turn_id: str | None = None) -> None:
    """A stop that the live plane does not publish."""
    await talk.handle.signal(SessionWorkflow.stop, Stop(id="stop", turn_id=turn_id))


async def endings(talk: Talk) -> list[str]:
    """The failures of the session's activities."""
    ends = (
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
    )
    history = await talk.handle.fetch_history()
    return [EventType.Name(one.event_type)[25:] for one in history.events if one.event_type in ends]


async def test_what_cannot_be_said_costs_itself_alone(talk: Talk) -> None:
    assert (await outcome(talk, "say_oddly", {})).output == "caf\ufffd"


@pytest.mark.usefixtures("mute")
@pytest.mark.parametrize("tool", ["last_word", "last_word_thread"])
async def test_a_stop_reaches_a_tool_without_a_heartbeat(talk: Talk, ledger: str, tool: str) -> None:
    await begin(talk, (tool, {"ledger": ledger}))
    await written(Path(ledger), "begun")
    await talk.stop()
    (found,) = results(await end(talk)).values()
    assert (found.output, words(Path(ledger))) == ("half of it is done", {"begun": 1})


@pytest.mark.usefixtures("mute")
async def test_what_it_is_taken_for_is_the_same_as_ever(talk: Talk, ledger: str) -> None:
    """A tool that accepts its cancellation, and one that fails: neither is retried."""
    await begin(talk, ("gather", {"ledger": ledger, "until": "never"}), ("sulk", {"ledger": ledger}))
    await written(Path(ledger), "in")
    await written(Path(ledger), "begun")
    await talk.stop()
    found = results(await end(talk))
    assert [error(found[call]).type for call in ("t1.s1.c1", "t1.s1.c2")] == ["stopped", "sulking"]
    assert words(Path(ledger)) == {"in": 1, "begun": 1}
    assert sorted(await endings(talk)) == ["CANCELED", "FAILED"]


@pytest.mark.usefixtures("mute")
async def test_the_live_plane_may_be_first(talk: Talk, ledger: str) -> None:
    await begin(talk, ("gather", {"ledger": ledger, "until": "never"}))
    await written(Path(ledger), "in")
    talk.lab.live.stop(talk.handle.id)
    await signal_stop(talk)
    (found,) = results(await end(talk)).values()
    assert (error(found).type, await endings(talk)) == ("stopped", ["CANCELED"])


async def test_the_live_plane_may_be_silent(talk: Talk, ledger: str) -> None:
    await begin(talk, ("gather", {"ledger": ledger, "until": "never"}))
    await written(Path(ledger), "in")
    await signal_stop(talk)
    (found,) = results(await end(talk)).values()
    assert (error(found).type, await endings(talk)) == ("stopped", ["CANCELED"])


async def test_a_stop_of_another_turn_ends_nothing(talk: Talk, ledger: str) -> None:
    await begin(talk, ("gather", {"ledger": ledger, "until": "go"}))
    await written(Path(ledger), "in")
    await signal_stop(talk, "t7")
    talk.lab.live.stop(talk.handle.id)
    # The session has processed it, and every heartbeat that could have brought a cancellation has been answered.
    await talk.configure(metadata={"seen": True})
    await talk.until(lambda events: True)
    (Path(ledger) / "go").touch()
    (found,) = results(await end(talk)).values()
    assert (found.output, await endings(talk)) == ("ok", [])


@pytest.mark.usefixtures("mute")
async def test_a_sub_agent_s_tool_hears_it_too(talk: Talk, ledger: str) -> None:
    talk.stage.plays = [Play("", [("called", {"message": "go"})]), Play("", [("last_word", {"ledger": ledger})])]
    await talk.send("let it do it")
    await written(Path(ledger), "begun")
    await talk.stop()
    await end(talk)
    child = talk.child("t1.s1.c1")
    (found,) = results(await end(child)).values()
    assert found.output == "half of it is done"


async def test_the_next_attempt_finds_what_was_told_last(talk: Talk) -> None:
    assert (await outcome(talk, "resume", {})).output == "from page 3"


class Talker(ActivityInboundInterceptor):
    """A tool that reports progress on each page, and fails."""

    def __init__(self) -> None:
        pass

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self._outbound = outbound

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        for page in range(100):
            self._outbound.heartbeat(page)
        raise ApplicationError("torn")


class Wire(ActivityOutboundInterceptor):
    """Records what is sent to the server."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def info(self) -> activity.Info:
        return activity.info()

    def heartbeat(self, *details: Any) -> None:
        self.sent.append(details)


@pytest.mark.parametrize(("throttle_s", "sent"), [(3600, [(0,), (99,)]), (0, [(page,) for page in range(100)])])
async def test_the_server_is_not_told_of_every_page(throttle_s: float, sent: list[tuple[int]]) -> None:
    wire = Wire()
    runner = ToolRunner(MemoryLive(asyncio.get_running_loop()), lambda name: True, throttle_s)
    inbound = runner.intercept_activity(Talker())
    inbound.init(wire)
    call = ExecuteActivityInput(fn=print, args=[], executor=None, headers={})
    with pytest.raises(ApplicationError):
        await ActivityEnvironment().run(inbound.execute_activity, call)
    assert wire.sent == sent
