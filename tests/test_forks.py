"""Forks over real HTTP, against `perdure dev` whose sessions continue as new after every few turns."""

import asyncio
import hashlib
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.temporal.stores.files import put_file
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S, Frame, Sessions, texts, told

pytestmark = pytest.mark.server

LONG = "word " * 20_000
GREETER = """
name: {name}
inputs: {{customer: {{type: string}}, tone: {{type: string, default: calm}}}}
models:
  main: {{use: anthropic/claude-haiku-5-5}}
  big: {{use: anthropic/claude-sonnet-5-5}}
model: main
instructions: "{words} {{{{ customer }}}}, {{{{ tone }}}}."
tools: [calculator, client: {{name: draw, description: Draws, output: {{type: object}}}}]
"""


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "greeter.yaml": GREETER.format(name="greeter", words="You greet"),
        "parrot.yaml": GREETER.format(name="parrot", words="You repeat"),
    }


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "PERDURE_CONTINUE_AS_NEW_AFTER": "50",
    }


@pytest.fixture
def sessions(http: httpx2.AsyncClient, provider: FakeProvider) -> Sessions:
    provider.reset()
    return Sessions(http)


async def talk(sessions: Sessions, provider: FakeProvider, turns: int = 3, **body: Any) -> str:
    session = await sessions.create("greeter", inputs={"customer": "Ann"}, **body)
    for number in range(1, turns + 1):
        provider.script(Reply(text=f"answer {number}"))
        await sessions.ask(session, f"question {number}")
    return session


async def fork(http: httpx2.AsyncClient, session: str, turn: str, **body: Any) -> str:
    answer = await http.post(f"/v1/sessions/{session}/fork", json={"turn_id": turn, **body})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made == {**made, "workflow_id": f"default/{made['session_id']}"}
    return str(made["session_id"])


async def events(sessions: Sessions, session: str, turns: int) -> list[Frame]:
    """The session's events once `turns` of its turns have ended."""
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished", turns)
        return viewer.durable


def asked(provider: FakeProvider) -> list[tuple[str, Any]]:
    """(role, text) of the messages in the last request."""
    return [
        (message["role"], block["text"])
        for message in provider.calls[-1].body["messages"]
        for block in message["content"]
        if block["type"] == "text"
    ]


async def test_a_fork_shares_the_past_up_to_its_turn_and_goes_its_own_way(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    source = await talk(sessions, provider, user="ann", metadata={"k": 1})
    answer = await http.post(f"/v1/sessions/{source}/fork", json={"turn_id": "t2"})
    made = answer.json()
    session = made["session_id"]

    found = await sessions.snapshot(session)
    before = await sessions.snapshot(source)
    past = [("user", "question 1"), ("assistant", "answer 1"), ("user", "question 2"), ("assistant", "answer 2")]
    assert texts(found["messages"]) == past
    assert found["messages"] == before["messages"][:4]
    same = ("agent", "digest", "model", "use", "user", "metadata", "inputs", "limits", "demo")
    assert {name: found[name] for name in same} == {name: before[name] for name in same}
    assert (found["status"], found["cost_usd"], found["usage"]["input_tokens"]) == ("idle", 0, 0)
    assert found["forked_from"] == {"session_id": source, "turn_id": "t2"}
    assert before["forked_from"] is None
    assert found["seq"] == made["seq"]

    provider.script(Reply(text="another answer"))
    turn = await sessions.ask(session, "another question")

    assert turn["turn"]["turn_id"] == "t3"
    assert asked(provider) == [*past, ("user", "another question")]
    shown = await events(sessions, session, 3)
    old = await events(sessions, source, 3)
    assert [frame.data for frame in shown[: made["seq"]]] == [frame.data for frame in old[: made["seq"]]]
    assert [frame.seq for frame in shown] == list(range(1, len(shown) + 1))
    assert (await sessions.snapshot(source))["messages"] == before["messages"]


async def test_with_a_text_the_turn_is_told_anew(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    source = await talk(sessions, provider, 2)
    for turn, count in (("t2", 2), ("t1", 1)):
        provider.script(Reply(text="better"))
        session = await fork(http, source, turn, text="edited")
        await events(sessions, session, count)
        said = texts((await sessions.snapshot(session))["messages"])
        past = [("user", "question 1"), ("assistant", "answer 1")][: 2 * (count - 1)]
        assert said == [*past, ("user", "edited"), ("assistant", "better")]
        assert asked(provider) == [*past, ("user", "edited")]


async def test_another_model_and_another_agent(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    source = await talk(sessions, provider, 2)

    big = await fork(http, source, "t2", model="big", text="who are you?")
    shown = await events(sessions, big, 2)
    assert provider.calls[-1].body["model"] == "claude-sonnet-5-5"
    assert "model.switched" in [frame.type for frame in shown]
    assert (await sessions.snapshot(big))["model"] == "big"

    parrot = await fork(http, source, "t1", agent="parrot", text="who are you?")
    shown = await events(sessions, parrot, 1)
    assert "You repeat Ann, calm." in str(provider.calls[-1].body["system"])
    found = await sessions.snapshot(parrot)
    assert (found["agent"], found["inputs"]) == ("parrot", {"customer": "Ann", "tone": "calm"})
    assert shown[0].data["agent"] == "parrot"
    assert shown[0].data["digest"] == found["digest"]
    updated = [frame.data for frame in shown if frame.type == "agent.updated"]
    assert [one["new"] for one in updated] == [found["digest"]]

    plain = await fork(http, parrot, "t1", agent="assistant")
    assert (await sessions.snapshot(plain))["inputs"] == {}


async def test_what_cannot_be_forked_is_told(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    source = await talk(sessions, provider, 1)
    for body, field in (
        ({"turn_id": "t2"}, "turn_id"),
        ({"turn_id": "t0", "text": "hi"}, "turn_id"),
        ({"turn_id": "t 1"}, "turn_id"),
        ({}, "turn_id"),
        ({"turn_id": "t1", "agent": "nobody"}, "agent"),
        ({"turn_id": "t1", "model": "none"}, "model"),
        ({"turn_id": "t1", "agent": "assistant", "model": "big"}, "model"),
        ({"turn_id": "t1", "text": " "}, "text"),
        ({"turn_id": "t1", "message": "x"}, "message"),
    ):
        answer = await http.post(f"/v1/sessions/{source}/fork", json=body)
        assert told(answer) == (422, "validation"), body
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    answer = await http.post("/v1/sessions/nobody-made-this/fork", json={"turn_id": "t1"})
    assert told(answer) == (404, "session_not_found")
    empty = await sessions.create()
    assert told(await http.post(f"/v1/sessions/{empty}/fork", json={"turn_id": "t1"})) == (422, "validation")
    provider.script(Reply(text="hello"))
    await sessions.ask(empty, "hi")
    answer = await http.post(f"/v1/sessions/{empty}/fork", json={"turn_id": "t1", "agent": "greeter"})
    assert [error["field"] for error in answer.json()["errors"]] == ["inputs.customer"]


async def test_a_turn_that_runs_is_forked_only_from_before_it(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    source = await talk(sessions, provider, 1)
    provider.script(Reply(fault="stall"))
    await sessions.send(source, "a story")
    async with sessions.view(source) as viewer:
        await viewer.until_streaming()
        waits = await sessions.send(source, "and then?")
        await viewer.until("message.queued")

        assert told(await http.post(f"/v1/sessions/{source}/fork", json={"turn_id": "t2"})) == (409, "turn_running")
        session = await fork(http, source, "t2", text="a short story")
        await events(sessions, session, 2)
        await sessions.stop(source)
        await viewer.until("turn.finished", 3)

    assert "a story" not in str((await sessions.snapshot(session))["messages"])
    again = await fork(http, source, "t2")
    async with sessions.view(again) as viewer:
        await viewer.until("message.rejected")
        shown = viewer.durable[-1]
    assert (shown.type, shown.data["message_id"], shown.data["reason"]) == (
        "message.rejected",
        waits["message_id"],
        "forked",
    )
    sent = await http.post(
        f"/v1/sessions/{again}/messages?wait={PATIENCE_S}",
        json={"text": "and then?", "message_id": waits["message_id"]},
        timeout=PATIENCE_S,
    )
    assert sent.json()["turn"]["turn_id"] == "t3", "it was not taken over, so it can be sent"


async def test_a_fork_outlives_the_session_that_it_came_from(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    source = await sessions.create("greeter", inputs={"customer": "Ann"}, message=LONG)
    await events(sessions, source, 1)
    session = await fork(http, source, "t1")
    blobs = dev.data_dir / "blobs" / "default"

    answer = await http.delete(f"/v1/sessions/{source}?erase=true", timeout=PATIENCE_S)
    assert answer.status_code in (200, 202)

    assert not (blobs / source).exists()
    (first, _) = (await sessions.snapshot(session))["messages"]
    assert first["parts"][0]["text"] == LONG
    await sessions.ask(session, "go on")
    assert asked(provider)[0] == ("user", LONG)
    trace = (await http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert [step["step_id"] for step in trace] == ["t1.s1", "t2.s1"]
    assert trace[1]["request_matches"] is True

    # A fork of a fork, whose source is gone.
    second = await fork(http, session, "t2")
    assert (await sessions.snapshot(second))["messages"][0]["parts"][0]["text"] == LONG
    assert told(await http.post(f"/v1/sessions/{source}/fork", json={"turn_id": "t1"})) == (404, "session_not_found")


async def test_files_of_tools_go_along_also_those_that_a_long_result_names(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    source = await sessions.create("greeter", inputs={"customer": "Ann"})
    data = {name: f"the bytes of {name}".encode() for name in ("short", "long", "lost")}
    shas = {name: hashlib.sha256(bytes_).hexdigest() for name, bytes_ in data.items()}
    for name in ("short", "long"):
        await put_file(LocalBlobs(dev.data_dir / "blobs"), f"default/{source}", shas[name], data[name], "image/png")

    def uris(session: str) -> dict[str, str]:
        return {name: f"default/{session}/{sha256}" for name, sha256 in shas.items()}

    def outputs(session: str) -> list[Any]:
        named, foreign = uris(session), {"uri": "default/other/" + shas["short"]}
        short = {"content": [{"uri": named["short"]}, {"uri": named["lost"]}, foreign], "said": uris(source)["short"]}
        return [short, {"uri": named["long"], "text": LONG}]

    provider.script(Reply(text="", tools=(("draw", {"n": 1}), ("draw", {"n": 2, "story": LONG}))), Reply(text="drawn"))
    await sessions.send(source, "draw")
    async with sessions.view(source) as viewer:
        for number, output in enumerate(outputs(source)):
            await viewer.until("input.requested", number + 1)
            question = [frame.data for frame in viewer.frames if frame.type == "input.requested"][number]
            body = {"question_id": question["question_id"], "result": output}
            assert (await http.post(f"/v1/sessions/{source}/answers", json=body)).status_code == 202
        await viewer.until("turn.finished")

    async def results(session: str) -> list[Any]:
        messages = (await sessions.snapshot(session))["messages"]
        return [part["output"] for message in messages for part in message["parts"] if part["type"] == "tool_result"]

    assert await results(source) == outputs(source)
    session = await fork(http, await fork(http, source, "t1"), "t1")
    await http.delete(f"/v1/sessions/{source}?erase=true", timeout=PATIENCE_S)

    assert await results(session) == outputs(session)
    shown = await events(sessions, session, 1)
    assert [frame.data["result"]["output"] for frame in shown if frame.type == "tool.finished"] == outputs(session)
    for kind in ("tool.started", "input.requested"):
        assert [frame.data["args"].get("story") for frame in shown if frame.type == kind] == [None, LONG]
    for name, status in (("short", 200), ("long", 200), ("lost", 404)):
        got = await http.get(f"/v1/sessions/{session}/files/{shas[name]}")
        assert got.status_code == status
        assert status == 404 or (got.content, got.headers["content-type"]) == (data[name], "image/png")
    provider.script(Reply(text="as before"))
    assert (await sessions.ask(session, "go on"))["turn"]["reason"] == "done"
    assert uris(session)["long"] in str(provider.calls[-1].body)


@pytest.mark.slow
async def test_a_lost_blob_does_not_keep_a_session_from_being_forked(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    source = await sessions.create("greeter", inputs={"customer": "Ann"}, message="other " * 20_000)
    await events(sessions, source, 1)
    # A running gateway caches what it wrote; a restarted one does not have it.
    await dev.kill(group=True)
    for blob in (dev.data_dir / "blobs" / "default" / source).iterdir():
        if not blob.name.startswith("x-"):
            blob.unlink()
    await dev.start()

    session = await fork(http, source, "t1")

    text = (await sessions.snapshot(session))["messages"][0]["parts"][0]["text"]
    assert "characters left out" in text
    assert (await sessions.ask(session, "go on"))["turn"]["reason"] == "done"


@pytest.mark.slow
async def test_a_closed_session_with_many_runs_and_tools_is_forked_and_goes_on_for_many_more(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    source = await sessions.create("greeter", inputs={"customer": "Ann"})
    for number in range(8):
        provider.script(Reply(text="", tools=(("calculator", {"expression": f"{number}*7"}),)), Reply(text="done"))
        await sessions.ask(source, f"question {number}")
    assert (await http.delete(f"/v1/sessions/{source}")).status_code == 202
    closed = (await http.get(f"/v1/sessions/{source}/events", timeout=PATIENCE_S)).text
    assert "event: session.closed" in closed

    session = await fork(http, source, "t7")
    for number in range(8):
        provider.script(Reply(text="", tools=(("calculator", {"expression": f"{number}+7"}),)), Reply(text="done"))
        turn = await sessions.ask(session, f"more {number}")
        assert turn["turn"]["turn_id"] == f"t{8 + number}"

    shown = await events(sessions, session, 15)
    assert [frame.seq for frame in shown] == list(range(1, len(shown) + 1))
    assert len((await sessions.snapshot(session))["messages"]) == 15 * 4
    steps = (await http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert len(steps) == 30
    assert all(step["request_matches"] for step in steps if int(step["turn_id"][1:]) > 7)


async def test_a_pinned_session_s_fork_stays_pinned_and_a_role_that_was_set_stays_set(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    source = await talk(sessions, provider, 1)
    digest = (await sessions.snapshot(source))["digest"]
    await sessions.configure(source, digest=digest, model="big")
    session = await fork(http, source, "t1")
    found = await sessions.snapshot(session)
    assert (found["pinned"], found["digest"], found["model"]) == (True, digest, "big")
    other = await sessions.snapshot(await fork(http, source, "t1", agent="parrot", model="main"))
    assert (other["pinned"], other["agent"]) == (False, "parrot")


async def test_a_fork_is_listed(http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider) -> None:
    source = await talk(sessions, provider, 1, user="o'hara")
    session = await fork(http, source, "t1", agent="parrot")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            listed = (await http.get("/v1/sessions", params={"user": "o'hara", "agent": "parrot"})).json()["sessions"]
            if listed:
                break
    (entry,) = listed
    assert entry["forked_from"] == source
    assert (entry["session_id"], entry["title"], entry["status"]) == (session, "question 1", "idle")
    answer = await http.post("/v1/sessions", json={"agent": "parrot", "session_id": session})
    assert told(answer)[0] in (409, 422)
