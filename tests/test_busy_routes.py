"""Messages that steer, interrupt or are refused, over HTTP, and what can be changed of those that wait."""

import asyncio
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.session_client import Sessions, frames_of, texts, told

pytestmark = pytest.mark.server

STALL = Reply(text="one two three four", fault="stall")
ASKS = Reply(tools=(("ask_user", {"prompt": "Which account?"}),), text="")
AGENT = "models: {main: {use: anthropic/claude-haiku-5-5}}\nmodel: main\ninstructions: Help.\ntools: [ask_user]\n"


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "desk.yaml": f"name: desk\n{AGENT}",
        "hasty.yaml": f"name: hasty\nbusy: interrupt\n{AGENT}",
        "strict.yaml": f"name: strict\nbusy: reject\n{AGENT}",
    }


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


async def streaming(sessions: Sessions, provider: FakeProvider, agent: str = "desk") -> str:
    """A session in the middle of an answer that does not go on."""
    provider.script(STALL)
    session = await sessions.create(agent, message={"text": "count", "message_id": "m1"})
    async with sessions.view(session) as viewer:
        await viewer.until_streaming("two")
    return session


async def asking(sessions: Sessions, provider: FakeProvider) -> str:
    """A session that waits for a person."""
    provider.script(ASKS)
    session = await sessions.create("desk", message={"text": "pay", "message_id": "m1"})
    async with sessions.view(session) as viewer:
        await viewer.until("input.requested")
    return session


async def send(http: httpx2.AsyncClient, session: str, query: str = "", **body: Any) -> httpx2.Response:
    return await http.post(f"/v1/sessions/{session}/messages{query}", json=body)


async def ended(sessions: Sessions, session: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of all events, once so many turns have ended."""
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished", count)
        return [(frame.type, frame.data) for frame in viewer.durable]


async def test_an_interrupting_message_stops_the_answer_keeps_it_and_is_next(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await streaming(sessions, provider)
    provider.script(Reply(text="The other one, then."), Reply(text="And that."))
    await send(http, session, message_id="m2", text="and that")

    answer = await send(http, session, "?wait=60", message_id="m3", text="wait, the other one", busy="interrupt")

    assert (answer.status_code, answer.json()["turn"]["reason"]) == (200, "done")
    events = await ended(sessions, session, 3)
    assert [data["reason"] for kind, data in events if kind == "turn.finished"] == ["interrupted", "done", "done"]
    snapshot = await sessions.snapshot(session)
    assert texts(snapshot["messages"]) == [
        ("user", "count"),
        ("assistant", "one two "),
        ("user", "wait, the other one"),
        ("assistant", "The other one, then."),
        ("user", "and that"),
        ("assistant", "And that."),
    ]
    assert snapshot["messages"][1]["stopped"] is True


async def test_the_answer_says_where_a_message_stands(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await streaming(sessions, provider)

    queued = await send(http, session, message_id="m2", text="later")
    steered = await send(http, session, message_id="m3", text="also", busy="steer")
    again = await send(http, session, message_id="m3", text="also", busy="queue")

    assert [(one.status_code, one.json()["status"], one.json()["position"]) for one in (queued, steered)] == [
        (202, "working", 1),
        (202, "steering", 1),
    ]
    assert (again.status_code, again.json()) == (202, steered.json())
    provider.script(Reply(text="Well."))
    interrupting = await send(http, session, message_id="m4", text="no", busy="interrupt")
    assert interrupting.json()["status"] in ("interrupting", "working", "idle")
    await ended(sessions, session, 4)


async def test_a_steered_message_has_the_stream_of_the_turn_that_it_joins(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await asking(sessions, provider)
    provider.script(Reply(text="From the other account, then."))
    body = {"message_id": "m2", "text": "wait, the other account", "busy": "steer"}
    headers = {"Accept": "text/event-stream"}

    async with http.stream("POST", f"/v1/sessions/{session}/messages", json=body, headers=headers) as response:
        frames = [frame async for frame in frames_of(response) if frame.seq is not None]

    own = ["message.queued", "message.added", "step.started", "step.finished", "turn.finished"]
    assert [frame.type for frame in frames] == own
    assert {frame.data["turn_id"] for frame in frames[1:]} == {"t1"}
    told_to_model = provider.calls[-1].body["messages"]
    assert [one["role"] for one in told_to_model] == ["user", "assistant", "user"]
    result, said = told_to_model[-1]["content"]
    assert (result["type"], "sent another message" in str(result["content"])) == ("tool_result", True)
    assert said["text"] == "wait, the other account"


async def test_who_steers_a_waiting_session_does_not_wait_for_the_question_that_is_gone(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await asking(sessions, provider)
    provider.script(ASKS)

    answer = (await send(http, session, "?wait=60", text="another one", busy="steer")).json()

    assert (answer["status"], [one["question_id"] for one in answer["questions"]]) == ("waiting", ["t1.s2.c1.input"])
    events = await sessions.snapshot(session)
    assert [one["question_id"] for one in events["questions"]] == ["t1.s2.c1.input"]
    await http.delete(f"/v1/sessions/{session}")


async def test_a_message_that_is_not_to_wait_is_refused(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await streaming(sessions, provider, "strict")

    refused = await send(http, session, message_id="m2", text="now")
    queued = await send(http, session, message_id="m3", text="later", busy="queue")

    assert (told(refused), queued.status_code) == ((409, "busy"), 202)
    provider.script(Reply(text="Now."), Reply(text="Again."))
    await sessions.stop(session)
    await ended(sessions, session, 2)
    # The id was not taken.
    again = await send(http, session, "?wait=60", message_id="m2", text="now")
    assert (again.status_code, again.json()["turn"]["reason"]) == (200, "done")


async def test_the_agent_says_what_messages_do(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await streaming(sessions, provider, "hasty")
    provider.script(Reply(text="Yes."))

    answer = await send(http, session, "?wait=60", text="stop")

    assert answer.json()["turn"]["reason"] == "done"
    events = await ended(sessions, session, 2)
    assert next(data for kind, data in events if kind == "turn.finished")["reason"] == "interrupted"


async def test_messages_that_wait_can_be_edited_and_withdrawn(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await streaming(sessions, provider)
    url = f"/v1/sessions/{session}/messages"
    for number in (2, 3, 4):
        await send(http, session, message_id=f"m{number}", text=f"message {number}")
    upload = (await http.post("/v1/files?name=notes.txt", content=b"Buy milk")).json()["uri"]
    parts = [{"type": "text", "text": "read this"}, {"type": "file", "uri": upload}]

    edited = await http.put(f"{url}/m3", json={"parts": parts})
    withdrawn = [await http.delete(f"{url}/m2") for _ in range(2)]

    assert (edited.status_code, edited.json()) == (200, {"session_id": session, "message_id": "m3", "position": 2})
    assert [one.status_code for one in withdrawn] == [200, 200]
    snapshot = await sessions.snapshot(session)
    assert [message["id"] for message in snapshot["queued"]] == ["m3", "m4"]
    assert [part["type"] for part in snapshot["queued"][0]["parts"]] == ["text", "file"]
    assert told(await http.put(f"{url}/m2", json={"text": "x"})) == (409, "message_withdrawn")
    again = {"message_id": "m2", "text": "message 2"}
    assert told(await http.post(url, json=again)) == (409, "message_withdrawn")
    assert told(await http.put(f"{url}/m1", json={"text": "x"})) == (409, "message_not_queued")
    assert told(await http.delete(f"{url}/m1")) == (409, "message_not_queued")
    assert told(await http.put(f"{url}/m9", json={"text": "x"})) == (404, "message_not_found")
    assert told(await http.delete(f"{url}/m9")) == (404, "message_not_found")
    assert told(await http.put(f"{url}/m4", json={"text": ""})) == (422, "validation")
    provider.script(Reply(text="Read."), Reply(text="Four."))
    await sessions.stop(session)
    events = await ended(sessions, session, 3)
    shown = [data for kind, data in events if kind == "message.queued" and "message" in data]
    assert [(one["message_id"], one["position"], one["message"]["parts"][0]["text"]) for one in shown] == [
        ("m3", 2, "read this")
    ]
    assert "Buy milk" in str(provider.calls[-2].body["messages"])
    rejected = [(data["message_id"], data["reason"]) for kind, data in events if kind == "message.rejected"]
    assert rejected == [("m2", "withdrawn")]


async def test_who_waits_for_a_message_that_is_withdrawn_is_told_so(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await streaming(sessions, provider)
    async with sessions.view(session) as viewer:
        waits = asyncio.create_task(send(http, session, "?wait=60", message_id="m2", text="later"))
        await viewer.until("message.queued")
    await http.delete(f"/v1/sessions/{session}/messages/m2")

    assert told(await waits) == (409, "message_withdrawn")
    await http.delete(f"/v1/sessions/{session}")
