"""Rewinds over HTTP, on a real dev server: each answer, each error, and a kill while calls are being taken back."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S, Sessions, texts, told

pytestmark = pytest.mark.server

AGENT = """
name: till
models: {main: {use: anthropic/claude-haiku-5-5}, other: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Be brief.
tools:
  - charge: {side_effects: once, undo: give_back}
  - give_back
  - post: {side_effects: once}
"""
#: A ledger on disk: what was paid and given back, each once for each idempotency key.
TOOLS = '''
import asyncio
from pathlib import Path
from temporalio import activity

LEDGER = Path(__file__).parent / "ledger"

def note(word):
    with LEDGER.open("a") as file:
        file.write(f"{word} {activity.info().activity_id}\\n")

@activity.defn
async def charge(amount: int) -> dict[str, str]:
    """Charges."""
    note("charge")
    return {"payment_id": f"P-{amount}"}

@activity.defn
async def give_back(payment_id: str) -> str:
    """Gives money back."""
    gate = LEDGER.parent / f"hold-{payment_id}"
    while gate.exists():
        activity.heartbeat()
        await asyncio.sleep(0.02)
    note("give_back")
    return "ok"

@activity.defn
async def post(to: str) -> str:
    """Sends a letter."""
    return "sent"
'''


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> AsyncIterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    (folder / "agents").mkdir()
    (folder / "agents" / "till.yaml").write_text(AGENT)
    (folder / "tools.py").write_text(TOOLS)
    running = Dev(folder, environment, ["--agents", str(folder / "agents"), "--tools", str(folder / "tools.py")])
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def sessions(dev: Dev) -> AsyncIterator[Sessions]:
    async with httpx2.AsyncClient(base_url=dev.url, timeout=PATIENCE_S) as http:
        yield Sessions(http)


async def rewound(sessions: Sessions, session: str, **body: Any) -> dict[str, Any]:
    answer = await sessions.http.post(f"/v1/sessions/{session}/rewind", json=body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_editing_answering_anew_and_going_back(sessions: Sessions, provider: FakeProvider) -> None:
    provider.script(Reply(text="1"), Reply(text="2"), Reply(text="II"), Reply(text="zwei!"))
    session = await sessions.create("till", message={"message_id": "m1", "text": "one"})
    url = f"/v1/sessions/{session}"
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
        await sessions.send(session, "two", message_id="m2")
        await viewer.until("turn.finished", 2)

        edited = await rewound(sessions, session, message_id="m2", text="zwei", rewind_id="r1")
        assert edited == {"session_id": session, "rewind_id": "r1", "seq": 11, "branch": "b2", "message_id": "r1"}
        assert await rewound(sessions, session, message_id="m2", text="zwei", rewind_id="r1") == edited
        await viewer.until("turn.finished", 3)
        frames = await viewer.until("transcript.rewound")
        data = next(frame.data for frame in frames if frame.type == "transcript.rewound")
        assert {name: data[name] for name in ("message_id", "branch", "left", "kept", "cause", "turn_id")} == {
            "message_id": "m2",
            "branch": "b2",
            "left": "b1",
            "kept": 2,
            "cause": "rewind",
            "turn_id": None,
        }
        anew = await rewound(sessions, session, message_id="t3.s1")
        assert (anew["branch"], "message_id" in anew) == ("b3", False)
        await viewer.until("turn.finished", 4)

        snapshot = await sessions.snapshot(session)
        assert (snapshot["branch"], snapshot["branches"]) == ("b3", 3)
        assert texts(snapshot["messages"]) == [
            ("user", "one"),
            ("assistant", "1"),
            ("user", "zwei"),
            ("assistant", "zwei!"),
        ]
        listed = (await sessions.http.get(f"{url}/branches")).json()
        assert listed["current"] == "b3"
        assert [(one["branch"], one["parent"], one["position"], one["messages"]) for one in listed["branches"]] == [
            ("b1", None, 0, 4),
            ("b2", "b1", 2, 4),
            ("b3", "b2", 3, 4),
        ]
        assert listed["places"] == [
            {"position": 2, "message_id": "r1", "siblings": ["b1", "b3"], "current": 1},
            {"position": 3, "message_id": "t4.s1", "siblings": ["b2", "b3"], "current": 1},
        ]
        shown = (await sessions.http.get(f"{url}/branches/b1?limit=2")).json()
        assert (shown["before"], texts(shown["messages"])) == (2, [("user", "two"), ("assistant", "2")])

        await rewound(sessions, session, branch="b1")
        await viewer.until("transcript.rewound", 3)
    assert texts((await sessions.snapshot(session))["messages"])[2:] == [("user", "two"), ("assistant", "2")]
    trace = (await sessions.http.get(f"{url}/trace")).json()
    prompts = {step["step_id"]: [message["id"] for message in step["prompt"]["messages"]] for step in trace["steps"]}
    assert prompts == {
        "t1.s1": ["m1"],
        "t2.s1": ["m1", "t1.s1", "m2"],
        "t3.s1": ["m1", "t1.s1", "r1"],
        "t4.s1": ["m1", "t1.s1", "r1"],
    }
    assert all(step["request_matches"] for step in trace["steps"])


async def test_a_failed_turn_is_run_on(sessions: Sessions, provider: FakeProvider) -> None:
    provider.script(Reply(status=401), Reply(text="Here."))
    session = await sessions.create("till", message={"message_id": "m1", "text": "one"})
    url = f"/v1/sessions/{session}/retry"
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
        answer = await sessions.http.post(url, json={"retry_id": "again", "turn_id": "t1"})
        assert (answer.status_code, answer.json()["turn_id"], answer.json()["branch"]) == (202, "t2", "b1")
        frames = await viewer.until("turn.finished", 2)
    assert [frame.data.get("continues") for frame in frames if frame.type == "turn.started"] == [None, "t1"]
    assert texts((await sessions.snapshot(session))["messages"]) == [("user", "one"), ("assistant", "Here.")]
    again = await sessions.http.post(url, json={"retry_id": "again", "turn_id": "t1"})
    assert again.json() == answer.json()
    assert told(await sessions.http.post(url)) == (409, "nothing_to_retry")
    assert told(await sessions.http.post(url, json={"turn_id": "t1"})) == (409, "nothing_to_retry")


async def test_what_is_refused(sessions: Sessions, provider: FakeProvider) -> None:
    provider.script(Reply(text="", tools=(("post", {"to": "Ada"}),)), Reply(text="Sent."))
    session = await sessions.create("till", message={"message_id": "m1", "text": "post it"})
    url = f"/v1/sessions/{session}"
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
    for body, expected in (
        ({}, (422, "validation")),
        ({"message_id": "m1", "branch": "b1"}, (422, "validation")),
        ({"message_id": "m1", "text": ""}, (422, "validation")),
        ({"message_id": "m1", "text": "a", "parts": [{"type": "text", "text": "b"}]}, (422, "validation")),
        ({"branch": "b1", "text": "a"}, (422, "validation")),
        ({"branch": "main"}, (422, "validation")),
        ({"message_id": "t1.s1", "text": "a"}, (422, "validation")),
        ({"message_id": "m1", "model": "huge"}, (422, "validation")),
        ({"message_id": "nobody"}, (404, "message_not_found")),
        ({"branch": "b2"}, (404, "branch_not_found")),
        ({"branch": "b1"}, (409, "not_rewindable")),
        ({"message_id": "t1.s1.c1"}, (409, "not_rewindable")),
    ):
        assert told(await sessions.http.post(f"{url}/rewind", json=body)) == expected, body
    assert told(await sessions.http.get(f"{url}/branches/b2")) == (404, "branch_not_found")
    for path in ("rewind", "retry"):
        body = {"message_id": "m1"} if path == "rewind" else {}
        assert told(await sessions.http.post(f"/v1/sessions/nobody/{path}", json=body)) == (404, "session_not_found")
    # What cannot be taken back is asked about, and until that is answered no other rewind is taken.
    await rewound(sessions, session, message_id="m1", rewind_id="r1")
    async with sessions.view(session) as viewer:
        frames = await viewer.until("approval.requested")
    asked = frames[-1].data
    assert (asked["subject"], asked["name"], asked["call_id"], asked["args"]["undo"]) == ("rewind", "rewind", "b2", [])
    assert [one["name"] for one in asked["args"]["stands"]] == ["post"]
    assert (await sessions.snapshot(session))["status"] == "waiting"
    assert told(await sessions.http.post(f"{url}/rewind", json={"message_id": "m1"})) == (409, "rewind_open")
    conflict = {"message_id": "t1.s1", "rewind_id": "r1"}
    assert told(await sessions.http.post(f"{url}/rewind", json=conflict)) == (409, "id_conflict")
    answer = {"question_id": asked["question_id"], "approved": True, "args": {}}
    assert told(await sessions.http.post(f"{url}/answers", json=answer)) == (422, "validation")
    answer = {"question_id": asked["question_id"], "approved": False}
    assert (await sessions.http.post(f"{url}/answers", json=answer)).status_code == 202
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished", 2)
    assert len((await sessions.snapshot(session))["messages"]) == 4
    await sessions.http.delete(url)
    async with sessions.view(session) as viewer:
        await viewer.until("session.closed")
    assert told(await sessions.http.post(f"{url}/rewind", json={"message_id": "m1"})) == (409, "session_closed")
    assert told(await sessions.http.post(f"{url}/retry")) == (409, "session_closed")


@pytest.mark.slow
async def test_killed_while_calls_are_being_taken_back(dev: Dev, sessions: Sessions, provider: FakeProvider) -> None:
    folder: Path = dev.data_dir
    provider.script(
        Reply(text="", tools=(("charge", {"amount": 1}), ("charge", {"amount": 2}))),
        Reply(text="", tools=(("charge", {"amount": 3}),)),
        Reply(text="Charged."),
    )
    session = await sessions.create("till", message={"message_id": "m1", "text": "charge"})
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
    (folder / "hold-P-2").touch()
    provider.script(Reply(text="Nothing is charged."))
    await rewound(sessions, session, message_id="m1", text="do not", undo=True)
    async with sessions.view(session) as viewer:
        await viewer.until("tool.started", 5)
    await dev.kill(group=True)
    (folder / "hold-P-2").unlink()
    await dev.start()
    async with sessions.view(session) as viewer:
        frames = await viewer.until("turn.finished", 3)

    finished = [frame.data for frame in frames if frame.type == "tool.finished"][3:]
    assert [(one["call_id"], one["undoes"]) for one in finished] == [
        ("t1.s2.c1.undo", "t1.s2.c1"),
        ("t1.s1.c2.undo", "t1.s1.c2"),
        ("t1.s1.c1.undo", "t1.s1.c1"),
    ]
    ledger = (folder / "ledger").read_text().split("\n")
    assert [line for line in ledger if line.startswith("give_back")] == [
        f"give_back {one['call_id']}" for one in finished
    ]
    (event,) = [frame.data for frame in frames if frame.type == "transcript.rewound"]
    assert len(event["undone"]) == 3
    assert texts((await sessions.snapshot(session))["messages"]) == [
        ("user", "do not"),
        ("assistant", "Nothing is charged."),
    ]
