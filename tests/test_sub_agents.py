"""Sub-agents on a real server: each call has one result, and no session below outlives its limits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from perdure.activities.models.failures import ModelFailure
from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.definition.agent import Limits, SessionLimits, TurnLimits
from perdure.workflows.protocol.queries import PageRequest, SnapshotPage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, ToolFinished, ToolStarted, TurnFinished
from tests.support.session_lab import Lab, Play, Talk, check, ends, kinds, lab_on

pytestmark = pytest.mark.server

ASK = Play("", [("helper", {"message": "Count."})])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _fresh(lab: Lab) -> None:
    lab.stage.plays.clear()


def outputs(events: list[Event]) -> list[Any]:
    return [event.result.output for event in events if isinstance(event, ToolFinished)]


def errors(events: list[Event]) -> list[str]:
    return [output["type"] for output in outputs(events) if "type" in output]


async def snapshot(talk: Talk) -> SnapshotPage:
    return await talk.handle.query(SessionWorkflow.snapshot, PageRequest())


async def test_its_answer_is_the_result_and_what_it_spent_is_its_callers(lab: Lab) -> None:
    talk = await lab.start("boss", user="ann")
    lab.stage.plays = [
        Play("", [("helper", {"message": "Count.", "topic": "numbers"})]),
        Play("", [("add", {"a": 1, "b": 2})]),
        Play("Three."),
        Play("It says three."),
    ]
    events = await talk.turn("let it count")
    check(await talk.events())
    child = talk.child("t1.s1.c1")
    session = child.handle.id.partition("/")[2]
    assert outputs(events) == [{"text": "Three.", "session_id": session}]
    assert [event.session_id for event in events if isinstance(event, ToolStarted)] == [session]
    finished = events[-1]
    assert isinstance(finished, TurnFinished)
    assert (finished.usage.input_tokens, finished.usage.output_tokens) == (40, 8)
    assert finished.cost_usd == pytest.approx(48e-6)

    assert kinds(await child.events())[-2:] == ["turn.finished", "session.closed"]
    check(await child.events())
    page = await snapshot(child)
    assert (page.agent, page.status, page.user, page.inputs) == ("helper", "closed", "ann", {"topic": "numbers"})
    assert page.parent is not None
    assert (page.parent.session_id, page.parent.call_id, page.parent.depth) == (
        talk.handle.id.partition("/")[2],
        "t1.s1.c1",
        1,
    )
    assert page.parent.cap_usd == pytest.approx(0.5, abs=1e-4)
    assert page.limits.session.cost_usd == page.parent.cap_usd


async def test_wrong_arguments_name_the_field_and_start_nothing(lab: Lab) -> None:
    talk = await lab.start("boss")
    calls: list[tuple[str, dict[str, Any]]] = [("helper", {}), ("helper", {"message": "x", "topic": 3, "more": 1})]
    lab.stage.plays = [Play("", calls), Play("Sorry.")]
    events = await talk.turn("hi")
    assert errors(events) == ["invalid_arguments", "invalid_arguments"]
    assert "message: is required" in str(outputs(events)[0])
    assert "more" in str(outputs(events)[1])


async def test_two_run_at_the_same_time_with_a_share_each(lab: Lab) -> None:
    talk = await lab.start("boss")
    gate = asyncio.Event()
    both: list[tuple[str, dict[str, Any]]] = [("helper", {"message": "a"}), ("helper", {"message": "b"})]
    lab.stage.plays = [Play("", both), Play("waits", gate=gate), Play("waits", gate=gate), Play("Both.")]
    await talk.send("both")
    children = [talk.child("t1.s1.c1"), talk.child("t1.s1.c2")]
    for child in children:
        await child.streamed("waits")
    caps = []
    for child in children:
        page = await snapshot(child)
        assert page.parent is not None
        caps.append(page.parent.cap_usd)
    # Whichever is opened first gets half of the whole.
    assert sorted(cap or 0 for cap in caps) == [pytest.approx(0.25, abs=1e-3), pytest.approx(0.5, abs=1e-3)]
    gate.set()
    events = await talk.until(ends)
    assert [output["text"] for output in outputs(events)] == ["waits", "waits"]
    check(events)


async def test_a_long_answer_is_folded_in_the_callers_name(lab: Lab) -> None:
    talk = await lab.start("boss")
    lab.stage.plays = [Play("", [("helper", {"message": "m" * 100_000})]), Play("x" * 100_000), Play("Long.")]
    events = await talk.turn("a long one")
    (result,) = [event.result for event in events if isinstance(event, ToolFinished)]
    assert result.blob is not None
    assert result.blob.key.startswith(f"{talk.handle.id}/")
    assert "left out" in str(result.output)
    assert lab.stage.requests[-2][0].parts[0].text == "m" * 100_000  # type: ignore[union-attr]


async def test_a_failure_and_an_empty_purse_are_data(lab: Lab) -> None:
    talk = await lab.start("boss")
    final = ModelFailure(kind="model_auth", message="The key is not valid.", provider="demo")
    lab.stage.plays = [ASK, Play(error=final), Play("It failed.")]
    events = await talk.turn("try")
    assert errors(events) == ["agent_failed"]
    assert "model_auth" in str(outputs(events)[0])

    # Enough for a step of its own, but half of it is not enough for one of the helper's.
    spent = (await snapshot(talk)).cost_usd or 0
    await talk.configure(limits=Limits(session=SessionLimits(cost_usd=spent + 0.009), turn=TurnLimits()))
    lab.stage.plays = [ASK, Play("Poor.")]
    events = await talk.turn("try again")
    assert errors(events) == ["budget_exceeded"]
    assert kinds(await talk.child("t2.s1.c1").events())[-2:] == ["turn.finished", "session.closed"]


async def test_a_stop_goes_down_the_tree_and_keeps_what_was_said(lab: Lab) -> None:
    talk = await lab.start("boss")
    lab.stage.plays = [
        Play("", [("one", {"message": "1"})]),
        Play("", [("two", {"message": "2"})]),
        Play("", [("three", {"message": "3"})]),
        Play("Once upon", gate=asyncio.Event()),
    ]
    await talk.send("go deep")
    one = talk.child("t1.s1.c1")
    two, three = one.child("t1.s1.c1"), one.child("t1.s1.c1").child("t1.s1.c1")
    await three.streamed("Once upon")
    await talk.stop()
    events = await talk.until(ends)
    assert errors(events) == ["stopped"]
    for below in (three, two, one):
        found = await below.events()
        check(found)
        assert kinds(found)[-2:] == ["turn.finished", "session.closed"]
    assert errors(await two.events()) == ["stopped"]
    assert "Once upon" in str(outputs(await two.events())[0])


async def test_three_below_may_call_nobody(lab: Lab) -> None:
    talk = await lab.start("boss")
    lab.stage.plays = [
        Play("", [("one", {"message": "1"})]),
        Play("", [("two", {"message": "2"})]),
        Play("", [("three", {"message": "3"})]),
        Play("", [("two", {"message": "take over"})]),
        Play("", [("three", {"message": "deeper still"})]),
        Play("No further."),
        Play("2."),
        Play("1."),
        Play("0."),
    ]
    events = await talk.turn("go deep")
    assert [output["text"] for output in outputs(events)] == ["1."]
    three = talk.child("t1.s1.c1").child("t1.s1.c1").child("t1.s1.c1")
    assert errors(await three.events()) == ["too_deep"]


async def test_a_deadline_stops_it(lab: Lab) -> None:
    talk = await lab.start("boss")
    lab.stage.plays = [
        Play("", [("slow", {"message": "x"})]),
        Play("So far", gate=asyncio.Event()),
        Play("Too slow."),
    ]
    events = await talk.turn("quickly")
    assert errors(events) == ["timeout"]
    assert "So far" in str(outputs(events)[0])
    assert (await snapshot(talk.child("t1.s1.c1"))).status == "closed"


async def test_it_asks_for_itself_and_its_caller_waits(lab: Lab) -> None:
    talk = await lab.start("boss")
    gate = asyncio.Event()
    lab.stage.plays = [ASK, Play("May I?", [("book", {"size": 3})], gate), Play("Booked."), Play("Done.")]
    await talk.send("book")
    child = talk.child("t1.s1.c1")
    await child.streamed("May I?")
    gate.set()
    await child.until(lambda events: "approval.requested" in kinds(events))
    page = await snapshot(talk)
    assert (page.status, page.sub_sessions) == ("working", {"t1.s1.c1": child.handle.id.partition("/")[2]})
    (question,) = (await snapshot(child)).questions
    await child.answer(question.question_id)
    events = await talk.until(ends)
    assert [output["text"] for output in outputs(events)] == ["Booked."]


async def test_its_call_can_need_an_approval_too(lab: Lab) -> None:
    talk = await lab.start("boss")
    lab.stage.plays = [Play("", [("plain", {"message": "x"})]), Play("Not allowed.")]
    await talk.send("ask it")
    await talk.until(lambda events: "approval.requested" in kinds(events))
    await talk.answer("t1.s1.c1.approval", approved=False)
    events = await talk.until(ends)
    assert errors(events) == ["denied"]


async def test_it_continues_as_new_and_answers_all_the_same(lab: Lab) -> None:
    talk = await lab.start("boss", continue_as_new_after=50)
    lab.stage.plays = [ASK, *(Play("", [("add", {"a": n, "b": 1})]) for n in range(8)), Play("Nine."), Play("Done.")]
    events = await talk.turn("count far")
    assert [output["text"] for output in outputs(events)] == ["Nine."]
    child = talk.child("t1.s1.c1")
    history = await child.handle.fetch_history()
    assert history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    check(await child.events())


async def test_closing_closes_what_runs_below(lab: Lab) -> None:
    talk = await lab.start("boss", continue_as_new_after=50)
    lab.stage.plays = [ASK, Play("Once upon", gate=asyncio.Event())]
    await talk.send("a story")
    child = talk.child("t1.s1.c1")
    await child.streamed("Once upon")
    await talk.close()
    assert await talk.handle.result() == "bye"
    assert (await child.handle.result())["reason"] == "stopped"  # type: ignore[index]
    check(await child.events())


async def test_what_waits_in_it_is_done_first(lab: Lab) -> None:
    """A message from a person, and a timer that it sets."""
    talk = await lab.start("boss")
    lab.stage.plays = [
        ASK,
        Play("", [("wake_me", {"after": "1s", "note": "look again"})]),
        Play("I will look."),
        Play("I have looked."),
        Play("Done."),
    ]
    events = await talk.turn("look")
    assert [output["text"] for output in outputs(events)] == ["I have looked."]
