"""Timers over HTTP: set by the agent, listed, cancelled, and kept through kills, long turns and continue-as-new."""

from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S, Frame, Sessions, told

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    head = "models: {m: {use: anthropic/claude-sonnet-5-5}}\nmodel: m\ninstructions: Be brief.\n"
    asking = "tools: [wake_me, client: {name: pick, description: Pick one.}]\n"
    return {"asking.yaml": f"name: asking\n{head}{asking}"}


@pytest.fixture
def sessions(http: httpx2.AsyncClient, provider: FakeProvider) -> Sessions:
    provider.reset()
    return Sessions(http)


def sets(*timers: tuple[str, str]) -> Reply:
    """An answer that sets timers: (after, note)."""
    return Reply(text="", tools=tuple(("wake_me", {"after": after, "note": note}) for after, note in timers))


async def timers(http: httpx2.AsyncClient, session: str) -> list[dict[str, Any]]:
    answer = await http.get(f"/v1/sessions/{session}/timers")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["timers"]
    return found


def of(frames: list[Frame], *kinds: str) -> list[str]:
    return [frame.type for frame in frames if frame.type in kinds]


async def test_listed_cancelled_and_gone_with_the_session(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    provider.script(sets(("2d", "first"), ("1d", "second")), Reply())
    session = await sessions.create()
    await sessions.ask(session, "wake me twice")

    first, second = await timers(http, session)
    assert (first["timer_id"], first["note"]) == ("t1.s1.c1.timer", "first")
    assert (second["timer_id"], second["note"]) == ("t1.s1.c2.timer", "second")
    assert second["at"] < first["at"]

    url = f"/v1/sessions/{session}/timers"
    assert told(await http.delete(f"{url}/none")) == (404, "timer_not_found")
    assert (await http.delete(f"{url}/t1.s1.c1.timer")).status_code == 202
    assert [timer["note"] for timer in await timers(http, session)] == ["second"]
    assert told(await http.delete(f"{url}/t1.s1.c1.timer")) == (404, "timer_not_found")
    assert told(await http.get("/v1/sessions/nobody/timers")) == (404, "session_not_found")
    assert told(await http.delete("/v1/sessions/nobody/timers/x")) == (404, "session_not_found")

    async with sessions.view(session) as viewer:
        assert (await http.delete(f"/v1/sessions/{session}")).status_code == 202
        await viewer.until("session.closed")
    assert await timers(http, session) == []
    assert told(await http.delete(f"{url}/t1.s1.c2.timer")) == (409, "session_closed")


async def test_one_that_came_due_while_nobody_was_there_fires_once(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    provider.script(sets(("1s", "look"), ("1d", "later")), Reply(), Reply(text="It is there."))
    session = await sessions.create()
    await sessions.send(session, "look in a second")
    async with sessions.view(session) as viewer:
        await viewer.until("timer.set", 2)
    await dev.kill(group=True)
    await dev.start()

    async with sessions.view(session) as viewer:
        frames = await viewer.until("turn.finished", 2)
        fired = next(index for index, frame in enumerate(frames) if frame.type == "timer.fired")
        assert [frame.type for frame in frames[fired:] if frame.seq is not None][:4] == [
            "timer.fired",
            "turn.started",
            "message.added",
            "step.started",
        ]
        assert frames[fired].data["timer_id"] == "t1.s1.c1.timer"
        assert next(frame for frame in frames[fired:] if frame.type == "turn.started").data["cause"] == "timer"
    assert [timer["note"] for timer in await timers(http, session)] == ["later"]
    asked = str(provider.calls[-1].body["messages"][-1])
    assert "Your note to yourself: look]" in asked


async def test_one_that_comes_due_while_a_question_is_open_fires_afterwards(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    wake = ("wake_me", {"after": "1ms", "note": "now"})
    provider.script(Reply(text="", tools=(wake, ("pick", {}))), Reply(text="Picked."), Reply(text="Woke."))
    session = await sessions.create("asking")
    await sessions.send(session, "pick and wake up")

    async with sessions.view(session) as viewer:
        frames = await viewer.until("input.requested")
        question = next(frame for frame in frames if frame.type == "input.requested").data["question_id"]
        # Long overdue, while the session waits.
        assert [timer["note"] for timer in await timers(http, session)] == ["now"]
        answer = await http.post(
            f"/v1/sessions/{session}/answers", json={"question_id": question, "result": 1}, timeout=PATIENCE_S
        )
        assert answer.status_code == 202, answer.text
        frames = await viewer.until("turn.finished", 2)
    assert of(frames, "timer.set", "timer.fired", "turn.finished") == [
        "timer.set",
        "turn.finished",
        "timer.fired",
        "turn.finished",
    ]
