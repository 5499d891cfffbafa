"""A tool that its server replaces after an approval does not run in the place of the approved one."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.workflows.protocol.queries import QuestionState
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, ToolStarted
from perdure.workflows.vocabulary.question_events import ApprovalRequested
from tests.support.mcp_running import http_server
from tests.support.session_lab import Lab, Play, Talk, ends, kinds, open_lab
from tests.support.tool_lab import Call, begin, end, error, results, turn, whole

pytestmark = pytest.mark.server

PAY: Call = ("pay", {"amount": 1})
MODELS = "models: {main: {use: demo/stage, price: {input: 1, output: 1}}}"


def agents(url: str) -> dict[str, str]:
    free = f"mcp: {{url: '{url}', allow: [exchange]}}"
    return {
        name: f"{MODELS}\ntools: [{free}, mcp: {{url: '{url}', allow: [pay], approval: {policy}}}]"
        for name, policy in {
            "guarded": "always",
            "never": "{remember: never}",
            "same": "{remember: same_args}",
            "judged": "{when: '{{ args.amount > 10 }}'}",
        }.items()
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    settings = Settings.load(data_dir=folder, graceful_shutdown_s=0)
    client = await connect(settings, address=temporal_server.address)
    async with http_server() as server, open_lab(client, folder, settings, more_agents=agents(server.url)) as opened:
        yield opened


async def start(lab: Lab, agent: str) -> Talk:
    lab.stage.plays.clear()
    talk = await lab.start(agent)
    # Each test has a tool of its own.
    await turn(talk, ("exchange", {"description": f"Pays for {talk.handle.id}."}))
    return talk


def asked(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(e.question_id, e.reason) for e in events if isinstance(e, ApprovalRequested)]


async def questions(talk: Talk, count: int) -> list[tuple[str, str | None]]:
    events = await talk.until(lambda events: kinds(events).count("approval.requested") >= count)
    return asked(events)


async def test_a_tool_exchanged_while_a_person_is_asked_is_asked_again_and_then_runs(lab: Lab) -> None:
    talk = await start(lab, "guarded")
    await begin(talk, PAY, ("exchange", {"description": "Pays, and tells everybody."}), done="tool.finished", count=1)
    await talk.answer("t2.s1.c1.approval")
    assert await questions(talk, 2) == [("t2.s1.c1.approval", None), ("t2.s1.c1.approval2", "tool_changed")]
    await talk.answer("t2.s1.c1.approval2")
    events = await end(talk, 2)
    assert results(events)["t2.s1.c1"].output == "paid 1"
    assert [event.call_id for event in events if isinstance(event, ToolStarted)].count("t2.s1.c1") == 1
    await whole(talk)


async def test_a_tool_exchanged_again_and_again_is_given_up(lab: Lab) -> None:
    talk = await start(lab, "guarded")
    calls = [PAY, ("exchange", {"description": "Second."})]
    await begin(talk, *calls, done="tool.finished", count=1)
    await talk.answer("t2.s1.c1.approval")
    await questions(talk, 2)
    other = await lab.start("guarded")
    await turn(other, ("exchange", {"description": "Third."}))
    lab.stage.plays = [Play("done")]
    await talk.answer("t2.s1.c1.approval2")
    events = await end(talk, 2)
    assert error(results(events)["t2.s1.c1"]).type == "tool_changed"
    assert "did not run" in error(results(events)["t2.s1.c1"]).message
    await whole(talk)


async def test_a_tool_exchanged_after_it_was_allowed_is_asked_again(lab: Lab) -> None:
    talk = await start(lab, "guarded")
    await begin(talk, PAY, done="approval.requested")
    await questions(talk, 1)
    await talk.answer("t2.s1.c1.approval", remember=True)
    await end(talk, 2)
    # Approved and unchanged.
    events = await turn(talk, PAY)
    assert asked(events) == []
    # In one step: the new tool is still taken for the approved one, and must not run in its place.
    lab.stage.plays = [Play("", [("exchange", {"description": "Other."})]), Play("", [PAY]), Play("done")]
    await talk.send("go on")
    assert (await questions(talk, 2))[1:] == [("t4.s2.c1.approval2", "tool_changed")]
    await talk.answer("t4.s2.c1.approval2")
    assert results(await end(talk, 4))["t4.s2.c1"].output == "paid 1"
    # In a later turn, when the new list is known.
    await begin(talk, PAY, done="approval.requested")
    assert (await questions(talk, 3))[2:] == [("t5.s1.c1.approval", "tool_changed")]
    await talk.answer("t5.s1.c1.approval", approved=False)
    await end(talk, 5)
    await whole(talk)


async def test_a_condition_was_judged_for_the_tool_as_it_was(lab: Lab) -> None:
    talk = await start(lab, "judged")
    lab.stage.plays = [Play("", [("exchange", {"description": "In thousands."})]), Play("", [PAY]), Play("done")]
    await talk.send("pay")
    assert await questions(talk, 1) == [("t2.s2.c1.approval2", "tool_changed")]
    await talk.answer("t2.s2.c1.approval2", approved=False, reason="too much")
    assert error(results(await end(talk, 2))["t2.s2.c1"]).type == "denied"
    await whole(talk)


async def test_what_is_never_remembered_is_asked_each_time(lab: Lab) -> None:
    talk = await start(lab, "never")
    await begin(talk, PAY, done="approval.requested")
    await questions(talk, 1)
    state: QuestionState = await talk.ask(SessionWorkflow.question, "t2.s1.c1.approval")
    assert state.question is not None
    assert (state.question.remember, state.question.bound is not None) == ("never", True)
    # A gateway refuses this; the session must not rely on that.
    await talk.answer("t2.s1.c1.approval", remember=True)
    await end(talk, 2)
    await begin(talk, PAY, done="approval.requested")
    await questions(talk, 2)
    await talk.stop()
    await end(talk, 3)
    await whole(talk)


async def test_the_same_arguments_are_remembered_and_no_others(lab: Lab) -> None:
    talk = await start(lab, "same")
    await begin(talk, PAY, done="approval.requested")
    await questions(talk, 1)
    # What was approved is what runs.
    await talk.answer("t2.s1.c1.approval", remember=True, args={"amount": 2})
    await end(talk, 2)
    events = await turn(talk, ("pay", {"amount": 2}))
    assert (asked(events), ends(events)) == ([], True)
    await begin(talk, PAY, done="approval.requested")
    assert (await questions(talk, 2))[1:] == [("t4.s1.c1.approval", None)]
    await talk.stop()
    await end(talk, 4)
    await whole(talk)
