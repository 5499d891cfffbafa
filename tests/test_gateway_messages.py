"""Messages, streams, stop and trace over real HTTP, against `perdure dev` with scripted model answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply

pytestmark = pytest.mark.server

STALL = Reply(text="one two three four", fault="stall")
TURN = ["turn.started", "message.added", "step.started", "step.finished", "turn.finished"]


async def create(http: httpx2.AsyncClient, **body: Any) -> str:
    answer = await http.post("/v1/sessions", json={"agent": "assistant", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["session_id"])


async def send(http: httpx2.AsyncClient, session: str, **body: Any) -> httpx2.Response:
    return await http.post(f"/v1/sessions/{session}/messages", json=body)


async def streaming(provider: FakeProvider, before: int) -> None:
    """Returns once a call after the first `before` has sent its first tokens."""
    await provider.until(lambda calls: len(calls) > before and len(calls[-1].tokens) >= 2)


def events(text: str) -> list[dict[str, Any]]:
    """The data of each frame of a complete stream."""
    return [
        json.loads(line.removeprefix("data: "))
        for frame in text.split("\n\n")
        for line in frame.split("\n")
        if line.startswith("data: ")
    ]


async def first(response: httpx2.Response, kind: str) -> dict[str, Any]:
    """The data of the first frame of this type."""
    lines: AsyncIterator[str] = response.aiter_lines()
    async for line in lines:
        if line == f"event: {kind}":
            data = await anext(lines)
            found: dict[str, Any] = json.loads(data.removeprefix("data: "))
            return found
    raise AssertionError(f"no {kind}")


def durable(found: list[dict[str, Any]]) -> list[str]:
    return [str(event["type"]) for event in found if "seq" in event]


async def test_a_message_gets_its_turn(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(Reply(text="Hello Ann"))
    session = await create(http)

    answer = await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"message_id": "m1", "text": "I am Ann"})

    body = answer.json()
    assert answer.status_code == 200
    assert {name: body[name] for name in ("session_id", "message_id", "seq")} == {
        "session_id": session,
        "message_id": "m1",
        "seq": 1,
    }
    assert body["turn"].items() >= {"turn_id": "t1", "reason": "done"}.items()
    assert body["turn"]["usage"]["output_tokens"] == 5
    assert [(m["role"], m["parts"]) for m in body["messages"]] == [
        ("user", [{"type": "text", "text": "I am Ann"}]),
        ("assistant", [{"type": "text", "text": "Hello Ann"}]),
    ]


async def test_a_message_is_taken_once(http: httpx2.AsyncClient) -> None:
    session = await create(http)

    answers = await asyncio.gather(*(send(http, session, message_id="m1", text="hi") for _ in range(5)))
    assert [answer.status_code for answer in answers] == [202] * 5
    await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": "next"})
    again = await send(http, session, message_id="m1", parts=[{"type": "text", "text": "hi"}])
    other = await send(http, session, message_id="m1", text="something else")

    accepted = {"session_id": session, "message_id": "m1", "seq": 1, "status": "idle"}
    assert (again.status_code, again.json()) == (202, accepted)
    assert (other.status_code, other.json()["code"]) == (409, "id_conflict")
    found = (await http.get(f"/v1/sessions/{session}")).json()
    said = [m["parts"][0]["text"] for m in found["messages"] if m["role"] == "user"]
    assert said == ["hi", "next"]


async def test_a_big_message_travels_folded_and_is_shown_whole(
    http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    text = "".join(f"{n} lines of text\n" for n in range(20_000))
    session = await create(http)

    await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"message_id": "m1", "text": text})

    found = (await http.get(f"/v1/sessions/{session}")).json()
    assert found["messages"][0]["parts"] == [{"type": "text", "text": text}]
    assert text in json.dumps(provider.calls[-1].body, ensure_ascii=False).replace("\\n", "\n")


async def test_the_stream_of_a_message_is_that_of_its_turn(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(STALL, Reply(text="a b c", gap=0.02))
    before = len(provider.calls)
    session = await create(http, message="first")
    await streaming(provider, before)

    streamed = http.stream(
        "POST",
        f"/v1/sessions/{session}/messages",
        json={"message_id": "m2", "text": "second"},
        headers={"Accept": "text/event-stream"},
    )
    async with streamed as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert (await first(response, "message.queued")).items() >= {"message_id": "m2", "position": 1}.items()
        await http.post(f"/v1/sessions/{session}/stop")

    whole = await send_streamed(http, session, "m2", "second")
    assert durable(whole) == ["message.queued", *TURN]
    assert {event["turn_id"] for event in whole if "seq" in event and event["type"] != "message.queued"} == {"t2"}


async def send_streamed(http: httpx2.AsyncClient, session: str, message_id: str, text: str) -> list[dict[str, Any]]:
    answer = await http.post(
        f"/v1/sessions/{session}/messages",
        json={"message_id": message_id, "text": text},
        headers={"Accept": "text/event-stream"},
    )
    assert answer.status_code == 200
    return events(answer.text)


async def test_live_fragments_come_with_the_stream_of_a_message(
    http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(Reply(text="a b c d", gap=0.05))
    session = await create(http)

    found = await send_streamed(http, session, "m1", "hi")

    assert durable(found) == TURN
    assert "".join(event.get("delta", "") for event in found if event.get("kind") == "text").endswith("d")


async def test_waiting_too_short_gives_the_receipt(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(STALL)
    session = await create(http)

    answer = await http.post(f"/v1/sessions/{session}/messages?wait=0.2", json={"message_id": "m1", "text": "hi"})

    accepted = {"session_id": session, "message_id": "m1", "seq": 1, "status": "working"}
    assert (answer.status_code, answer.json()) == (202, accepted)
    await http.delete(f"/v1/sessions/{session}")


async def test_a_message_that_a_close_overtakes_is_told_so(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(STALL)
    before = len(provider.calls)
    session = await create(http, message="first")
    await streaming(provider, before)

    async with http.stream("GET", f"/v1/sessions/{session}/events") as watched:
        waiting = asyncio.create_task(http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": "second"}))
        await first(watched, "message.queued")
        await http.delete(f"/v1/sessions/{session}")
    answer = await waiting

    assert (answer.status_code, answer.json()["code"]) == (409, "session_closed")


async def test_more_than_a_hundred_queued_messages_are_too_many(
    http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(STALL)
    before = len(provider.calls)
    session = await create(http, message="first")
    await streaming(provider, before)
    waiting = list(range(100))
    # A busy machine may refuse some of so many at once as overloaded; they are sent again, as clients do.
    while waiting:
        sent = await asyncio.gather(*(send(http, session, text="hi", message_id=f"m{n}") for n in waiting))
        assert {answer.status_code for answer in sent} <= {202, 503}
        waiting = [n for n, answer in zip(waiting, sent, strict=True) if answer.status_code == 503]

    answer = await send(http, session, text="one more")

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many")
    assert int(answer.headers["retry-after"]) > 0
    await http.delete(f"/v1/sessions/{session}")


async def test_stop_keeps_what_was_said(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(STALL)
    before = len(provider.calls)
    session = await create(http, message="tell me")
    await streaming(provider, before)

    for body in ({"turn_id": "t9"}, {"turn_id": "t1"}):
        assert (await http.post(f"/v1/sessions/{session}/stop", json=body)).status_code == 202
    async with http.stream("GET", f"/v1/sessions/{session}/events") as watched:
        assert (await first(watched, "turn.finished"))["reason"] == "stopped"

    found = (await http.get(f"/v1/sessions/{session}")).json()
    assert found["status"] == "idle"
    assert found["messages"][-1]["stopped"] is True
    assert (await http.post(f"/v1/sessions/{session}/stop")).status_code == 202


async def test_a_stream_resumes_after_its_cursor(http: httpx2.AsyncClient) -> None:
    session = await create(http)
    for text in ("hi", "next"):
        await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": text})
    await http.delete(f"/v1/sessions/{session}")
    path = f"/v1/sessions/{session}/events"

    whole = events((await http.get(path)).text)
    assert [event["seq"] for event in whole] == list(range(1, len(whole) + 1))
    assert durable(whole) == ["session.started", *TURN, *TURN, "session.closed"]

    by_header = await http.get(f"{path}?after=1", headers={"Last-Event-ID": "5"})
    assert events(by_header.text) == whole[5:] == events((await http.get(f"{path}?after=5")).text)
    assert by_header.text.startswith(":")
    assert by_header.headers["cache-control"] == "no-cache, no-transform"
    assert by_header.headers["x-content-type-options"] == "nosniff"
    assert (await http.get(path, headers={"Last-Event-ID": str(len(whole))})).status_code == 204
    ahead = await http.get(f"{path}?after=999")
    assert "event: session.snapshot" in ahead.text


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "1e3", "9" * 30, "٣"])
async def test_a_wrong_cursor_is_refused(http: httpx2.AsyncClient, cursor: str) -> None:
    session = await create(http)
    path = f"/v1/sessions/{session}/events"

    for answer, field in (
        (await http.get(path, params={"after": cursor}), "after"),
        (await http.get(path, headers={b"Last-Event-ID": cursor.encode()}), "Last-Event-ID"),
    ):
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_the_trace_shows_what_the_model_was_told(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(
        Reply(reasoning="hm", tools=(("calculator", {"expression": "6*7"}),)),
        Reply(text="It is 42."),
        Reply(text="Bye"),
    )
    before = len(provider.calls)
    session = await create(http)
    for text in ("What is 6*7?", "Thanks"):
        await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": text})

    trace = (await http.get(f"/v1/sessions/{session}/trace")).json()

    assert trace["next_cursor"] is None
    steps = trace["steps"]
    assert [(s["step_id"], s["status"], s["stop"]) for s in steps] == [
        ("t1.s1", "finished", "tool_calls"),
        ("t1.s2", "finished", "end"),
        ("t2.s1", "finished", "end"),
    ]
    assert [step["request_matches"] for step in steps] == [True] * 3
    assert [step["request"] for step in steps] == [call.body for call in provider.calls[before:]]
    assert [len(step["prompt"]["messages"]) for step in steps] == [1, 3, 5]
    assert "helpful assistant" in steps[0]["prompt"]["system"]
    (call,) = steps[0]["tools"]
    assert call.items() >= {"call_id": "t1.s1.c1", "name": "calculator", "args": {"expression": "6*7"}}.items()
    assert call["result"]["output"]["result"] == "42"
    assert steps[1]["message"]["parts"] == [{"type": "text", "text": "It is 42."}]

    page = (await http.get(f"/v1/sessions/{session}/trace?after=1&limit=1")).json()
    assert ([step["step_id"] for step in page["steps"]], page["next_cursor"]) == (["t1.s2"], 2)
    one = (await http.get(f"/v1/sessions/{session}/trace?step=t2.s1")).json()
    assert one == {"steps": [steps[2]], "next_cursor": None}
    small = (await http.get(f"/v1/sessions/{session}/trace?prompts=false")).json()["steps"]
    without = {"prompt": None, "request": None, "request_matches": None}
    assert small == [{**step, **without} for step in steps]
    first = (await http.get(f"/v1/sessions/{session}/trace?before=2&limit=1")).json()
    assert [step["step_id"] for step in first["steps"]] == ["t1.s2"]
    both = await http.get(f"/v1/sessions/{session}/trace?after=0&before=2")
    assert (both.status_code, [error["field"] for error in both.json()["errors"]]) == (422, ["after", "before"])
    unknown = await http.get(f"/v1/sessions/{session}/trace?step=t9.s1")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "validation")


async def test_the_trace_shows_a_step_that_runs(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(STALL)
    before = len(provider.calls)
    session = await create(http, message="tell me")
    await streaming(provider, before)

    (step,) = (await http.get(f"/v1/sessions/{session}/trace")).json()["steps"]

    assert (step["status"], step["message"], step["request_matches"]) == ("running", None, None)
    assert step["request"] == provider.calls[before].body
    await http.delete(f"/v1/sessions/{session}")


async def test_hostile_text_is_only_text(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    texts = [
        "<script>alert(1)</script>\u2028\u2029\r\n\ndata: {}\n\nid: 9\n\n",
        "{{ 7*7 }} {% raw %} ${HOME}",
        "\u202e" + "\N{GRINNING FACE}" * 1000,
        "\x1b[2J\x07\ufeff\ufffe",
    ]
    session = await create(http)
    for text in texts:
        answer = await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": text})
        assert answer.status_code == 200

    found = (await http.get(f"/v1/sessions/{session}")).json()
    assert [m["parts"][0]["text"] for m in found["messages"] if m["role"] == "user"] == texts
    await http.delete(f"/v1/sessions/{session}")
    streamed = events((await http.get(f"/v1/sessions/{session}/events")).text)
    added = [event["message"]["parts"][0]["text"] for event in streamed if event["type"] == "message.added"]
    assert added == texts


async def test_ids_are_made_where_none_is_given(http: httpx2.AsyncClient) -> None:
    session = await create(http)

    one, other = [(await send(http, session, text="hi")).json()["message_id"] for _ in range(2)]

    assert one != other
