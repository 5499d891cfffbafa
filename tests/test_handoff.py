"""Hand-off: from the next step on, the session belongs to another agent, with the whole conversation so far."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.protocol.steps import ModelInputRequest
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import AgentUpdated, StepStarted, ToolFinished
from perdure.workflows.vocabulary.search_attributes import AGENT
from tests.support.session_lab import Lab, Play, check, ends, kinds, lab_on

pytestmark = pytest.mark.server

HELP: tuple[str, dict[str, Any]] = ("expert", {"message": "Help.", "level": "high"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _fresh(lab: Lab) -> None:
    lab.stage.plays.clear()


def digest_of(lab: Lab, agent: str) -> str:
    known = lab.parts.definitions.current(agent)
    assert known is not None
    return known.digest


async def test_there_and_back(lab: Lab) -> None:
    talk = await lab.start("boss")
    lab.stage.plays = [Play("Wait.", [HELP, ("add", {"a": 1, "b": 2})]), Play("I help.")]
    events = await talk.turn("an expert, please")
    assert kinds(events) == [
        "turn.started",
        "message.added",
        "step.started",
        "step.finished",
        *["tool.started"] * 2,
        *["tool.finished"] * 2,
        "agent.updated",
        "step.started",
        "step.finished",
        "turn.finished",
    ]
    boss, expert = digest_of(lab, "boss"), digest_of(lab, "expert")
    (updated,) = [event for event in events if isinstance(event, AgentUpdated)]
    assert (updated.old, updated.new, updated.agent) == (boss, expert, "expert")
    steps = [event.step_id for event in events if isinstance(event, StepStarted)]
    prompts = []
    for step in steps:
        page = await talk.handle.query(SessionWorkflow.model_input, ModelInputRequest(step_id=step))
        assert page.prompt is not None
        prompts.append((page.prompt.system, "add" in [tool.name for tool in page.prompt.tools], len(page.messages)))
    assert prompts == [("Be brief.", True, 1), ("You are expert, high.", True, 4)]

    whole = await talk.handle.query(SessionWorkflow.snapshot, PageRequest())
    assert (whole.agent, whole.digest, whole.inputs) == ("expert", expert, {"level": "high"})
    receipt = await talk.handle.query(SessionWorkflow.receipt, "")
    assert (receipt.agent, receipt.digest) == ("expert", expert)
    assert (await talk.handle.describe()).typed_search_attributes.get(AGENT) == "expert"

    lab.stage.plays = [Play("", [("boss", {"message": "Done."})]), Play("Back.")]
    # A caller whose cursor is older than the hand-off sends the digest of the previous agent.
    events = await talk.turn("thanks", digest=boss)
    assert [event.agent for event in events if isinstance(event, AgentUpdated)] == ["boss"]
    assert ("assistant", "Back.") in await talk.said()
    check(await talk.events())


async def test_what_the_other_agent_lacks_is_an_error_that_names_it(lab: Lab) -> None:
    talk = await lab.start("boss")
    lab.stage.plays = [Play("", [("expert", {"message": "Help."})]), Play("Then not.")]
    events = await talk.turn("an expert, please")
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert finished.result.is_error
    assert "level: is required" in str(finished.result.output)
    assert "agent.updated" not in kinds(events)


async def test_the_session_has_what_the_call_leaves_out(lab: Lab) -> None:
    talk = await lab.start("boss", inputs={"level": "low"})
    lab.stage.plays = [Play("", [("expert", {"message": "Help."})]), Play("I help.")]
    await talk.turn("an expert, please")
    assert (await talk.handle.query(SessionWorkflow.snapshot, PageRequest())).inputs == {"level": "low"}


async def test_only_one_takes_over(lab: Lab) -> None:
    talk = await lab.start("boss")
    lab.stage.plays = [Play("", [HELP, HELP]), Play("I help.")]
    events = await talk.turn("two experts, please")
    results = [event.result for event in events if isinstance(event, ToolFinished)]
    assert sorted(result.is_error for result in results) == [False, True]
    assert "handoff_refused" in str([result.output for result in results])
    assert kinds(events).count("agent.updated") == 1


async def test_it_holds_across_runs(lab: Lab) -> None:
    talk = await lab.start("boss", continue_as_new_after=50)
    lab.stage.plays = [Play("", [HELP]), Play("I help.")]
    await talk.turn("an expert, please")
    for number in range(4):
        lab.stage.plays = [Play("", [("add", {"a": number, "b": 1})]), Play("More.")]
        await talk.turn(f"turn {number}")
    assert (
        (await talk.handle.fetch_history())
        .events[0]
        .workflow_execution_started_event_attributes.continued_execution_run_id
    )
    assert (await talk.handle.query(SessionWorkflow.snapshot, PageRequest())).agent == "expert"
    check(await talk.events())


async def test_a_sub_agent_that_hands_over_answers_by_the_other(lab: Lab) -> None:
    talk = await lab.start("boss")
    lab.stage.plays = [
        Play("", [("one", {"message": "1"})]),
        Play("", [("two", {"message": "2"})]),
        Play("", [("three", {"message": "3"})]),
        Play("", [("two", {"message": "take over"})]),
        Play("Two for three."),
    ]
    await talk.send("go deep")
    events = await talk.until(ends)
    check(events)
    three = talk.child("t1.s1.c1").child("t1.s1.c1").child("t1.s1.c1")
    assert ("assistant", "Two for three.") in await three.said()
