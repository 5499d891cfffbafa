"""Tool calls on a real Temporal server: every call has exactly one result, which the model gets in plain words."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.live.frames import ToolProgress
from perdure.workflows.vocabulary.events import TurnFinished
from tests.support.session_lab import PATIENCE_S, Lab, Play, Talk, check, ends, kinds
from tests.support.tool_lab import begin, end, error, outcome, results, shop_lab, turn
from tests.support.tool_shop import entries, words, written

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with shop_lab(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def talk(lab: Lab) -> AsyncIterator[Talk]:
    lab.stage.plays.clear()
    lab.stage.requests.clear()
    talk = await lab.start("calling")
    yield talk
    check(await talk.events())
    await talk.close()


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path)


def told(talk: Talk) -> str:
    """The text most recently sent to the model."""
    return str(talk.stage.requests[-1][-1])


async def test_a_failure_is_tried_again_and_then_told(talk: Talk) -> None:
    assert (await outcome(talk, "fail", {"kinds": ["busy", "busy"]})).output == "attempt 3"
    (finished,) = [event for event in await talk.events() if event.type == "tool.finished"]
    assert finished.attempts == 3


async def test_a_final_type_is_not_tried_again_and_the_fallback_is(talk: Talk, ledger: str) -> None:
    found = await outcome(talk, "fail", {"kinds": ["final"], "ledger": ledger})
    assert (found.output, found.name) == ("rescued", "fail")
    assert entries(Path(ledger)) == [("t1.s1.c1", 1, "fail"), ("t1.s1.c1.fallback", 1, "rescue")]


async def test_when_the_fallback_fails_too_both_are_told(talk: Talk) -> None:
    """`measure` takes a text, and `lie` has no arguments."""
    failed = error(await outcome(talk, "lie", {}))
    assert failed.type == "invalid_result"
    assert "lie ran, but what it returned is not what it promises: 'seven' is not of type 'integer'" in failed.message
    assert "The fallback measure failed, too: measure was not called" in failed.message
    assert "text: is required" in told(talk)


@pytest.mark.parametrize("depth", [101, 195, 240])
async def test_a_result_that_could_not_be_read_back(talk: Talk, depth: int) -> None:
    assert error(await outcome(talk, "nest", {"depth": depth})).type == "invalid_result"
    assert kinds(await talk.turn("and now?"))[-1] == "turn.finished"


async def test_retry_options_reach_temporal(talk: Talk) -> None:
    await turn(talk, ("fail", {"kinds": ["busy"]}))
    history = await talk.handle.fetch_history()
    (scheduled,) = [
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "fail"
    ]
    policy = scheduled.retry_policy
    assert scheduled.activity_id == "t1.s1.c1"
    assert (policy.maximum_attempts, policy.backoff_coefficient) == (3, 1)
    assert (policy.initial_interval.ToMilliseconds(), policy.maximum_interval.ToMilliseconds()) == (10, 40)
    assert list(policy.non_retryable_error_types) == ["final", "PayloadsTooLarge"]
    assert scheduled.start_to_close_timeout.ToSeconds() == 60


async def test_bad_arguments_name_the_field_and_nothing_else_is_tried(talk: Talk, ledger: str) -> None:
    failed = error(await outcome(talk, "fail", {"kinds": "busy", "ledger": ledger}))
    assert (failed.type, failed.retryable) == ("invalid_arguments", False)
    assert "kinds: should be a valid array" in failed.message
    assert entries(Path(ledger)) == []


async def test_an_unknown_tool_is_told_with_those_that_there_are(talk: Talk) -> None:
    failed = error(await outcome(talk, "nowhere", {}))
    assert failed.type == "unknown_tool"
    assert "charge, ship, launch" in failed.message


async def test_a_result_that_is_too_large_is_told_and_nothing_is_done_twice(talk: Talk) -> None:
    failed = error(await outcome(talk, "flood", {"size": 17_000_000}))
    assert failed.type == "result_too_large"
    assert "fallback" not in failed.message


@pytest.mark.parametrize("tool", ["measure", "measure_thread"])
async def test_long_arguments_reach_the_tool_whole(talk: Talk, tool: str) -> None:
    assert (await outcome(talk, tool, {"text": "x" * 300_000})).output == 300_000


async def test_arguments_that_look_like_a_reference_are_not_followed(talk: Talk) -> None:
    theirs = {"$perdure_blob": {"key": "lab/other/" + "0" * 64, "size": 1}}
    assert error(await outcome(talk, "measure", theirs)).type == "invalid_arguments"
    ours = {"$perdure_blob": {"key": f"{talk.handle.id}/" + "0" * 64, "size": 1}}
    assert (await outcome(talk, "measure", ours)).is_error


async def test_a_step_asks_for_so_many_calls_and_is_told_of_the_others(talk: Talk) -> None:
    found = results(await turn(talk, *[("add", {"a": n, "b": 1}) for n in range(32)]))
    assert {found[f"t1.s1.c{n + 1}"].output for n in range(30)} == set(range(1, 31))
    assert [error(found[f"t1.s1.c{n}"]).type for n in (31, 32)] == ["too_many_calls"] * 2


async def test_no_more_calls_run_at_once_than_the_limits_let(talk: Talk, ledger: str) -> None:
    """Three of this tool, whatever the session allows."""
    all_of_them = [("gather", {"ledger": ledger, "until": "go"})] * 7
    turning = asyncio.create_task(turn(talk, *all_of_them, ("add", {"a": 1, "b": 2})))
    await written(Path(ledger), "in", 3)
    # Waiting calls do not block another tool's call.
    await talk.until(lambda events: "tool.finished" in kinds(events))
    (Path(ledger) / "go").touch()
    await turning
    most = now = 0
    for _, _, word in entries(Path(ledger)):
        now += 1 if word == "in" else -1
        most = max(most, now)
    assert (most, now) == (3, 0)


async def test_a_session_runs_so_many_calls_at_once_whichever_they_are_of(lab: Lab, ledger: str) -> None:
    talk = await lab.start("narrow")
    calls = [(name, {"ledger": ledger, "until": "go"}) for name in ("gather", "tell", "gather", "tell", "gather")]
    turning = asyncio.create_task(turn(talk, *calls))
    await written(Path(ledger), "in")
    await written(Path(ledger), "told")
    assert (await talk.page(2**31)).running == ("t1.s1.c1", "t1.s1.c2")
    (Path(ledger) / "go").touch()
    running = most = 0
    for event in await turning:
        running += {"tool.started": 1, "tool.finished": -1}.get(event.type, 0)
        most = max(most, running)
    assert (most, running) == (2, 0)
    await talk.close()


async def test_ten_calls_take_about_as_long_as_one(talk: Talk) -> None:
    started = time.monotonic()
    await turn(talk, *[("nap", {"seconds": 1}) for _ in range(10)])
    assert time.monotonic() - started < 5


async def test_a_call_costs_three_events_of_history(talk: Talk) -> None:
    """In addition to the workflow tasks, which calls of one step share, and the cost of the steps themselves."""

    async def cost(count: int) -> int:
        before = len((await talk.handle.fetch_history()).events)
        await turn(talk, *[("add", {"a": 1, "b": 1})] * count)
        tasks = {
            EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        }
        events = list((await talk.handle.fetch_history()).events)[before:]
        return sum(event.event_type not in tasks for event in events)

    await cost(1)
    one, ten = await cost(1), await cost(10)
    assert ten - one == 27


# Effects that are never repeated.


async def test_once_and_out_of_time_is_told_as_unknown(talk: Talk, ledger: str) -> None:
    failed = error(await outcome(talk, "charge", {"ledger": ledger, "after": "never"}))
    assert (failed.type, failed.retryable) == ("outcome_unknown", False)
    assert "Do not say that it succeeded" in told(talk)
    assert words(Path(ledger)) == {"begun": 1, "effect": 1}


async def test_what_may_be_repeated_is_under_the_same_id(talk: Talk, ledger: str) -> None:
    failed = error(await outcome(talk, "record", {"ledger": ledger, "after": "never"}))
    assert (failed.type, failed.retryable) == ("timeout", True)
    assert [(call, attempt) for call, attempt, word in entries(Path(ledger)) if word == "effect"] == [
        ("t1.s1.c1", 1),
        ("t1.s1.c1", 2),
    ]


@pytest.mark.parametrize(
    ("answer", "result", "kind"),
    [({"result": "sent"}, "sent", None), ({"approved": False, "reason": "no idea"}, None, "outcome_unknown")],
)
async def test_a_person_says_what_became_of_it(
    talk: Talk, ledger: str, answer: dict[str, Any], result: str | None, kind: str | None
) -> None:
    events = await begin(talk, ("ship", {"ledger": ledger, "after": "never"}), done="input.requested")
    (asked,) = [event for event in events if event.type == "input.requested"]
    assert (asked.question_id, asked.call_id) == ("t1.s1.c1.outcome", "t1.s1.c1")
    assert "nobody knows whether it took effect" in (asked.prompt or "")
    await talk.answer(asked.question_id, **answer)
    (found,) = results(await end(talk)).values()
    assert (error(found).type if kind else found.output) == (kind or result)
    assert words(Path(ledger))["effect"] == 1


async def test_a_question_of_what_became_of_it_is_not_lost_in_a_stop(talk: Talk, ledger: str) -> None:
    await begin(talk, ("ship", {"ledger": ledger, "after": "never"}), done="input.requested")
    await talk.stop()
    (found,) = results(await end(talk)).values()
    assert error(found).type == "outcome_unknown"


async def test_a_turn_ends_where_nobody_knows(talk: Talk, ledger: str) -> None:
    events = await turn(talk, ("launch", {"ledger": ledger, "after": "never"}), ("last_word", {"ledger": ledger}))
    last = events[-1]
    assert isinstance(last, TurnFinished)
    assert (last.reason, last.error and last.error.type) == ("failed", "outcome_unknown")
    first, second = results(events).values()
    assert (error(first).type, second.output) == ("outcome_unknown", "half of it is done")


# Stopping.


@pytest.mark.parametrize("tool", ["last_word", "last_word_thread"])
async def test_a_tool_s_last_word_counts(talk: Talk, ledger: str, tool: str) -> None:
    await begin(talk, (tool, {"ledger": ledger}))
    await written(Path(ledger), "begun")
    await talk.stop()
    (found,) = results(await end(talk)).values()
    assert found.output == "half of it is done"


async def test_what_fails_because_it_was_stopped_is_not_rescued(talk: Talk, ledger: str) -> None:
    await begin(talk, ("sulk", {"ledger": ledger}))
    await written(Path(ledger), "begun")
    await talk.stop()
    (found,) = results(await end(talk)).values()
    assert error(found).type == "sulking"
    assert words(Path(ledger)) == {"begun": 1}


async def test_once_and_stopped_in_mid_call_is_told_as_unknown(talk: Talk, ledger: str) -> None:
    await begin(talk, ("charge", {"ledger": ledger, "after": "never"}))
    await written(Path(ledger), "effect")
    await talk.stop()
    (found,) = results(await end(talk)).values()
    assert error(found).type == "outcome_unknown"
    assert words(Path(ledger))["effect"] == 1


async def test_one_that_does_not_hear_is_given_up_and_heard_of_no_more(talk: Talk, ledger: str) -> None:
    calls = ("stubborn", {"ledger": ledger, "until": "go"}), ("obstinate", {"ledger": ledger, "until": "go"})
    await begin(talk, *calls)
    await written(Path(ledger), "begun", 2)
    started = time.monotonic()
    await talk.stop()
    first, second = results(await end(talk)).values()
    assert 4 < time.monotonic() - started < 15
    assert (error(first).type, error(second).type) == ("stopped", "outcome_unknown")

    # Their late outcome affects no other turn.
    talk.stage.plays = [Play("", [("add", {"a": 1, "b": 2})]), Play("three")]
    later = asyncio.create_task(talk.turn("and now"))
    (Path(ledger) / "go").touch()
    await written(Path(ledger), "end", 2)
    assert results(await later)["t2.s1.c1"].output == 3
    await talk.turn("well?")
    last = (await talk.events())[-1]
    assert isinstance(last, TurnFinished)
    assert last.reason == "done"


# Progress.


@pytest.mark.parametrize("tool", ["tell", "tell_thread"])
async def test_what_a_tool_tells_goes_to_viewers_and_not_into_history(
    lab: Lab, talk: Talk, ledger: str, tool: str
) -> None:
    said: list[ToolProgress] = []
    async with asyncio.timeout(PATIENCE_S), lab.live.subscribe(talk.handle.id) as frames:
        await begin(talk, (tool, {"ledger": ledger, "until": "go"}))
        while len(said) < 3:
            frame = await frames.get()
            if isinstance(frame, ToolProgress):
                said.append(frame)
    (Path(ledger) / "go").touch()
    events = await end(talk)
    assert said == [
        ToolProgress("t1.s1.c1", "reading", None),
        ToolProgress("t1.s1.c1", "writing", 0.5),
        ToolProgress("t1.s1.c1", None, 0.75),
    ]
    assert ends(events)
    assert b"writing" not in (await talk.handle.fetch_history()).to_json().encode()


async def test_a_tool_that_says_nothing_is_kept_alive(talk: Talk) -> None:
    """For longer than the heartbeat time-out of six seconds."""
    assert (await outcome(talk, "silent", {"seconds": 7})).output == "at last"
