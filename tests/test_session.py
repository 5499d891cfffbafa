"""The session workflow on a server whose clock skips, with real parts: definitions, tools, blobs, live plane."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType, IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from temporal.codec import data_converter
from temporal.settings import Settings
from tests.session_lab import ONE_STEP, Lab, Play, Stage, Talk, check, ends, kinds, message, open_lab
from workflows.attributes import ALL
from workflows.commands import ModelInputRequest, PageRequest
from workflows.definition import Limits, TurnLimits
from workflows.events import Event, ModelSwitched, StepFinished, ToolFinished, TurnFinished
from workflows.session import SessionWorkflow
from workflows.types import Text

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def skipping(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WorkflowEnvironment]:
    program = shutil.which("temporal-test-server", path=Path(sys.executable).parent)
    assert program is not None
    folder = tmp_path_factory.mktemp("skipping")
    converter = data_converter(folder / "blobs")
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program, data_converter=converter
    ) as environment:
        # This server lists none, and a session whose attributes it does not know would never start.
        known = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}
        client = environment.client
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=known)
        )
        yield environment


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> Stage:
    return Stage()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(
    skipping: WorkflowEnvironment, stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    settings = Settings.load(data_dir=folder, graceful_shutdown_s=0, heartbeat_throttle_s=0.1)
    async with open_lab(skipping.client, folder, settings, stage) as opened:
        yield opened


@pytest.fixture(autouse=True)
def empty_stage(stage: Stage) -> None:
    stage.plays.clear()
    stage.requests.clear()


def outcome(events: Sequence[Event]) -> tuple[str, str | None]:
    """How the last turn ended: reason and type of error."""
    last = [event for event in events if isinstance(event, TurnFinished)][-1]
    return last.reason, last.error.type if last.error else None


async def failed_tasks(talk: Talk) -> int:
    history = await talk.handle.fetch_history()
    return sum(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED for event in history.events)


async def test_a_turn(lab: Lab) -> None:
    talk = await lab.start("staged", user="u1", inputs={"a": 1})
    lab.stage.plays = [Play("hello")]
    await talk.turn("hi")
    events = await talk.events()
    assert kinds(events) == ["session.started", *ONE_STEP]
    check(events)
    assert await talk.said() == [("user", "hi"), ("assistant", "hello")]
    finished = events[4]
    assert isinstance(finished, StepFinished)
    assert finished.cost_usd == pytest.approx(12e-6)
    page = await talk.handle.query(SessionWorkflow.snapshot, PageRequest())
    assert (page.status, page.agent, page.user, page.inputs, page.workflow_id) == (
        "idle",
        "staged",
        "u1",
        {"a": 1},
        talk.handle.id,
    )


async def test_a_first_message_comes_with_the_session(lab: Lab) -> None:
    talk = await lab.start(first="hi")
    events = await talk.until(ends)
    assert kinds(events) == ["session.started", *ONE_STEP]
    receipt = await talk.handle.query(SessionWorkflow.receipt, "first")
    assert (receipt.content_sha256, receipt.cursor, receipt.seq) == ("hi", 0, 6)


async def test_a_session_begins_with_its_start_whatever_came_at_once(lab: Lab) -> None:
    """A signal can be there before the workflow's first line runs."""
    talk = await lab.start(first="first", signal=message("second", "m2"))
    events = await talk.until(lambda found: ends(found, 2))
    assert kinds(events)[:3] == ["session.started", "message.queued", "turn.started"]
    assert [one.id for one in await talk.transcript() if one.role == "user"] == ["first", "m2"]


async def test_a_week_between_two_messages_takes_no_time(lab: Lab, skipping: WorkflowEnvironment) -> None:
    talk = await lab.start()
    await talk.turn("hi")
    started = time.monotonic()
    await skipping.sleep(timedelta(days=7))
    events = await talk.turn("still there?")
    assert time.monotonic() - started < 5
    assert kinds(events) == ONE_STEP
    first, last = [one for one in await talk.transcript() if one.role == "user"]
    assert last.at - first.at > timedelta(days=7)


async def test_messages_queue_while_a_turn_runs(lab: Lab) -> None:
    talk = await lab.start("staged")
    gate = asyncio.Event()
    lab.stage.plays = [Play("one", gate=gate), Play("two"), Play("three")]
    await talk.send("1")
    await talk.streamed("one")
    await talk.send("2")
    await talk.send("3")
    queued = await talk.until(lambda found: kinds(found).count("message.queued") == 2)
    assert [(e.message_id, e.position) for e in queued if e.type == "message.queued"] == [("m2", 1), ("m3", 2)]
    gate.set()
    await talk.until(lambda found: ends(found, 3))
    check(await talk.events())
    assert [text for _, text in await talk.said()] == ["1", "one", "2", "two", "3", "three"]


async def test_the_same_message_again_is_one_message(lab: Lab) -> None:
    talk = await lab.start()
    await talk.send("hi", "m1")
    await talk.send("hi", "m1")
    await talk.until(ends)
    await talk.send("hi", "m1")
    await talk.turn("next")
    events = await talk.events()
    assert kinds(events).count("message.added") == 2
    assert "message.rejected" not in kinds(events)


async def test_other_words_under_a_known_id_are_refused_and_the_first_are_kept(lab: Lab) -> None:
    talk = await lab.start("staged")
    gate = asyncio.Event()
    lab.stage.plays = [Play("one", gate=gate)]
    await talk.send("1", "m1")
    await talk.streamed("one")
    await talk.send("2", "m2")
    await talk.send("other", "m2")
    events = await talk.until(lambda found: "message.rejected" in kinds(found))
    assert [(e.message_id, e.reason) for e in events if e.type == "message.rejected"] == [("m2", "conflict")]
    gate.set()
    await talk.until(lambda found: ends(found, 2))
    assert [text for role, text in await talk.said() if role == "user"] == ["1", "2"]


@pytest.mark.parametrize("told", [True, False], ids=["told at once", "told by heartbeat"])
async def test_a_stop_keeps_the_partial_answer_and_the_session(lab: Lab, told: bool) -> None:
    talk = await lab.start("staged")
    lab.stage.plays = [Play("Once upon", gate=asyncio.Event())]
    closed = lab.stage.closed
    await talk.send("a story")
    await talk.streamed("Once upon")
    await talk.stop(told=told)
    events = await talk.until(ends)
    assert kinds(events) == ["session.started", *ONE_STEP]
    assert outcome(events) == ("stopped", None)
    step = events[4]
    assert isinstance(step, StepFinished)
    assert (step.stop, step.message.parts, step.message.stopped) == ("stopped", (Text(text="Once upon"),), True)
    assert step.usage.input_tokens == 10
    assert lab.stage.closed == closed + 1
    await talk.turn("go on")
    assert [text for _, text in await talk.said()] == ["a story", "Once upon", "go on", "ok"]
    assert [part.text for one in lab.stage.requests[-1] for part in one.parts if part.type == "text"] == [
        "a story",
        "Once upon",
        "go on",
    ]


async def test_stop_counts_once_and_for_the_turn_that_runs(lab: Lab) -> None:
    talk = await lab.start("staged")
    await talk.stop(stop_id="early")
    lab.stage.plays = [Play("one", gate=asyncio.Event()), Play("two", gate=asyncio.Event())]
    await talk.send("1")
    await talk.send("2")
    await talk.streamed("one")
    await talk.stop("t7")
    await talk.stop(stop_id="x")
    await talk.stop(stop_id="y")
    await talk.streamed("two")
    await talk.stop(stop_id="x")
    await talk.stop("t2", "z")
    events = await talk.until(lambda found: ends(found, 2))
    check(events)
    assert [e.reason for e in events if isinstance(e, TurnFinished)] == ["stopped", "stopped"]
    assert await failed_tasks(talk) == 0


async def test_a_stop_while_tools_run(lab: Lab) -> None:
    talk = await lab.start("staged")
    lab.stage.plays = [Play("", [("add", {"a": 1, "b": 2}), ("hang", {"name": "x"})])]
    await talk.send("go")
    await talk.until(lambda found: "tool.finished" in kinds(found))
    await talk.stop()
    events = await talk.until(ends)
    check(events)
    results = {event.call_id: event.result for event in events if isinstance(event, ToolFinished)}
    assert results["t1.s1.c1"].output == 3
    assert results["t1.s1.c2"].output == {
        "type": "stopped",
        "message": "The turn was stopped before this call had a result.",
        "retryable": False,
    }
    assert outcome(events) == ("stopped", None)
    assert kinds(await talk.turn("and now?")) == ONE_STEP


async def test_closing_an_idle_session(lab: Lab) -> None:
    talk = await lab.start()
    await talk.turn("hi")
    await talk.close()
    assert await talk.handle.result() == "bye"
    events = await talk.events()
    assert kinds(events)[-1] == "session.closed"
    assert (await talk.page()).closed


async def test_closing_while_it_works_stops_the_turn_and_refuses_what_waits(lab: Lab) -> None:
    talk = await lab.start("staged")
    lab.stage.plays = [Play("Once upon", gate=asyncio.Event())]
    await talk.send("1")
    await talk.streamed("Once upon")
    await talk.send("2")
    await talk.close()
    await talk.send("3")
    await talk.close()
    assert await talk.handle.result() == "bye"
    events = await talk.events()
    check(events)
    assert outcome(events) == ("stopped", None)
    refused = [(e.message_id, e.reason) for e in events if e.type == "message.rejected"]
    assert sorted(refused) == [("m2", "session_closed"), ("m3", "session_closed")]
    assert kinds(events)[-1] == "session.closed"
    assert await talk.said() == [("user", "1"), ("assistant", "Once upon")]


async def test_configure_switches_the_model(lab: Lab) -> None:
    talk = await lab.start("staged")
    await talk.turn("hi")
    await talk.configure(model="other", metadata={"k": [1]})
    events = await talk.turn("hi")
    switched = [event for event in events if isinstance(event, ModelSwitched)]
    assert [(e.step_id, e.from_, e.to) for e in switched] == [("t2.s1", "demo/stage", "demo/instant")]
    assert [e.model for e in events if isinstance(e, StepFinished)] == ["demo/instant"]
    page = await talk.handle.query(SessionWorkflow.snapshot, PageRequest())
    assert (page.model, page.metadata) == ("other", {"k": [1]})


async def test_another_definition_is_run_from_the_next_turn(lab: Lab) -> None:
    talk = await lab.start("plain")
    await talk.turn("hi")
    staged = lab.parts.definitions.current("staged")
    assert staged is not None
    events = await talk.turn("hi", digest=staged.digest)
    assert kinds(events) == ["agent.updated", ONE_STEP[0], ONE_STEP[1], "model.switched", *ONE_STEP[2:]]
    assert kinds(await talk.turn("hi", digest=staged.digest)) == ONE_STEP


async def test_a_definition_that_nobody_knows_fails_the_turn_and_not_the_session(lab: Lab) -> None:
    talk = await lab.start("plain", digest="0" * 64)
    events = await talk.turn("hi")
    assert outcome(events) == ("failed", "agent_unavailable")
    last = events[-1]
    assert isinstance(last, TurnFinished)
    assert last.error is not None
    assert last.error.message == "The definition 000000000000 of agent 'plain' is not known to this worker."
    known = lab.parts.definitions.current("plain")
    assert known is not None
    assert kinds(await talk.turn("again", digest=known.digest)) == ONE_STEP


async def test_instructions_that_cannot_be_rendered_fail_the_turn(lab: Lab) -> None:
    talk = await lab.start("broken")
    events = await talk.turn("hi")
    assert kinds(events) == ["turn.started", "message.added", "turn.finished"]
    assert outcome(events) == ("failed", "instructions_invalid")


async def test_tools_answer_and_fail_as_data(lab: Lab) -> None:
    talk = await lab.start("staged")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("add", {"a": 1, "b": 2}),
        ("refuse", {"reason": "no"}),
        ("add", {"a": "one"}),
        ("nothing", {}),
    ]
    lab.stage.plays = [Play("", calls), Play("done")]
    events = await talk.turn("go")
    check(await talk.events())
    results = {event.call_id: event.result for event in events if isinstance(event, ToolFinished)}
    assert [results[f"t1.s1.c{number}"].is_error for number in range(1, 5)] == [False, True, True, True]
    assert results["t1.s1.c1"].output == 3
    errors = [results[f"t1.s1.c{number}"].output for number in range(2, 5)]
    assert errors[0] == {"type": "refused", "message": "no", "retryable": False}
    assert [error["type"] for error in errors if isinstance(error, dict)] == [
        "refused",
        "invalid_arguments",
        "unknown_tool",
    ]
    assert outcome(events) == ("done", None)
    sent = [part.call_id for one in lab.stage.requests[-1] for part in one.parts if part.type == "tool_result"]
    assert sorted(sent) == sorted(results)


async def test_a_budget_ends_the_turn_before_the_call(lab: Lab) -> None:
    talk = await lab.start("capped")
    events = await talk.turn("hi")
    assert kinds(events) == ["turn.started", "message.added", "turn.finished"]
    assert outcome(events) == ("budget", "budget_exceeded")
    await talk.configure(limits=Limits(turn=TurnLimits(cost_usd=10)))
    assert kinds(await talk.turn("hi")) == ONE_STEP


async def test_a_turn_has_so_many_steps(lab: Lab) -> None:
    talk = await lab.start("short")
    lab.stage.plays = [Play("", [("add", {"a": 1, "b": 2})])] * 3
    events = await talk.turn("go")
    assert kinds(events).count("step.finished") == 2
    assert outcome(events) == ("max_steps", "max_steps")


async def test_a_model_that_fails_for_good_fails_the_turn(lab: Lab) -> None:
    talk = await lab.start("staged")
    error = ApplicationError("The key is not valid.", type="model_auth", non_retryable=True)
    lab.stage.plays = [Play("Once", error=error)]
    events = await talk.turn("hi")
    assert outcome(events) == ("failed", "model_auth")
    step = next(event for event in events if isinstance(event, StepFinished))
    assert (step.stop, step.message.parts) == ("error", ())
    assert step.cost_usd is not None
    assert step.cost_usd > 0, "an attempt that had begun to stream is charged what was reserved"
    assert await talk.said() == [("user", "hi")]
    assert kinds(await talk.turn("hi again")) == ONE_STEP


async def test_a_model_that_fails_once_is_asked_again(lab: Lab) -> None:
    talk = await lab.start("staged")
    lab.stage.plays = [Play("Onc", error=ApplicationError("busy", type="model_overloaded")), Play("Once upon")]
    events = await talk.turn("hi")
    step = next(event for event in events if isinstance(event, StepFinished))
    assert (step.attempt, step.stop, step.message.parts) == (2, "end", (Text(text="Once upon"),))
    assert step.cost_usd is not None
    assert step.cost_usd > 12e-6, "the lost attempt is charged"


async def test_a_signal_that_is_no_command_does_no_harm(lab: Lab) -> None:
    talk = await lab.start()
    untyped: WorkflowHandle[Any, Any] = lab.client.get_workflow_handle(talk.handle.id)
    for name, args in (
        ("send_message", ["words"]),
        ("send_message", [{"message_id": "not an id", "parts": [], "content_sha256": "", "cursor": 0}]),
        ("stop", [{"unknown": 1}]),
        ("stop", []),
        ("close", [{"id": "a"}, {"id": "b"}]),
        ("configure", [None]),
        ("no such signal", [1]),
    ):
        await untyped.signal(name, args=args)
    assert kinds(await talk.turn("hi")) == ONE_STEP
    assert kinds(await talk.events()) == ["session.started", *ONE_STEP]
    assert await failed_tasks(talk) == 0


async def test_a_finished_step_is_no_more_to_be_answered(lab: Lab) -> None:
    talk = await lab.start()
    await talk.turn("hi")
    page = await talk.handle.query(SessionWorkflow.model_input, ModelInputRequest(step_id="t1.s1"))
    assert (page.open, page.known, [one.role for one in page.messages]) == (False, True, ["user"])
