"""Sub-agents over real HTTP: what the caller's viewers see, a kill mid-answer, and that erasing includes them."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from temporalio.client import Client

from perdure.gateway.live.items import AgentEvent, Item
from perdure.gateway.live.items import Frame as Live
from perdure.gateway.live.sub_agents import KEPT, KEPT_BYTES, LiveChildren
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.live.frames import LivePart, StepDelta, StepProgress
from perdure.temporal.sessions.runs import run_exists, runs_of
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.core import answers
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.vocabulary.events import Event, Events
from tests.support.core import AT, Story
from tests.support.dev import Dev
from tests.support.items import read
from tests.support.session_client import Frame, Sessions

pytestmark = pytest.mark.server

_HEAD = "model: main\nmodels: {main: {use: anthropic/claude-haiku-5-5}}\ninstructions: Be brief."
LONG = Reply(text=" ".join(f"word{n}" for n in range(60)), gap=0.03)


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "boss.yaml": f"name: boss\n{_HEAD}\ntools: [agent: {{name: helper, description: Helps}}]",
        "helper.yaml": f"name: helper\n{_HEAD}\ntools: [current_time: {{approval: always}}]",
    }


@pytest.fixture(autouse=True)
def _fresh(provider: FakeProvider) -> None:
    provider.reset()


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


@pytest_asyncio.fixture(loop_scope="session")
async def temporal(dev: Dev) -> Client:
    return await Client.connect(f"127.0.0.1:{dev.temporal_port}")


async def listed(sessions: Sessions, agent: str) -> list[dict[str, Any]]:
    answer = await sessions.http.get(f"/v1/sessions?agent={agent}")
    found: list[dict[str, Any]] = answer.json()["sessions"]
    return found


ASK = Reply(text="", tools=(("helper", {"message": "x " * 20_000}),))


def blobs(dev: Dev, session: str) -> list[Path]:
    folder = dev.data_dir / "blobs" / "default" / session
    return [path for path in folder.rglob("*") if path.is_file()]


def nested(frames: list[Frame]) -> list[dict[str, Any]]:
    return [frame.data["event"] for frame in frames if frame.type == "agent.event"]


def told(frames: list[Frame]) -> str:
    """The sub-agent's answer according to its live frames alone."""
    text = ""
    for event in nested(frames):
        if event["type"] == "step.snapshot":
            text = "".join(part["text"] for part in event["parts"])
        elif event["type"] == "step.delta":
            text += event["delta"]
    return text


async def test_viewers_see_it_nested_also_late_ones(provider: FakeProvider, sessions: Sessions) -> None:
    provider.script(ASK, LONG, Reply(text="Done."))
    session = await sessions.create(agent="boss", message="ask it")
    async with sessions.view(session) as early:
        await early.until("agent.event", 8)
        async with sessions.view(session) as late:
            await late.until("turn.finished")
            await early.until("turn.finished")
    for viewer in (early, late):
        events = nested(viewer.frames)
        assert [event["seq"] for event in events if "seq" in event][:4] == [1, 2, 3, 4]
        assert events[0]["type"] == "session.started"
        assert LONG.text.startswith(told(viewer.frames)[:200])
        assert told(viewer.frames)
        assert all(frame.seq is None for frame in viewer.frames if frame.type == "agent.event")
        kinds = [frame.type for frame in viewer.frames]
        first = kinds.index("agent.event")
        last = len(kinds) - 1 - kinds[::-1].index("agent.event")
        assert kinds.index("tool.started") < first
        assert last < kinds.index("tool.finished")
    started = next(frame.data for frame in early.frames if frame.type == "tool.started")
    child = started["session_id"]
    assert child == f"{session}~{started['call_id']}"
    page = (await sessions.http.get(f"/v1/sessions/{child}")).json()
    assert page["parent"] == {"session_id": session, "call_id": started["call_id"]}
    assert page["status"] == "closed"


async def test_its_question_reaches_the_callers_viewers_and_is_answered_at_its_own_session(
    provider: FakeProvider, sessions: Sessions
) -> None:
    time = Reply(text="", tools=(("current_time", {}),))
    provider.script(ASK, time, Reply(text="Noon."), Reply(text="It is noon."))
    session = await sessions.create(agent="boss", message="ask it")
    async with sessions.view(session) as viewer:
        async with asyncio.timeout(60):
            while not any(event["type"] == "approval.requested" for event in nested(viewer.frames)):
                await viewer.more(len(viewer.frames))
        page = (await sessions.http.get(f"/v1/sessions/{session}")).json()
        assert (page["status"], page["questions"]) == ("working", [])
        (question,) = page["sub_questions"]
        assert question["agents"] == ["helper"]
        answer = await sessions.http.post(
            f"/v1/sessions/{question['session_id']}/answers",
            json={"question_id": question["question_id"], "approved": True},
        )
        assert answer.status_code == 202
        await viewer.until("turn.finished")
    page = (await sessions.http.get(f"/v1/sessions/{session}")).json()
    assert "sub_questions" not in page


@pytest.mark.slow
async def test_a_kill_in_its_answer_loses_nothing(dev: Dev, provider: FakeProvider, sessions: Sessions) -> None:
    provider.script(ASK, LONG, LONG, Reply(text="Done."))
    session = await sessions.create(agent="boss", message="ask it")
    async with sessions.view(session) as viewer:
        await viewer.until("agent.event", 8)
    await dev.kill()
    await dev.start()
    async with sessions.view(session) as again:
        frames = await again.until("turn.finished")
    results = [frame.data["result"] for frame in frames if frame.type == "tool.finished"]
    assert [result["output"]["text"] for result in results] == [LONG.text]


async def test_erasing_takes_them_along(dev: Dev, provider: FakeProvider, sessions: Sessions, temporal: Client) -> None:
    provider.script(ASK, Reply(text="y " * 20_000), Reply(text="Done."), ASK, LONG)
    session = await sessions.create(agent="boss", message="ask it")
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
        await sessions.http.post(f"/v1/sessions/{session}/messages", json={"text": "and again"})
        await viewer.until("agent.event", len(nested(viewer.frames)) + 8)
    children = [f"{session}~t1.s1.c1", f"{session}~t2.s1.c1"]
    found = {child: await runs_of(temporal, f"default/{child}") for child in children}
    assert all(found.values())
    assert blobs(dev, children[0])
    async with asyncio.timeout(60):
        # The list lags by a moment.
        while session not in [one.get("parent") for one in await listed(sessions, "helper")]:
            pass
    assert all("parent" not in one for one in await listed(sessions, "boss"))

    answer = await sessions.http.delete(f"/v1/sessions/{session}?erase=true")
    assert answer.status_code == 200
    for child, runs in found.items():
        assert [await run_exists(temporal, f"default/{child}", run) for run in runs] == [False] * len(runs)
        assert (await sessions.http.get(f"/v1/sessions/{child}")).status_code == 404
    for name in (session, *children):
        assert blobs(dev, name) == []


SUB = "s~t1.s1.c1"


def durable(kind: str, seq: int, **fields: Any) -> Event:
    return Events.validate_python({"type": kind, "seq": seq, "at": AT, "turn_id": "t1", **fields})


STARTED = durable("session.started", 1, agent="a", digest="d", inputs={})
TOOL = durable("tool.started", 1, call_id="t1.s1.c1", name="f", args={}, session_id=f"{SUB}~t1.s1.c1")
RESULT = {"type": "tool_result", "call_id": "t1.s1.c1", "name": "f", "output": 1}


def below(value: Event | Live) -> AgentEvent:
    """What the sub-agent sends of its own sub-agent."""
    return AgentEvent("t1.s1.c1", f"{SUB}~t1.s1.c1", value)


def types(sent: list[AgentEvent]) -> list[str]:
    """Types of the innermost events, as they are written."""
    found = []
    for one in sent:
        event = read(one)["event"]
        while event["type"] == "agent.event":
            event = event["event"]
        found.append(event["type"])
    return found


@pytest.mark.parametrize("size", [1, KEPT_BYTES // 10])
async def test_what_a_late_one_is_told_is_bounded(size: int) -> None:
    many = [durable("message.queued", n, message_id="m" * size, position=1) for n in range(1, KEPT + 51)]
    over = asyncio.Event()
    told: list[Live] = []

    async def follow(session: str, after: int | None) -> Any:
        for value in many:
            yield Item(value)
        over.set()
        await asyncio.Event().wait()

    children = LiveChildren("acme/s", {"t1.s1.c1": SUB}, follow, told.append)
    await over.wait()
    assert len(told) == len(many)
    assert len(children.so_far()) == (KEPT if size == 1 else 9)
    children.stop()


async def test_a_late_one_is_told_what_goes_on_further_down() -> None:
    inner = [
        STARTED,
        StepDelta("t1.s1", 1, 0, 0, "text", "Once "),
        StepDelta("t1.s1", 1, 1, 0, "text", "upon"),
        # A repeated event, as after a break of the stream in between.
        STARTED,
    ]
    end = durable("tool.finished", 2, call_id="t1.s1.c1", name="f", result=RESULT, duration_ms=1)
    over, go_on = asyncio.Event(), asyncio.Event()

    async def follow(session: str, after: int | None) -> Any:
        yield Item(TOOL)
        for value in inner:
            yield Item(below(value))
        over.set()
        await go_on.wait()
        yield Item(end)
        over.set()
        await asyncio.Event().wait()

    children = LiveChildren("acme/s", {"t1.s1.c1": SUB}, follow, lambda frame: None)
    await over.wait()
    progress = StepProgress("t1.s1", 1, 2, [LivePart("text", "Once upon")])
    assert children.so_far() == [AgentEvent("t1.s1.c1", SUB, one) for one in (TOOL, below(STARTED), below(progress))]
    assert read(children.so_far()[2]) == {
        "call_id": "t1.s1.c1",
        "session_id": SUB,
        "event": {
            "call_id": "t1.s1.c1",
            "session_id": f"{SUB}~t1.s1.c1",
            "event": {
                "step_id": "t1.s1",
                "attempt": 1,
                "n": 2,
                "parts": [{"type": "text", "text": "Once upon"}],
                "type": "step.snapshot",
            },
            "type": "agent.event",
        },
    }
    over.clear()
    go_on.set()
    await over.wait()
    assert types(children.so_far()) == ["tool.started", "tool.finished"]
    children.stop()


async def test_what_ended_unseen_is_not_told_to_a_late_one() -> None:
    story = Story.new().loaded()
    page = answers.snapshot(story.state, "acme/s", PageRequest())
    values: list[Event | Live] = [
        below(STARTED),
        StepDelta("t1.s2", 1, 0, 0, "text", "Once"),
        # Its stream was interrupted for longer than it retains events.
        Snapshot(page, ()),
    ]
    over = asyncio.Event()

    async def follow(session: str, after: int | None) -> Any:
        for value in values:
            yield Item(value)
        over.set()
        await asyncio.Event().wait()

    children = LiveChildren("acme/s", {"t1.s1.c1": SUB}, follow, lambda frame: None)
    await over.wait()
    assert types(children.so_far()) == ["session.snapshot"]
    children.stop()
