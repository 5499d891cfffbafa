"""A message that asks for another of its agent's models."""

from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.session_client import Sessions, told

pytestmark = [pytest.mark.server, pytest.mark.slow]

AGENT = """
name: two
models:
  fast: {{use: anthropic/fast, base_url: "{url}"}}
  good: {{use: anthropic/good, base_url: "{url}"}}
model: fast
instructions: Be brief.
tools: [calculator]
"""


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    return {"two.yaml": AGENT.format(url=provider.url)}


@pytest.fixture
def sessions(provider: FakeProvider, http: httpx2.AsyncClient) -> Sessions:
    provider.reset()
    return Sessions(http)


async def switches(sessions: Sessions, session: str, turns: int) -> list[tuple[Any, ...]]:
    async with sessions.view(session) as viewer:
        frames = await viewer.until("turn.finished", turns)
    return [
        (frame.data["from"], frame.data["to"], frame.data["reason"])
        for frame in frames
        if frame.type == "model.switched"
    ]


async def test_a_message_is_answered_by_the_model_that_it_asks_for(sessions: Sessions, provider: FakeProvider) -> None:
    provider.script(Reply(), Reply(tools=(("calculator", {"expression": "1+1"}),)), Reply(), Reply())
    session = await sessions.create("two", message="hello")
    await sessions.send(session, "think hard", model="good")
    await sessions.send(session, "thanks")
    found = await switches(sessions, session, 3)
    assert found == [
        ("anthropic/fast", "anthropic/good", "message"),
        ("anthropic/good", "anthropic/fast", "definition"),
    ]
    # All steps of the message's turn are the model's.
    assert [call.body["model"] for call in provider.calls] == ["fast", "good", "good", "fast"]
    assert (await sessions.snapshot(session))["messages"][2]["parts"] == [{"type": "text", "text": "think hard"}]


async def test_the_first_message_too(sessions: Sessions, provider: FakeProvider) -> None:
    session = await sessions.create("two", message={"text": "hello", "model": "good"})
    await switches(sessions, session, 1)
    assert [call.body["model"] for call in provider.calls] == ["good"]


async def test_the_session_s_model_gives_way_to_the_message_s_and_is_back_afterwards(
    sessions: Sessions, provider: FakeProvider
) -> None:
    session = await sessions.create("two", message="hello")
    await switches(sessions, session, 1)
    await sessions.configure(session, model="good")
    for text, model in (("one", {"model": "fast"}), ("two", {})):
        await sessions.send(session, text, **model)
    assert await switches(sessions, session, 3) == [("anthropic/fast", "anthropic/good", "configured")]
    assert [call.body["model"] for call in provider.calls] == ["fast", "fast", "good"]


async def test_a_role_that_there_is_not_is_refused_and_named(sessions: Sessions, http: httpx2.AsyncClient) -> None:
    session = await sessions.create("two")
    answer = await http.post(f"/v1/sessions/{session}/messages", json={"text": "hi", "model": "best"})
    assert told(answer) == (422, "validation")
    assert answer.json()["errors"][0]["field"] == "model"
    assert "its models are: fast, good" in answer.text
    answer = await http.post("/v1/sessions", json={"agent": "two", "message": {"text": "hi", "model": "best"}})
    assert told(answer) == (422, "validation")
    assert answer.json()["errors"][0]["field"] == "message.model"


async def test_a_repeat_that_asks_for_another_model_is_another_message(
    sessions: Sessions, http: httpx2.AsyncClient
) -> None:
    session = await sessions.create("two")
    url, body = f"/v1/sessions/{session}/messages", {"text": "hi", "message_id": "m1", "model": "good"}
    first = await http.post(url, json=body)
    again = await http.post(url, json=body)
    assert (first.status_code, again.status_code, again.json()["seq"]) == (202, 202, first.json()["seq"])
    assert told(await http.post(url, json={**body, "model": "fast"}))[0] == 409
