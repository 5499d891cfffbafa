"""On whose behalf a tool is called: the same context wherever the tool runs, on a real Temporal server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType

from perdure.temporal.app.dev_server.server import DevServer
from tests.support.session_lab import Lab, Play, Talk, ends, lab_on
from tests.support.tool_lab import MODELS, error, outcome, results

pytestmark = pytest.mark.server

TOOLS = Path(__file__).parent / "support" / "context_tools.py"
AGENTS = {
    "told": f"""{MODELS}
inputs: {{customer: {{type: string, default: nobody}}}}
tools:
  - whoami: {{retry: {{attempts: 1}}}}
  - whoami_thread
  - whoami_process: {{process: true}}
  - whoami_plainly
  - whose_order
  - whose_cart: {{retry: {{attempts: 3}}}}
  - break_for: {{fallback: stand_in_for}}
  - stand_in_for
  - add
  - agent: {{name: below, description: Asks}}
""",
    "below": f"{MODELS}\ntools: [whoami]",
}
WHO: dict[str, Any] = {"user": "ada", "metadata": {"plan": "pro"}, "inputs": {"customer": "C-1"}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(
        temporal_server, tmp_path_factory.mktemp("told"), more_agents=AGENTS, more_tools=[TOOLS]
    ) as opened:
        yield opened


@pytest_asyncio.fixture
async def talk(lab: Lab) -> Talk:
    return await lab.start("told", timezone="Europe/Berlin", **WHO)


def session_of(talk: Talk) -> str:
    return talk.handle.id.partition("/")[2]


async def test_a_tool_is_told_all_of_it(talk: Talk) -> None:
    session = session_of(talk)
    assert (await outcome(talk, "whoami", {"greeting": "hi"})).output == {
        "greeting": "hi",
        "tenant": "lab",
        "user": "ada",
        "session": session,
        "agent": "told",
        "turn": "t1",
        "call": "t1.s1.c1",
        "inputs": {"customer": "C-1"},
        "metadata": {"plan": "pro"},
        "timezone": "Europe/Berlin",
        "key": f"lab/{session}/t1.s1.c1",
    }


async def test_it_is_told_wherever_it_runs_and_in_whatever_form(talk: Talk) -> None:
    key = f"{talk.handle.id}/t3.s1.c1"
    assert (await outcome(talk, "whoami_thread", {})).output == "ada"
    assert (await outcome(talk, "whoami_process", {})).output == "ada pro t2.s1.c1"
    assert (await outcome(talk, "whoami_plainly", {"context": "stock"})).output == ["ada", key, "stock"]
    assert (await outcome(talk, "whose_order", {"order": "A-1"})).output == ["A-1", "ada"]
    assert (await outcome(talk, "break_for", {})).output == "ada t5.s1.c1"


async def test_the_metadata_are_those_of_the_moment(talk: Talk) -> None:
    assert (await outcome(talk, "whose_cart", {"cart": "x"})).output == ["x", "ada", "pro"]
    await talk.configure(metadata={"plan": "free"})
    assert (await outcome(talk, "whose_cart", {"cart": "x"})).output == ["x", "ada", "free"]


async def test_a_tool_that_needs_a_user_does_not_run_without_one(lab: Lab) -> None:
    talk = await lab.start("told")
    failed = error(await outcome(talk, "whose_cart", {"cart": "x"}))
    assert (failed.type, failed.retryable) == ("context_unfit", False)
    assert "whose_cart was not called, because this session cannot tell it what it needs. user: " in failed.message


async def test_a_model_cannot_say_it(talk: Talk) -> None:
    forged = {"greeting": "hi", "who": {"user": "root"}}
    failed = error(await outcome(talk, "whoami", forged))
    assert (failed.type, "who: is not an argument" in failed.message) == ("invalid_arguments", True)


async def test_a_sub_agent_acts_for_the_same_user(talk: Talk) -> None:
    talk.stage.plays = [
        Play("", [("below", {"message": "ask"})]),
        Play("", [("whoami", {"greeting": "hi"})]),
        Play("ok"),
    ]
    await talk.send("go")
    await talk.until(ends)
    (told,) = results(await talk.child("t1.s1.c1").events()).values()
    assert isinstance(told.output, dict)
    names = ("user", "metadata", "timezone", "agent", "inputs")
    assert [told.output[name] for name in names] == ["ada", {"plan": "pro"}, "Europe/Berlin", "below", {}]
    assert told.output["session"] == f"{session_of(talk)}~t1.s1.c1"


async def test_nothing_travels_to_a_tool_that_does_not_ask(talk: Talk) -> None:
    await outcome(talk, "add", {"a": 1, "b": 2})
    await outcome(talk, "whoami", {"greeting": "hi"})
    history = await talk.handle.fetch_history()
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    given = {one.activity_type.name: len(one.input.payloads) for one in scheduled}
    assert (given["add"], given["whoami"]) == (1, 2)
