"""The session workflow, with the test kit: real definitions, tools, blobs and live plane, and a skippable clock.

The test kit also replays each test that passes.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from perdure.temporal.app.testing.kit import Perdure, Session, assistant, call, failure, result, user
from perdure.temporal.sessions.content import content_sha256
from perdure.workflows.protocol.signals import Close, Stop
from perdure.workflows.protocol.steps import ModelInputRequest
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, ModelSwitched, StepFinished, ToolFinished, TurnFinished
from perdure.workflows.vocabulary.parts import Text, Usage
from tests.support.session_lab import ONE_STEP, check, kinds, message

pytestmark = pytest.mark.server

LITTLE = Usage(input_tokens=10, output_tokens=2)


def outcome(events: Sequence[Event]) -> tuple[str, str | None]:
    """How the last turn ended: reason and type of error."""
    last = [event for event in events if isinstance(event, TurnFinished)][-1]
    return last.reason, last.error.type if last.error else None


async def failed_tasks(session: Session) -> int:
    events = [event for run in await session.runs() for event in run.events]
    return sum(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED for event in events)


async def said_and_new(session: Session, text: str, digest: str | None = None) -> list[Event]:
    """Sends a message, under a definition that the gateway has just seen; returns all events since."""
    before = len(await session.events())
    name = f"m{before}"
    await session.handle.signal(SessionWorkflow.send_message, message(text, name, digest=digest or session.new.digest))
    await session.turn(name)
    return (await session.events())[before:]


async def test_a_turn(perdure: Perdure) -> None:
    perdure.model.says("hello", usage=LITTLE)
    session = await perdure.session("staged", user="u1", inputs={"a": 1})
    await session.say("hi")
    events = await session.events()
    assert kinds(events) == ["session.started", *ONE_STEP]
    check(events)
    assert await session.transcript() == [user("hi"), assistant("hello")]
    finished = events[4]
    assert isinstance(finished, StepFinished)
    assert finished.cost_usd == pytest.approx(12e-6)
    page = await session.snapshot()
    assert (page.status, page.agent, page.user, page.inputs, page.workflow_id) == (
        "idle",
        "staged",
        "u1",
        {"a": 1},
        session.handle.id,
    )


async def test_a_first_message_comes_with_the_session(perdure: Perdure) -> None:
    perdure.model.says("hello")
    session = await perdure.session("plain", message="hi")
    await session.turn("first")
    assert kinds(await session.events()) == ["session.started", *ONE_STEP]
    receipt = await session.handle.query(SessionWorkflow.receipt, "first")
    assert (receipt.content_sha256, receipt.cursor, receipt.seq) == (content_sha256((Text(text="hi"),)), 0, 6)


async def test_a_week_between_two_messages_takes_no_time(perdure: Perdure) -> None:
    perdure.model.says("hello")
    perdure.model.says("yes")
    session = await perdure.session("plain")
    await session.say("hi")
    started = time.monotonic()
    await perdure.later(days=7)
    turn = await session.say("still there?")
    assert time.monotonic() - started < 5
    assert kinds(turn.events) == ONE_STEP
    first, last = [one.at for one in await session.events() if one.type == "message.added"]
    assert (last - first).days == 7


async def test_messages_queue_while_a_turn_runs(perdure: Perdure) -> None:
    gate = asyncio.Event()
    perdure.model.says("one", gate=gate)
    perdure.model.says("two")
    perdure.model.says("three")
    session = await perdure.session("staged")
    await session.send("1")
    await session.streamed("one")
    names = [await session.send("2"), await session.send("3")]
    queued = await session.until("message.queued", 2)
    assert [(e.message_id, e.position) for e in queued if e.type == "message.queued"] == [(names[0], 1), (names[1], 2)]
    gate.set()
    check(await session.until("turn.finished", 3))
    assert await session.transcript() == [
        user("1"),
        assistant("one"),
        user("2"),
        assistant("two"),
        user("3"),
        assistant("three"),
    ]


async def test_the_same_message_again_is_one_message(perdure: Perdure) -> None:
    perdure.model.says("one")
    perdure.model.says("two")
    session = await perdure.session("plain")
    await session.send("hi", "m1")
    await session.send("hi", "m1")
    await session.turn("m1")
    await session.send("hi", "m1")
    await session.say("next")
    events = await session.events()
    assert kinds(events).count("message.added") == 2
    assert "message.rejected" not in kinds(events)


async def test_other_words_under_a_known_id_are_refused_and_the_first_are_kept(perdure: Perdure) -> None:
    gate = asyncio.Event()
    perdure.model.says("one", gate=gate)
    perdure.model.says("two")
    session = await perdure.session("staged")
    await session.send("1", "m1")
    await session.streamed("one")
    await session.send("2", "m2")
    await session.send("other", "m2")
    events = await session.until("message.rejected")
    assert [(e.message_id, e.reason) for e in events if e.type == "message.rejected"] == [("m2", "conflict")]
    gate.set()
    await session.until("turn.finished", 2)
    assert await session.transcript() == [user("1"), assistant("one"), user("2"), assistant("two")]


@pytest.mark.parametrize("told", [True, False], ids=["told at once", "told by heartbeat"])
async def test_a_stop_keeps_the_partial_answer_and_the_session(perdure: Perdure, told: bool) -> None:
    perdure.model.says("Once upon", usage=Usage(input_tokens=10), gate=asyncio.Event())
    perdure.model.says("ok")
    session = await perdure.session("staged")
    await session.send("a story")
    await session.streamed("Once upon")
    assert perdure.model.streaming == 1
    if told:
        await session.stop()
    else:
        await session.handle.signal(SessionWorkflow.stop, Stop(id="s1"))
    events = await session.until("turn.finished")
    assert kinds(events) == ["session.started", *ONE_STEP]
    assert outcome(events) == ("stopped", None)
    step = events[4]
    assert isinstance(step, StepFinished)
    assert (step.stop, step.message.parts, step.message.stopped) == ("stopped", (Text(text="Once upon"),), True)
    assert step.usage.input_tokens == 10
    assert perdure.model.streaming == 0
    await session.say("go on")
    story = [user("a story"), assistant("Once upon", stopped=True), user("go on")]
    assert await session.transcript() == [*story, assistant("ok")]
    assert perdure.model.asked[-1].transcript == story


async def test_stop_counts_once_and_for_the_turn_that_runs(perdure: Perdure) -> None:
    session = await perdure.session("staged")
    await session.ask_to_stop(stop_id="early")
    perdure.model.hangs("one")
    perdure.model.hangs("two")
    await session.send("1")
    await session.send("2")
    await session.streamed("one")
    await session.ask_to_stop("t7")
    await session.ask_to_stop(stop_id="x")
    await session.ask_to_stop(stop_id="y")
    await session.streamed("two")
    await session.ask_to_stop(stop_id="x")
    await session.ask_to_stop("t2", "z")
    events = await session.until("turn.finished", 2)
    check(events)
    assert [e.reason for e in events if isinstance(e, TurnFinished)] == ["stopped", "stopped"]
    assert await failed_tasks(session) == 0


async def test_a_stop_while_tools_run(perdure: Perdure) -> None:
    perdure.model.says(calls=[("add", {"a": 1, "b": 2}), ("hang", {"name": "x"})])
    perdure.model.says("ok")
    session = await perdure.session("staged")
    await session.send("go")
    await session.until("tool.finished")
    await session.stop()
    events = await session.events()
    check(events)
    results = {event.call_id: event.result for event in events if isinstance(event, ToolFinished)}
    assert results["t1.s1.c1"].output == 3
    assert results["t1.s1.c2"].output == {
        "type": "stopped",
        "message": "The turn was stopped before this call had a result.",
        "retryable": False,
    }
    assert outcome(events) == ("stopped", None)
    assert kinds((await session.say("and now?")).events) == ONE_STEP


async def test_closing_an_idle_session(perdure: Perdure) -> None:
    perdure.model.says("hello")
    session = await perdure.session("plain")
    await session.say("hi")
    await session.close("bye")
    assert await session.handle.result() == "bye"
    assert kinds(await session.events())[-1] == "session.closed"
    assert (await session.handle.query(SessionWorkflow.events, 0)).closed


async def test_closing_while_it_works_stops_the_turn_and_refuses_what_waits(perdure: Perdure) -> None:
    perdure.model.hangs("Once upon")
    session = await perdure.session("staged")
    await session.send("1")
    await session.streamed("Once upon")
    await session.send("2", "m2")
    await session.handle.signal(SessionWorkflow.close, Close(id="c1", reason="bye"))
    await session.send("3", "m3")
    await session.close("again")
    assert await session.handle.result() == "bye"
    events = await session.events()
    check(events)
    assert outcome(events) == ("stopped", None)
    refused = [(e.message_id, e.reason) for e in events if e.type == "message.rejected"]
    assert sorted(refused) == [("m2", "session_closed"), ("m3", "session_closed")]
    assert kinds(events)[-1] == "session.closed"
    assert await session.transcript() == [user("1"), assistant("Once upon", stopped=True)]


async def test_configure_switches_the_model(perdure: Perdure) -> None:
    perdure.model.says("one")
    perdure.model.says("two")
    session = await perdure.session("staged")
    await session.say("hi")
    await session.configure(model="other", metadata={"k": [1]})
    turn = await session.say("hi")
    switched = [event for event in turn.events if isinstance(event, ModelSwitched)]
    assert [(e.step_id, e.from_, e.to) for e in switched] == [("t2.s1", "demo/stage", "demo/instant")]
    assert [e.model for e in turn.events if isinstance(e, StepFinished)] == ["demo/instant"]
    assert [asked.model for asked in perdure.model.asked] == ["demo/stage", "demo/instant"]
    page = await session.snapshot()
    assert (page.model, page.metadata) == ("other", {"k": [1]})


async def test_another_definition_is_run_from_the_next_turn(perdure: Perdure) -> None:
    for answer in ("one", "two", "three"):
        perdure.model.says(answer)
    session = await perdure.session("plain")
    staged = (await perdure.session("staged")).new.digest
    await session.say("hi")
    events = await said_and_new(session, "hi", staged)
    assert kinds(events) == ["agent.updated", ONE_STEP[0], ONE_STEP[1], "model.switched", *ONE_STEP[2:]]
    assert kinds(await said_and_new(session, "hi", staged)) == ONE_STEP


async def test_instructions_that_cannot_be_rendered_fail_the_turn(perdure: Perdure) -> None:
    session = await perdure.session("broken")
    turn = await session.say("hi")
    assert kinds(turn.events) == ["turn.started", "message.added", "turn.finished"]
    assert outcome(turn.events) == ("failed", "instructions_invalid")


async def test_tools_answer_and_fail_as_data(perdure: Perdure) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("add", {"a": 1, "b": 2}),
        ("refuse", {"reason": "no"}),
        ("add", {"a": "one"}),
        ("nothing", {}),
    ]
    perdure.model.says(calls=calls)
    perdure.model.says("done")
    session = await perdure.session("staged")
    turn = await session.say("go")
    check(await session.events())
    assert (turn.reason, turn.error) == ("done", None)
    told = [
        user("go"),
        assistant(*(call(name, **arguments) for name, arguments in calls)),
        result("add", 3),
        failure("refuse", "refused"),
        failure("add", "invalid_arguments"),
        failure("nothing", "unknown_tool"),
    ]
    assert await session.transcript() == [*told, assistant("done")]
    assert perdure.model.asked[-1].transcript == told
    refused = next(e for e in turn.events if isinstance(e, ToolFinished) and e.call_id == "t1.s1.c2")
    assert refused.result.output == {"type": "refused", "message": "no", "retryable": False}


async def test_a_turn_has_so_many_steps(perdure: Perdure) -> None:
    perdure.model.says(calls=[("add", {"a": 1, "b": 2})])
    perdure.model.says(calls=[("add", {"a": 1, "b": 2})])
    session = await perdure.session("short")
    turn = await session.say("go")
    assert kinds(turn.events).count("step.finished") == 2
    assert outcome(turn.events) == ("max_steps", "max_steps")


async def test_a_model_that_fails_for_good_fails_the_turn(perdure: Perdure) -> None:
    perdure.model.fails(401, after="Once")
    session = await perdure.session("staged")
    turn = await session.say("hi")
    assert outcome(turn.events) == ("failed", "model_auth")
    step = next(event for event in turn.events if isinstance(event, StepFinished))
    assert (step.stop, step.message.parts) == ("error", ())
    assert step.cost_usd is not None
    assert step.cost_usd > 0, "an attempt that had begun to stream is charged what was reserved"
    assert await session.transcript() == [user("hi")]
    perdure.model.says("hello")
    assert kinds((await session.say("hi again")).events) == ONE_STEP


async def test_a_model_that_fails_once_is_asked_again(perdure: Perdure) -> None:
    perdure.model.fails(529, after="Onc")
    perdure.model.says("Once upon", usage=LITTLE)
    session = await perdure.session("staged")
    turn = await session.say("hi")
    step = next(event for event in turn.events if isinstance(event, StepFinished))
    assert (step.attempt, step.stop, step.message.parts) == (2, "end", (Text(text="Once upon"),))
    assert step.cost_usd is not None
    assert step.cost_usd > 12e-6, "the lost attempt is charged"


async def test_a_signal_that_is_no_command_does_no_harm(perdure: Perdure) -> None:
    session = await perdure.session("plain")
    untyped: WorkflowHandle[Any, Any] = session.handle
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
    perdure.model.says("hello")
    assert kinds((await session.say("hi")).events) == ONE_STEP
    assert kinds(await session.events()) == ["session.started", *ONE_STEP]
    assert await failed_tasks(session) == 0


async def test_a_finished_step_is_no_more_to_be_answered(perdure: Perdure) -> None:
    perdure.model.says("hello")
    session = await perdure.session("plain")
    await session.say("hi")
    page = await session.handle.query(SessionWorkflow.model_input, ModelInputRequest(step_id="t1.s1"))
    assert (page.open, page.known, [one.role for one in page.messages]) == (False, True, ["user"])
