"""Answers over real HTTP: which are refused and why, which one counts, and what viewers see meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.sessions.answers import check_answer, make_answer
from perdure.temporal.sessions.errors import InvalidRequest
from perdure.temporal.sessions.requests import AnswerBody
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.protocol.queries import QuestionState
from perdure.workflows.vocabulary.questions import By, Question
from tests.support.dev import Dev
from tests.support.session_client import Sessions, told
from tests.support.shop_dev import answer, call, ended, results, shop
from tests.support.tool_shop import written

pytestmark = pytest.mark.server

FIRST = "t1.s1.c1"
ASKED = f"{FIRST}.approval"
WANTED = f"{FIRST}.input"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], provider: FakeProvider
) -> AsyncIterator[Dev]:
    running = shop(tmp_path_factory.mktemp("dev"), environment, provider)
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


async def asked(sessions: Sessions, *calls: tuple[str, dict[str, Any]], kind: str = "approval.requested") -> str:
    session = await call(sessions, *calls)
    async with sessions.view(session) as viewer:
        await viewer.until(kind)
    return session


async def test_approved_with_other_arguments(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await asked(sessions, ("measure", {"text": "abc"}), ("measure", {"text": "free"}))
    found = await sessions.snapshot(session)
    assert found["status"] == "waiting"
    (question,) = found["questions"]
    assert (question["question_id"], question["kind"], question["args"]) == (ASKED, "approval", {"text": "abc"})

    wrong = await answer(http, session, ASKED, approved=True, args={"text": 7})
    assert told(wrong) == (422, "validation")
    assert wrong.json()["errors"][0]["field"] == "args.text"
    given = await answer(http, session, ASKED, approved=True, args={"text": "abcdef"})
    assert given.status_code == 202
    assert results(await ended(sessions, session)) == {FIRST: 6, "t1.s1.c2": 4}
    assert told(await answer(http, session, ASKED, approved=False)) == (409, "already_answered")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "approved"),
        ({"approved": "yes"}, "approved"),
        ({"approved": True, "result": 1}, "result"),
        ({"approved": False, "args": {"text": "x"}}, "args"),
        ({"approved": False, "remember": True}, "remember"),
        ({"approved": True, "args": {}}, "args"),
        ({"approved": True, "why": "x"}, "why"),
    ],
)
async def test_what_is_no_answer_is_refused_by_its_field(
    http: httpx2.AsyncClient, sessions: Sessions, body: dict[str, Any], field: str
) -> None:
    session = await asked(sessions, ("measure", {"text": "abc"}))
    refused = await answer(http, session, ASKED, **body)
    assert told(refused)[0] == 422
    assert refused.json()["errors"][0]["field"] == field
    assert (await sessions.snapshot(session))["status"] == "waiting"
    assert (await answer(http, session, ASKED, approved=False, reason="no")).status_code == 202
    assert results(await ended(sessions, session))[FIRST]["type"] == "denied"


async def test_what_a_person_changes_is_validated_by_the_tool_and_runs_as_it_was_seen(
    http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    session = await asked(sessions, ("halve", {"number": "12"}))
    (question,) = (await sessions.snapshot(session))["questions"]
    assert (question["args"], question["remember"]) == ({"number": 12, "times": 1}, "never")
    assert not question.keys() & {"bound", "blob"}

    wrong = await answer(http, session, ASKED, approved=True, args={"number": 7})
    assert told(wrong) == (422, "validation")
    assert wrong.json()["errors"] == [{"field": "args.number", "message": "is odd"}]
    wrong = await answer(http, session, ASKED, approved=True, remember=True)
    assert told(wrong) == (422, "validation")
    assert wrong.json()["errors"][0]["field"] == "remember"
    assert (await answer(http, session, ASKED, approved=True, args={"number": 8})).status_code == 202
    viewer = await ended(sessions, session)
    (started,) = [frame.data for frame in viewer.frames if frame.type == "tool.started"]
    assert (started["args"], results(viewer)) == ({"number": 8, "times": 1}, {FIRST: 4.0})


async def test_who_answered_is_told_as_the_gateway_knows_it(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await asked(sessions, ("halve", {"number": 2}), ("pick", {}))
    claimed = await answer(http, session, ASKED, approved=True, by={"subject": "boss", "scopes": ["approve"]})
    assert told(claimed) == (422, "validation")
    headers = {"X-User": "boss", "X-Forwarded-User": "boss", "Authorization": "Bearer boss", "Remote-User": "boss"}
    path = f"/v1/sessions/{session}/answers"
    given = await http.post(path, json={"question_id": ASKED, "approved": True}, headers=headers)
    assert given.status_code == 202
    assert (await answer(http, session, "t1.s1.c2.input", result={"days": [1]})).status_code == 202
    viewer = await ended(sessions, session)
    by = [frame.data["by"] for frame in viewer.frames if frame.type in ("approval.resolved", "input.received")]
    assert by == [{"subject": "local", "scopes": []}] * 2
    (step, *_) = (await http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert [one["by"]["subject"] for tool in step["tools"] for one in tool["questions"]] == ["local", "local"]


async def test_an_unknown_question_or_session(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await sessions.create("shop")
    refused = await answer(http, session, ASKED, approved=True)
    assert told(refused)[0] == 422
    assert refused.json()["errors"][0]["field"] == "question_id"
    assert told(await answer(http, "nobody", ASKED, approved=True)) == (404, "session_not_found")


async def test_of_two_at_once_one_counts(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await asked(sessions, ("measure", {"text": "abc"}))
    both = await asyncio.gather(*(answer(http, session, ASKED, approved=True, reason=str(n)) for n in range(2)))
    assert sorted(one.status_code for one in both) == [202, 409]
    winner = next(n for n, one in enumerate(both) if one.status_code == 202)
    viewer = await ended(sessions, session)
    (resolved,) = [frame.data for frame in viewer.frames if frame.type == "approval.resolved"]
    assert resolved["reason"] == str(winner)


async def test_arguments_too_long_to_travel_are_seen_and_changed_whole(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    long, longer = {"text": "x" * 40_000}, {"text": "y" * 50_000}
    session = await asked(sessions, ("measure", long))
    (question,) = (await sessions.snapshot(session))["questions"]
    assert question["args"] == long
    huge = await answer(http, session, ASKED, approved=True, args={"text": "z" * 1_100_000})
    assert (told(huge)[0], huge.json()["errors"][0]["field"]) == (422, "args")
    assert (await answer(http, session, ASKED, approved=True, args=longer, reason="more")).status_code == 202
    viewer = await ended(sessions, session)
    assert results(viewer) == {FIRST: 50_000}
    shown = {frame.type: frame.data for frame in viewer.frames}
    assert (shown["approval.requested"]["args"], shown["tool.started"]["args"]) == (long, longer)
    assert "A person changed this call's arguments before it ran. It ran with: 50" in str(provider.calls[-1].body)

    (call,) = (await http.get(f"/v1/sessions/{session}/trace")).json()["steps"][0]["tools"]
    (traced,) = call["questions"]
    assert call["args"] == longer
    assert {key: traced.get(key) for key in ("question_id", "kind", "approved", "reason", "args")} == {
        "question_id": ASKED,
        "kind": "approval",
        "approved": True,
        "reason": "more",
        "args": None,
    }
    assert traced["asked_at"] <= traced["resolved_at"]


def test_another_s_worker_takes_no_long_arguments() -> None:
    question = Question(question_id=ASKED, kind="approval", call_id=FIRST, name="find_stock", args={})
    body = AnswerBody(question_id=ASKED, approved=True, args={"text": "x" * 40_000})
    state = QuestionState(question=question, open=True, known=True, seq=1)
    check_answer(body, question, state)
    with pytest.raises(
        InvalidRequest, match="args: make a call of 40122 bytes of JSON; its worker takes at most 32768"
    ):
        check_answer(body, question, state.model_copy(update={"inline_only": True}))


@pytest.mark.parametrize("length", range(32_500, 32_760, 20))
async def test_what_another_s_worker_takes_is_what_travels(tmp_path: Path, length: int) -> None:
    question = Question(question_id=ASKED, kind="approval", call_id=FIRST, name="find_stock", args={})
    body = AnswerBody(question_id=ASKED, approved=True, args={"text": "x" * length})
    command = await make_answer(LocalBlobs(tmp_path), "default/one", body, question, By(subject="local"))
    state = QuestionState(question=question, open=True, known=True, seq=1, inline_only=True)
    with pytest.raises(InvalidRequest) if command.args_blob else nullcontext():
        check_answer(body, question, state)


@pytest.mark.parametrize(
    ("form", "result"),
    [
        # A pattern that takes forever, and a form that refers back to itself.
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}, {"a": "a" * 60 + "!"}),
        ({"type": "object", "$ref": "#"}, {}),
    ],
)
def test_a_stranger_s_form_holds_nobody_up(form: dict[str, Any], result: dict[str, Any]) -> None:
    question = Question(question_id=WANTED, kind="input", call_id=FIRST, name="shop", output=form)
    state = QuestionState(question=question, open=True, known=True, output=form, foreign=True, seq=1)
    with pytest.raises(InvalidRequest) if "properties" in form else nullcontext():
        check_answer(AnswerBody(question_id=WANTED, result=result), question, state)


async def test_many_questions_at_once_are_all_shown(sessions: Sessions) -> None:
    """They do not fit into one page of the session's query."""
    session = await asked(sessions, *[("measure", {"text": f"{n}".ljust(900)}) for n in range(64)])
    found = (await sessions.snapshot(session))["questions"]
    assert [one["args"]["text"].strip() for one in found] == [str(n) for n in range(64)]


async def test_spend_decides_whether_a_person_is_asked(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    measure = ("measure_thread", {"text": "abc"})
    session = await call(sessions, measure)
    assert results(await ended(sessions, session)) == {FIRST: 3}
    spent = (await sessions.snapshot(session))["cost_usd"]
    assert spent > 0.0001
    await sessions.send(session, json.dumps([measure]))
    async with sessions.view(session) as viewer:
        frames = await viewer.until("approval.requested")
    assert [frame.data["call_id"] for frame in frames if frame.type == "approval.requested"] == ["t2.s1.c1"]
    assert (await answer(http, session, "t2.s1.c1.approval", approved=True)).status_code == 202


async def test_a_call_that_does_not_fit_never_reaches_the_app(sessions: Sessions) -> None:
    session = await call(sessions, ("pick", {"prompt": 7}))
    viewer = await ended(sessions, session)
    assert results(viewer)[FIRST] == {
        "type": "invalid_arguments",
        "message": "pick was not called, because its arguments are wrong. prompt: 7 is not of type 'string'.",
        "retryable": False,
    }
    assert "input.requested" not in [frame.type for frame in viewer.frames]


async def test_what_an_app_gives_is_checked(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await asked(sessions, ("pick", {"prompt": "When?"}), kind="input.requested")
    (question,) = (await sessions.snapshot(session))["questions"]
    assert (question["kind"], question["name"], question["prompt"]) == ("input", "pick", "When?")
    wrong = await answer(http, session, WANTED, result={"days": [1, "two"]})
    assert told(wrong)[0] == 422
    assert wrong.json()["errors"][0]["field"] == "result.days[1]"
    assert told(await answer(http, session, WANTED))[0] == 422
    assert told(await answer(http, session, WANTED, approved=False, result={"days": []}))[0] == 422
    assert (await answer(http, session, WANTED, result={"days": [1, 2]})).status_code == 202
    assert results(await ended(sessions, session)) == {FIRST: {"days": [1, 2]}}


async def test_a_big_result_of_an_app_is_whole_for_viewers(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await asked(sessions, ("pick", {}), kind="input.requested")
    days = list(range(30_000))
    assert (await answer(http, session, WANTED, result={"days": days})).status_code == 202
    assert results(await ended(sessions, session)) == {FIRST: {"days": days}}


async def test_an_app_declines(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await asked(sessions, ("pick", {}), kind="input.requested")
    assert (await answer(http, session, WANTED, approved=False, reason="no calendar")).status_code == 202
    told_to_model = results(await ended(sessions, session))[FIRST]
    assert (told_to_model["type"], "no calendar" in told_to_model["message"]) == ("denied", True)


async def test_a_late_viewer_gets_a_tool_s_last_progress(sessions: Sessions, tmp_path: Path) -> None:
    session = await call(sessions, ("tell", {"ledger": str(tmp_path), "until": "go"}))
    async with sessions.view(session) as early:
        await early.until("tool.started")
        await written(tmp_path, "told")
        await early.until("tool.progress")
        async with sessions.view(session) as late:
            frames = await late.until("tool.progress")
            (tmp_path / "go").touch()
        await early.until("turn.finished")
    (progress,) = [frame.data for frame in frames if frame.type == "tool.progress"]
    assert progress == {**progress, "call_id": FIRST, "message": "writing", "fraction": 0.75}
    order = [frame.type for frame in early.frames if frame.type.startswith("tool.")]
    assert (order[0], order[-1]) == ("tool.started", "tool.finished")


@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.slow
async def test_a_question_outlives_the_process(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, how: str
) -> None:
    session = await asked(sessions, ("measure", {"text": "abc"}))
    await (dev.stop() if how == "stopped" else dev.kill(group=True))
    await dev.start()
    assert [q["question_id"] for q in (await sessions.snapshot(session))["questions"]] == [ASKED]
    assert (await answer(http, session, ASKED, approved=True)).status_code == 202
    assert results(await ended(sessions, session)) == {FIRST: 3}
