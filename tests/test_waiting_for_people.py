"""What callers receive that wait for a session that waits for a person."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.chat_command import PipedChat
from tests.support.dev import Dev
from tests.support.session_client import Sessions
from tests.support.shop_dev import answer, call, shop

pytestmark = pytest.mark.server

MEASURE: list[Any] = ["measure", {"text": "abc"}]
QUESTION = {"question_id": "t1.s1.c1.approval", "kind": "approval", "call_id": "t1.s1.c1", "name": "measure"}
FREE: list[Any] = ["measure", {"text": "free"}]
ASKS = Reply(text="", tools=(("measure", {"text": "abc"}),))
BOSS = """
name: boss
models: {main: {use: anthropic/claude-sonnet-5-5, max_output_tokens: 1024}}
model: main
instructions: Do as you are told.
tools:
  - agent: {name: shop, description: Helps}
"""
ORDERS = """
name: orders
models: {main: {use: anthropic/claude-sonnet-5-5, max_output_tokens: 1024}}
model: main
instructions: Do as you are told.
handlers:
  message:
    - switch:
        - when: "{{ message == 'deliver it' }}"
          do:
            - ask:
                prompt: When?
                form: {type: object, properties: {day: {type: string}}, required: [day], additionalProperties: false}
                into: delivery
            - say: "It comes on {{ delivery.day }}."
        - do: [say: Hello.]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], provider: FakeProvider
) -> AsyncIterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    running = shop(folder, environment, provider)
    (folder / "agents" / "boss.yaml").write_text(BOSS)
    (folder / "agents" / "orders.yaml").write_text(ORDERS)
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


async def send(http: httpx2.AsyncClient, session: str, *calls: list[Any], wait: int | None = None) -> httpx2.Response:
    query = "" if wait is None else f"?wait={wait}"
    return await http.post(f"/v1/sessions/{session}/messages{query}", json={"text": json.dumps(calls)})


async def waiting(sessions: Sessions) -> str:
    """A session whose first turn waits for an approval."""
    session = await call(sessions, ("measure", {"text": "abc"}))
    async with sessions.view(session) as viewer:
        await viewer.until("approval.requested")
    return session


def essence(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: question[name] for name in QUESTION} for question in questions]


async def test_who_waits_behind_a_turn_is_told_what_that_turn_asks_later(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider, tmp_path: Path
) -> None:
    provider.script(Reply(text="", tools=(("record", {"ledger": str(tmp_path), "before": "go"}),)), ASKS)
    session = await sessions.create("shop", message="record, then ask")
    async with sessions.view(session) as viewer:
        await viewer.until("tool.started")
        behind = asyncio.create_task(send(http, session, FREE, wait=60))
        await viewer.until("message.queued")
    (tmp_path / "go").touch()

    found = (await behind).json()

    call = {"question_id": "t1.s2.c1.approval", "call_id": "t1.s2.c1"}
    assert (found["status"], essence(found["questions"])) == ("waiting", [{**QUESTION, **call}])


async def test_who_waits_is_told_what_a_sub_agent_asks(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    provider.script(Reply(text="", tools=(("shop", {"message": "go"}),)), ASKS)
    session = await sessions.create("boss")

    found = (await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": "ask it"})).json()

    assert (found["status"], found["questions"]) == ("waiting", [])
    (below,) = found["sub_questions"]
    assert (below["session_id"], below["question_id"]) == (f"{session}~t1.s1.c1", QUESTION["question_id"])


async def test_a_message_behind_a_sub_agents_question_is_told_so(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    provider.script(Reply(text="", tools=(("shop", {"message": "go"}),)), ASKS)
    session = await sessions.create("boss")
    path = f"/v1/sessions/{session}/messages"
    waits = (await http.post(f"{path}?wait=60", json={"message_id": "m1", "text": "ask it"})).json()

    first = await http.post(path, json={"message_id": "m1", "text": "ask it"})
    behind = await http.post(path, json={"message_id": "m2", "text": "and this"})
    waited = await http.post(f"{path}?wait=60", json={"message_id": "m3", "text": "and that"})
    past = await http.post(path, json={"message_id": "m4", "text": "never mind", "busy": "interrupt"})

    below = waits["sub_questions"]
    assert (below[0]["session_id"], below[0]["question_id"]) == (f"{session}~t1.s1.c1", QUESTION["question_id"])
    assert first.json()["waiting_for"] == below
    assert (behind.status_code, behind.json()["position"], behind.json()["waiting_for"]) == (202, 1, below)
    assert (waited.status_code, waited.json()["position"]) == (200, 2)
    assert (waited.json()["status"], waited.json()["sub_questions"]) == ("waiting", below)
    assert (past.json()["status"], "waiting_for" in past.json()) == ("interrupting", False)


async def test_a_question_that_is_answered_holds_nobody_up(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await waiting(sessions)
    await answer(http, session, QUESTION["question_id"], approved=True)
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")

    found = (await send(http, session, FREE, wait=60)).json()

    assert found["turn"]["reason"] == "done"
    assert "status" not in found


async def test_a_handler_asks_and_keeps_nobody_else_waiting(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await sessions.create("orders")
    path = f"/v1/sessions/{session}"

    asks = (await http.post(f"{path}/messages?wait=60", json={"text": "deliver it"})).json()

    assert asks["status"] == "waiting"
    (question,) = asks["questions"]
    assert {name: question[name] for name in ("question_id", "kind", "subject", "form", "name", "prompt")} == {
        "question_id": "t1.ask",
        "kind": "input",
        "subject": "handler",
        "form": "schema",
        "name": "delivery",
        "prompt": "When?",
    }
    assert "call_id" not in question
    other = await http.post(f"{path}/messages?wait=60", json={"text": "hi"})
    assert other.json()["turn"]["reason"] == "done"
    sent = (await http.post(f"{path}/messages", json={"text": "hi again"})).json()
    assert (sent["status"], sent.get("waiting_for")) == ("working", None)
    snapshot = (await http.get(path)).json()
    assert [one["question_id"] for one in snapshot["questions"]] == ["t1.ask"]
    for result, field in (({"day": 5}, "result.day"), ({"day": "Monday", "hour": 1}, "result"), ("Monday", "result")):
        refused = await http.post(f"{path}/answers", json={"question_id": "t1.ask", "result": result})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    big = {"day": "x" * 100_000}
    refused = await http.post(f"{path}/answers", json={"question_id": "t1.ask", "result": big})
    assert "a handler takes at most" in refused.json()["errors"][0]["message"]

    answered = {"question_id": "t1.ask", "result": {"day": "Monday"}}
    async with sessions.view(session) as viewer:
        assert (await http.post(f"{path}/answers", json=answered)).status_code == 202
        frames = await viewer.until("input.received")
        received = next(frame.data for frame in frames if frame.type == "input.received")
        assert (received["turn_id"], received["by"]) == (None, {"subject": "local", "scopes": []})
        await viewer.until("turn.finished", 4)
    assert (await http.post(f"{path}/answers", json=answered)).status_code == 409
    after = (await http.get(path)).json()
    assert (after["status"], after["messages"][-1]["parts"][0]["text"]) == ("idle", "It comes on Monday.")


async def test_a_handler_asks_in_a_terminal(dev: Dev, http: httpx2.AsyncClient, tmp_path: Path) -> None:
    async with PipedChat(tmp_path, dev.url, "--agent", "orders") as chat:
        await chat.type("deliver it")
        await chat.until("? When?")
        await chat.type("/wait hi")
        await chat.until("(the question stays open)")
        await chat.until("Hello.")
        await chat.until("> ")
        assert await chat.end() == 0
    session = chat.session
    async with PipedChat(tmp_path, dev.url, session) as again:
        await again.until("? When?")
        await again.until("the result as JSON")
        await again.type("Monday")
        await again.until("is not of type 'object'")
        await again.until("the result as JSON")
        await again.type('{"day": "Monday"}')
        await again.until("(answered by local)")
        await again.until("It comes on Monday.")
        await again.until("> ")
        assert await again.end() == 0
    async with PipedChat(tmp_path, dev.url, "--agent", "orders") as third:
        await third.type("deliver it")
        await third.until("the result as JSON")
        body = {"question_id": "t1.ask", "result": {"day": "Friday"}}
        assert (await http.post(f"/v1/sessions/{third.session}/answers", json=body)).status_code == 202
        await third.until("It comes on Friday.")
        assert await third.end() == 0
