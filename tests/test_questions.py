"""A session's questions to people and apps: one answer counts, and each call has its result."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.protocol.queries import PageRequest, QuestionState
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, TurnFinished
from perdure.workflows.vocabulary.parts import ToolResult
from perdure.workflows.vocabulary.question_events import ApprovalResolved, InputReceived
from tests.support.session_lab import Lab, Play, Talk, ends, kinds
from tests.support.tool_lab import Call, begin, end, error, results, shop_lab, turn, whole
from tests.support.tool_shop import entries, written

pytestmark = pytest.mark.server

ADD: Call = ("add", {"a": 1, "b": 2})
FIRST = "t1.s1.c1"
ASKED = f"{FIRST}.approval"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with shop_lab(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def talk(lab: Lab) -> AsyncIterator[Talk]:
    lab.stage.plays.clear()
    lab.stage.requests.clear()
    talk = await lab.start("asking", continue_as_new_after=50)
    yield talk
    await whole(talk)


async def question(talk: Talk, question_id: str) -> QuestionState:
    state: QuestionState = await talk.ask(SessionWorkflow.question, question_id)
    return state


async def status(talk: Talk) -> tuple[str, int]:
    page = await talk.ask(SessionWorkflow.snapshot, PageRequest())
    return page.status, len(page.questions)


def resolved(events: list[Event]) -> list[tuple[bool, str | None, str | None]]:
    """Approved, why, and by whom."""
    return [(e.approved, e.reason, e.by.subject if e.by else None) for e in events if isinstance(e, ApprovalResolved)]


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
    (said,) = [part for part in talk.stage.requests[-1][-1].parts if isinstance(part, ToolResult)]
    assert said.changed_args == '{"a":20,"b":2}'


async def test_the_same_arguments_are_no_change(talk: Talk) -> None:
    await begin(talk, ADD, done="approval.requested")
    await talk.answer(ASKED, args=dict(ADD[1]))
    assert (await only(talk)).changed_args is None


async def test_it_outlives_the_run_that_asked(talk: Talk) -> None:
    await begin(talk, ADD, ("charge", {"ledger": "/nowhere"}), done="approval.requested")
    first = (await talk.handle.describe()).run_id
    for number in range(40):
        await talk.configure(metadata={"n": number})
    async with asyncio.timeout(30):
        while (await talk.handle.describe()).run_id == first:
            pass
    assert await status(talk) == ("waiting", 2)
    await talk.answer(ASKED)
    await talk.until(lambda events: "tool.finished" in kinds(events))
    await talk.answer("t1.s1.c2.approval", approved=False)
    first_result, other = results(await end(talk)).values()
    assert (first_result.output, error(other).type) == (3, "denied")


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
    # Another tool's calls still need approval.
    await begin(talk, ("charge", {"ledger": "/nowhere"}), done="approval.requested")
    await talk.stop()
    await end(talk, 3)


async def test_what_needs_no_approval_runs_while_another_waits_and_the_other_way(talk: Talk, tmp_path: Path) -> None:
    gather: Call = ("gather", {"ledger": str(tmp_path), "until": "go"})
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
    free, asks = {"ledger": str(tmp_path), "before": ""}, {"ledger": str(tmp_path), "before": "go"}
    missing = {"ledger": str(tmp_path)}
    calls = [("record", args) for args in (free, missing, asks)]
    # A missing argument gets the function's own default.
    events = await begin(talk, *calls, done="tool.finished", count=2)
    assert kinds(events).count("approval.requested") == 1
    assert {call for call, _, _ in entries(tmp_path)} == {FIRST, "t1.s1.c2"}
    await talk.stop()
    await end(talk)


@pytest.mark.parametrize("how", ["stop", "close"])
async def test_a_stop_takes_questions_back(talk: Talk, how: str) -> None:
    await begin(talk, ADD, ("pick", {}), done="step.finished", count=1)
    await talk.until(lambda events: {"approval.requested", "input.requested"} <= set(kinds(events)))
    await (talk.stop() if how == "stop" else talk.close())
    found = results(await end(talk))
    assert [error(one).type for one in found.values()] == ["stopped", "stopped"]
    events = await talk.events()
    assert resolved(events) == [(False, "stopped", None)]
    last = [event for event in events if isinstance(event, TurnFinished)][-1]
    assert last.reason == "stopped"
    state = await question(talk, ASKED)
    assert (state.open, state.known, state.answer_id) == (False, True, None)


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
