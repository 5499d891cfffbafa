"""What a session asks of people and apps, on a server whose clock skips: one answer counts, and nothing is lost."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.testing import WorkflowEnvironment

from temporal.codec import data_converter
from temporal.settings import Settings
from tests.session_lab import Lab, Play, Talk, check, ends, kinds, open_lab
from tests.tool_lab import AGENTS, SHOP, begin, end, error, results, turn
from tests.tool_shop import entries, written
from workflows.attributes import ALL
from workflows.commands import PageRequest, QuestionState
from workflows.events import ApprovalRequested, ApprovalResolved, Event, InputReceived, TurnFinished
from workflows.session import SessionWorkflow
from workflows.types import ToolResult

pytestmark = pytest.mark.server

ADD = ("add", {"a": 1, "b": 2})
FIRST = "t1.s1.c1"
ASKED = f"{FIRST}.approval"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    program = shutil.which("temporal-test-server", path=Path(sys.executable).parent)
    assert program is not None
    folder = tmp_path_factory.mktemp("lab")
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program, data_converter=data_converter(folder / "blobs")
    ) as environment:
        known = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}
        client = environment.client
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=known)
        )
        settings = Settings.load(data_dir=folder, graceful_shutdown_s=0, heartbeat_throttle_s=0.1)
        async with open_lab(client, folder, settings, more_agents=AGENTS, more_tools=[SHOP]) as opened:
            opened.environment = environment  # type: ignore[attr-defined]
            yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def talk(lab: Lab) -> AsyncIterator[Talk]:
    lab.stage.plays.clear()
    lab.stage.requests.clear()
    talk = await lab.start("asking", continue_as_new_after=50)
    yield talk
    if not (await talk.page(2**31)).closed:
        await talk.close()
    await talk.handle.result()
    events = await talk.events()
    check(events)
    resolved = [event.question_id for event in events if isinstance(event, ApprovalResolved)]
    assert sorted(resolved) == sorted(event.question_id for event in events if isinstance(event, ApprovalRequested))


async def later(lab: Lab, time: timedelta) -> None:
    await lab.environment.sleep(time)  # type: ignore[attr-defined]


async def question(talk: Talk, question_id: str) -> QuestionState:
    state: QuestionState = await talk.ask(SessionWorkflow.question, question_id)
    return state


async def status(talk: Talk) -> tuple[str, int]:
    page = await talk.ask(SessionWorkflow.snapshot, PageRequest())
    return page.status, len(page.questions)


def resolved(events: list[Event]) -> list[tuple[bool, str | None, str | None]]:
    return [(e.approved, e.reason, e.by) for e in events if isinstance(e, ApprovalResolved)]


async def only(talk: Talk) -> ToolResult:
    """The result of the first turn's only call, once the turn has ended."""
    (found,) = results(await end(talk)).values()
    return found


async def test_approved(talk: Talk) -> None:
    events = await begin(talk, ADD, done="approval.requested")
    assert kinds(events)[-2:] == ["step.finished", "approval.requested"]
    assert await status(talk) == ("waiting", 1)
    await talk.answer(ASKED, by="ann")
    assert (await only(talk)).output == 3
    assert resolved(await talk.events()) == [(True, None, "ann")]
    assert await status(talk) == ("idle", 0)
    assert kinds(await talk.events())[5:9] == [
        "approval.requested",
        "approval.resolved",
        "tool.started",
        "tool.finished",
    ]


async def test_denied_and_the_model_is_told_why(talk: Talk) -> None:
    await begin(talk, ADD, done="approval.requested")
    await talk.answer(ASKED, approved=False, reason="not today", by="ann")
    failed = error(await only(talk))
    assert (failed.type, failed.retryable) == ("denied", False)
    assert "did not run. The reason given: not today" in str(talk.stage.requests[-1][-1])
    assert resolved(await talk.events()) == [(False, "not today", "ann")]


async def test_a_person_s_arguments_count(talk: Talk) -> None:
    await begin(talk, ADD, done="approval.requested")
    await talk.answer(ASKED, args={"a": 20, "b": 2})
    assert (await only(talk)).output == 22
    (started,) = [event for event in await talk.events() if event.type == "tool.started"]
    assert started.args == {"a": 20, "b": 2}


async def test_several_ask_at_once_and_each_is_answered_alone(talk: Talk) -> None:
    await begin(talk, ADD, ("add", {"a": 3, "b": 4}), ("rescue", {"kinds": []}), done="approval.requested")
    assert await status(talk) == ("waiting", 3)
    await talk.answer("t1.s1.c2.approval")
    await talk.until(lambda events: "tool.finished" in kinds(events))
    assert await status(talk) == ("waiting", 2)
    await talk.answer("t1.s1.c3.approval", approved=False)
    await talk.answer(ASKED)
    found = results(await end(talk))
    assert [found[f"t1.s1.c{n}"].is_error for n in (1, 2, 3)] == [False, False, True]


async def test_the_first_of_two_answers_counts(talk: Talk) -> None:
    await begin(talk, ADD, done="approval.requested")
    await talk.answer(ASKED, answer_id="one", approved=False)
    await talk.answer(ASKED, answer_id="two", approved=True)
    await talk.answer(ASKED, answer_id="one", approved=False)
    assert error(await only(talk)).type == "denied"
    found = await question(talk, ASKED)
    assert (found.open, found.known, found.answer_id) == (False, True, "one")
    assert (await question(talk, "t1.s1.c9.approval")).known is False


async def test_what_is_remembered_is_not_asked_again(talk: Talk) -> None:
    await begin(talk, ADD, done="approval.requested")
    await talk.answer(ASKED, remember=True)
    await end(talk)
    events = await turn(talk, ADD)
    assert "approval.requested" not in kinds(events)
    # Another tool's calls are still asked about.
    await begin(talk, ("charge", {"ledger": "/nowhere"}), done="approval.requested")
    await talk.stop()
    await end(talk, 3)


async def test_what_needs_no_approval_runs_while_another_waits_and_the_other_way(talk: Talk, tmp_path: Path) -> None:
    gather = ("gather", {"ledger": str(tmp_path), "until": "go"})
    talk.stage.plays = [Play("", [ADD, gather]), Play("done")]
    await talk.send("do it")
    await written(tmp_path, "in")
    assert await status(talk) == ("waiting", 1)
    await talk.answer(ASKED)
    events = await talk.until(lambda events: "tool.finished" in kinds(events))
    assert list(results(events)) == [FIRST]
    (tmp_path / "go").touch()
    assert list(results(await end(talk))) == [FIRST, "t1.s1.c2"]


async def test_only_a_true_condition_asks(talk: Talk, tmp_path: Path) -> None:
    free, asks = {"ledger": str(tmp_path)}, {"ledger": str(tmp_path), "before": "go"}
    missing = ("record", {})
    await begin(talk, ("record", {**free, "before": ""}), ("record", asks), missing, done="tool.finished")
    # A condition that cannot be decided asks, too.
    await talk.until(lambda events: kinds(events).count("approval.requested") == 2)
    assert entries(tmp_path)[0][0] == FIRST
    await talk.stop()
    await end(talk)


@pytest.mark.parametrize(
    ("call", "kind"), [(("charge", {"ledger": "/nowhere"}), "expired"), (("rescue", {"kinds": []}), None)]
)
async def test_a_question_expires_with_its_default(lab: Lab, talk: Talk, call: Any, kind: str | None) -> None:
    events = await begin(talk, call, done="approval.requested")
    (asked,) = [event for event in events if isinstance(event, ApprovalRequested)]
    assert asked.expires_at is not None
    days = 3 if kind else 2
    assert asked.expires_at - asked.at == timedelta(days=days)
    await later(lab, timedelta(days=days, seconds=-60))
    assert await status(talk) == ("waiting", 1)
    await later(lab, timedelta(seconds=120))
    found = await only(talk)
    assert (error(found).type if kind else found.output) == (kind or "rescued")
    assert resolved(await talk.events()) == [(kind is None, "expired", None)]


async def test_it_waits_for_days(lab: Lab, talk: Talk) -> None:
    await begin(talk, ADD, done="approval.requested")
    await later(lab, timedelta(days=60))
    await talk.answer(ASKED)
    assert (await only(talk)).output == 3


async def test_it_outlives_the_run_that_asked(lab: Lab, talk: Talk) -> None:
    await begin(talk, ADD, ("charge", {"ledger": "/nowhere"}), done="approval.requested")
    first = (await talk.handle.describe()).run_id
    for number in range(40):
        await talk.configure(metadata={"n": number})
    async with asyncio.timeout(30):
        while (await talk.handle.describe()).run_id == first:
            await talk.page()
    assert await status(talk) == ("waiting", 2)
    await talk.answer(ASKED)
    await talk.until(lambda events: "tool.finished" in kinds(events))
    await later(lab, timedelta(days=3, minutes=1))
    first_result, other = results(await end(talk)).values()
    assert (first_result.output, error(other).type) == (3, "expired")


@pytest.mark.parametrize("how", ["stop", "close"])
async def test_a_stop_takes_questions_back(talk: Talk, how: str) -> None:
    await begin(talk, ADD, ("pick", {}), done="step.finished")
    await talk.until(lambda events: {"approval.requested", "input.requested"} <= set(kinds(events)))
    await (talk.stop() if how == "stop" else talk.close())
    found = results(await end(talk))
    assert [error(one).type for one in found.values()] == ["stopped", "stopped"]
    events = await talk.events()
    assert resolved(events) == [(False, "stopped", None)]
    last = [event for event in events if isinstance(event, TurnFinished)][-1]
    assert last.reason == "stopped"
    await talk.answer(ASKED)
    assert (await question(talk, ASKED)).answer_id is None


async def test_messages_wait_behind_a_question(talk: Talk) -> None:
    await begin(talk, ADD, done="approval.requested")
    await talk.send("and then?")
    await talk.until(lambda events: "message.queued" in kinds(events))
    assert await status(talk) == ("waiting", 1)
    await talk.answer(ASKED)
    await talk.until(lambda events: ends(events, 2))
    assert [text for role, text in await talk.said() if role == "user"] == ["do it", "and then?"]


async def test_an_app_gives_a_result(talk: Talk) -> None:
    events = await begin(talk, ("pick", {"prompt": "When?"}), done="input.requested")
    assert kinds(events)[-2:] == ["tool.started", "input.requested"]
    state = await question(talk, f"{FIRST}.input")
    assert state.question is not None
    assert (state.question.kind, state.question.prompt, state.output) == (
        "input",
        "When?",
        {"type": "string", "format": "date"},
    )
    await talk.answer(f"{FIRST}.input", result="2026-03-06")
    assert (await only(talk)).output == "2026-03-06"
    (received,) = [event for event in await talk.events() if isinstance(event, InputReceived)]
    assert received.value == "2026-03-06"


async def test_an_app_declines(talk: Talk) -> None:
    await begin(talk, ("pick", {}), done="input.requested")
    await talk.answer(f"{FIRST}.input", approved=False, reason="no calendar")
    failed = error(await only(talk))
    assert (failed.type, failed.message) == (
        "denied",
        "This was declined, so there is no result. The reason given: no calendar",
    )


async def test_an_app_that_is_not_there_is_not_waited_for(lab: Lab, talk: Talk) -> None:
    await begin(talk, ("hurry", {}), done="input.requested")
    await later(lab, timedelta(hours=1, minutes=1))
    failed = error(await only(talk))
    assert (failed.type, failed.message) == ("expired", "No answer came in time, so this call has no result.")
