"""Hostile messages: unusual and long texts pass through unchanged, messages sent twice or concurrently take effect
once, late ones are refused.
"""

import asyncio
import uuid
from typing import Any

import httpx2
import pytest
from temporalio.client import Client

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import Sessions, texts, told

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


@pytest.mark.parametrize(
    "text",
    [
        "right\u202eto\u2066left\u200f",
        "\N{PILE OF POO}" * 10_000,
        "e" + "\u0301" * 5000,
        "line\r\nline\u2028line\x85line\x1b[31m\x07",
        "data: x\n\nevent: turn.finished\ndata: {}\n\n",
        "<script>alert(1)</script>{{ 7*7 }}${HOME}%s\\u0000",
        "\ufeff\ufffe\uffff",
    ],
    ids=["marks", "emoji", "combining", "control", "frames", "markup", "noncharacters"],
)
async def test_strange_text_goes_through_unchanged(sessions: Sessions, provider: FakeProvider, text: str) -> None:
    session = await sessions.create()
    provider.script(Reply(text=f"You said: {text}"))
    async with sessions.view(session) as viewer:
        await sessions.send(session, text)
        frames = await viewer.until("turn.finished")
    (message,) = [frame.data["message"] for frame in frames if frame.type == "message.added"]
    assert texts([message]) == [("user", text)]
    assert texts((await sessions.snapshot(session))["messages"])[0] == ("user", text)
    assert provider.calls[-1].body["messages"][-1]["content"][0]["text"] == text
    (step,) = [frame.data["message"] for frame in frames if frame.type == "step.finished"]
    assert texts([step])[0][1].strip() == f"You said: {text}".strip()


async def test_a_long_text_arrives_whole_and_weighs_little(
    sessions: Sessions, dev: Dev, provider: FakeProvider
) -> None:
    long = " ".join(f"word{n}" for n in range(25_000))[:200_000]
    session = await sessions.create()
    async with sessions.view(session) as viewer:
        await sessions.send(session, long)
        frames = await viewer.until("turn.finished")
        (message,) = [frame.data["message"] for frame in frames if frame.type == "message.added"]
        assert texts([message]) == [("user", long)]
        await sessions.ask(session, "and now?")
    assert texts((await sessions.snapshot(session))["messages"])[0] == ("user", long)
    for call in provider.calls[-2:]:
        assert call.body["messages"][0]["content"][0]["text"] == long
    assert await history_bytes(dev, session) < 30_000


async def history_bytes(dev: Dev, session: str) -> int:
    client = await Client.connect(f"127.0.0.1:{dev.temporal_port}")
    history = await client.get_workflow_handle(f"default/{session}").fetch_history()
    return sum(event.ByteSize() for event in history.events)


async def test_a_message_that_comes_again(sessions: Sessions) -> None:
    session = await sessions.create()
    url = f"/v1/sessions/{session}/messages"
    first = await sessions.http.post(url, json={"text": "hello", "message_id": "m"})
    as_parts = {"parts": [{"type": "text", "text": "hello"}], "message_id": "m"}
    again = [await sessions.http.post(url, json=body) for body in ({"text": "hello", "message_id": "m"}, as_parts)]
    assert [answer.status_code for answer in again] == [202] * 2
    # Its turn may be over by then.
    assert [{**answer.json(), "status": "working"} for answer in again] == [first.json()] * 2
    other = await sessions.http.post(url, json={"text": "bye", "message_id": "m"})
    assert told(other) == (409, "id_conflict")
    waited = await sessions.http.post(f"{url}?wait=30", json={"text": "hello", "message_id": "m"})
    assert waited.status_code == 200
    assert texts(waited.json()["messages"]) == [("user", "hello"), ("assistant", Reply().text)]
    assert texts((await sessions.snapshot(session))["messages"]) == texts(waited.json()["messages"])


async def test_one_message_from_many_at_once(sessions: Sessions) -> None:
    session = await sessions.create()
    url = f"/v1/sessions/{session}/messages?wait=30"
    body = {"text": "hello", "message_id": "m"}
    answers = await asyncio.gather(*(sessions.http.post(url, json=body) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert texts((await sessions.snapshot(session))["messages"]) == [("user", "hello"), ("assistant", Reply().text)]


async def test_one_id_with_other_contents_at_once(sessions: Sessions) -> None:
    """Exactly one of them is accepted, and the others get an error."""
    session = await sessions.create()
    url = f"/v1/sessions/{session}/messages?wait=30"
    bodies = [{"text": f"text {n}", "message_id": "m"} for n in range(8)]
    answers = await asyncio.gather(*(sessions.http.post(url, json=body) for body in bodies))
    ((role, taken), _) = texts((await sessions.snapshot(session))["messages"])
    assert role == "user"
    assert [body["text"] for body, answer in zip(bodies, answers, strict=True) if answer.status_code == 200] == [taken]
    refusals = [answer for answer in answers if answer.status_code != 200]
    assert {told(answer) for answer in refusals} == {(409, "id_conflict")}


async def test_fifty_creates_of_one_session(sessions: Sessions) -> None:
    session_id = uuid.uuid4().hex
    body = {"agent": "assistant", "session_id": session_id, "message": {"text": "hello", "message_id": "m"}}
    answers = await asyncio.gather(*(sessions.http.post("/v1/sessions", json=body) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert len({answer.text for answer in answers}) == 1
    other = await sessions.http.post("/v1/sessions", json={**body, "metadata": {"a": 1}})
    assert told(other) == (409, "id_conflict")
    await sessions.ask(session_id, "and you?")
    users = [text for role, text in texts((await sessions.snapshot(session_id))["messages"]) if role == "user"]
    assert users == ["hello", "and you?"]


async def test_a_closed_session_takes_nothing(sessions: Sessions) -> None:
    session = await sessions.create(message={"text": "hello", "message_id": "m"})
    async with sessions.view(session) as viewer:
        assert (await sessions.http.delete(f"/v1/sessions/{session}")).status_code == 202
        await viewer.until("session.closed")
    assert (await sessions.http.delete(f"/v1/sessions/{session}")).status_code == 200
    commands: list[tuple[str, str, Any]] = [
        ("POST", "/messages", {"text": "hello"}),
        ("POST", "/stop", {}),
        ("PATCH", "", {"model": "fast"}),
        ("PATCH", "/limits", {"session": {"cost_usd": 1.0}}),
    ]
    for method, path, body in commands:
        answer = await sessions.http.request(method, f"/v1/sessions/{session}{path}", json=body)
        assert told(answer) == (409, "session_closed"), path
    repeat = {"text": "hello", "message_id": "m"}
    assert (await sessions.http.post(f"/v1/sessions/{session}/messages", json=repeat)).status_code == 202
