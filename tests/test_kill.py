"""Sessions survive: the process is killed at each point of a turn, and nothing is lost or duplicated."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def _fresh(provider: FakeProvider) -> None:
    provider.reset()


LONG = Reply(text=" ".join(f"word{n}" for n in range(120)), gap=0.03)


async def frames(response: httpx2.Response) -> AsyncIterator[tuple[str, str | None, dict[str, Any]]]:
    """(event, id, data) of an event stream, up to the end of its body or the break of the connection."""
    fields: dict[str, str] = {}
    try:
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield fields["event"], fields.get("id"), json.loads(fields["data"])
                fields = {}
            else:
                fields = {}
    except httpx2.TransportError:
        return


#: Types that show that an answer is streaming: a viewer that connects after its first words gets a snapshot.
STREAMING = ("step.delta", "step.snapshot")


async def until(url: str, session: str, after: int, *wanted: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    """The frames after a cursor, up to the first of a type in `wanted`."""
    seen = []
    async with (
        httpx2.AsyncClient(timeout=60) as client,
        client.stream("GET", f"{url}/v1/sessions/{session}/events?after={after}") as response,
    ):
        assert response.status_code == 200, await response.aread()
        async for frame in frames(response):
            seen.append(frame)
            if frame[0] in wanted:
                return seen
    return seen


async def create(url: str, **body: Any) -> str:
    async with httpx2.AsyncClient(timeout=30) as client:
        answer = await client.post(f"{url}/v1/sessions", json={"agent": "assistant", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["session_id"])


async def snapshot(url: str, session: str) -> dict[str, Any]:
    async with httpx2.AsyncClient(timeout=30) as client:
        answer = await client.get(f"{url}/v1/sessions/{session}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def transcript(found: dict[str, Any]) -> list[tuple[str, str]]:
    """(role, text) of each message."""
    shown = []
    for message in found["messages"]:
        for part in message["parts"]:
            match part["type"]:
                case "text":
                    shown.append((message["role"], part["text"]))
                case "tool_call":
                    shown.append(("call", part["call_id"]))
                case "tool_result":
                    shown.append(("result", part["call_id"]))
                case "reasoning":
                    pass
    return shown


def assert_whole(frames: list[tuple[str, str | None, dict[str, Any]]]) -> None:
    """Over all reconnects, a viewer saw each event once and in order, and each step finished once."""
    numbers = [int(identity) for _, identity, _ in frames if identity is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    started = [data["step_id"] for event, _, data in frames if event == "step.started"]
    finished = [data["step_id"] for event, _, data in frames if event == "step.finished"]
    assert started == finished
    calls = [data["call_id"] for event, _, data in frames if event == "tool.started"]
    results = [data["call_id"] for event, _, data in frames if event == "tool.finished"]
    assert sorted(calls) == sorted(results)


@pytest.mark.parametrize(
    "group",
    [pytest.param(False, id="main process alone", marks=pytest.mark.slow), pytest.param(True, id="whole group")],
)
async def test_killed_in_mid_answer(dev: Any, provider: FakeProvider, group: bool) -> None:
    provider.script(LONG, LONG)
    session = await create(dev.url, message={"message_id": "m1", "text": "tell me"})
    before = await until(dev.url, session, 0, *STREAMING)

    await dev.kill(group=group)
    await dev.start()

    cursor = max(int(identity) for _, identity, _ in before if identity is not None)
    after = await until(dev.url, session, cursor, "turn.finished")
    attempts = [data["attempt"] for event, _, data in after if event in ("step.snapshot", "step.delta")]
    first_of_2 = next(event for event, _, data in after if event.startswith("step.") and data.get("attempt") == 2)
    assert first_of_2 == "step.snapshot"
    assert attempts == sorted(attempts)
    assert_whole(before + after)
    assert transcript(await snapshot(dev.url, session)) == [("user", "tell me"), ("assistant", LONG.text)]


@pytest.mark.slow
async def test_killed_just_after_the_202(dev: Any, provider: FakeProvider) -> None:
    # So long that the session still works on it when the message is sent again.
    provider.default(LONG)
    session = await create(dev.url)
    async with httpx2.AsyncClient(timeout=30) as client:
        body = {"message_id": "m1", "text": "hello"}
        sent = await client.post(f"{dev.url}/v1/sessions/{session}/messages", json=body)
        assert sent.status_code == 202
        await dev.kill(group=True)
        await dev.start()
        repeat = await client.post(f"{dev.url}/v1/sessions/{session}/messages", json=body)
    assert (repeat.status_code, repeat.json()) == (202, sent.json())
    assert_whole(await until(dev.url, session, 0, "turn.finished"))
    assert transcript(await snapshot(dev.url, session)) == [("user", "hello"), ("assistant", LONG.text)]


@pytest.mark.slow
async def test_killed_just_after_an_interrupting_message(dev: Any, provider: FakeProvider) -> None:
    provider.script(LONG, Reply(text="The other one, then."), Reply(text="The other one, then."))
    session = await create(dev.url, message={"message_id": "m1", "text": "tell me"})
    await until(dev.url, session, 0, *STREAMING)
    async with httpx2.AsyncClient(timeout=30) as client:
        body = {"message_id": "m2", "text": "no, the other one", "busy": "interrupt"}
        sent = await client.post(f"{dev.url}/v1/sessions/{session}/messages", json=body)
        assert sent.status_code == 202
        await dev.kill(group=True)
        await dev.start()
        again = await client.post(f"{dev.url}/v1/sessions/{session}/messages?wait=60", json=body, timeout=70)
    assert (again.status_code, again.json()["turn"]["reason"]) == (200, "done")
    events = await until(dev.url, session, 0, "turn.finished")
    assert [data["reason"] for event, _, data in events if event == "turn.finished"] == ["interrupted"]
    said = transcript(await snapshot(dev.url, session))
    assert [text for role, text in said if role == "user"] == ["tell me", "no, the other one"]
    assert said[-1] == ("assistant", "The other one, then.")


@pytest.mark.slow
async def test_killed_again_and_again_through_tools(dev: Any, provider: FakeProvider) -> None:
    call = Reply(text="Let me see.", tools=(("calculator", {"expression": "6*7"}),), gap=0.05)
    provider.default(lambda request: call if len(request.body["messages"]) == 1 else Reply(text="It is 42.", gap=0.05))
    session = await create(dev.url, message="what is six times seven?")
    seen: list[tuple[str, str | None, dict[str, Any]]] = []
    for wanted in (("step.started",), STREAMING, ("step.finished",), ("tool.finished",)):
        cursor = max((int(identity) for _, identity, _ in seen if identity is not None), default=0)
        if all(event != "turn.finished" for event, _, _ in seen):
            seen += await until(dev.url, session, cursor, *wanted, "turn.finished")
        await dev.kill()
        await dev.start()
    cursor = max(int(identity) for _, identity, _ in seen if identity is not None)
    if all(event != "turn.finished" for event, _, _ in seen):
        seen += await until(dev.url, session, cursor, "turn.finished")
    assert_whole(seen)
    assert transcript(await snapshot(dev.url, session)) == [
        ("user", "what is six times seven?"),
        ("assistant", "Let me see."),
        ("call", "t1.s1.c1"),
        ("result", "t1.s1.c1"),
        ("assistant", "It is 42."),
    ]


@pytest.mark.slow
async def test_messages_sent_while_it_dies_are_there_once(dev: Any, provider: FakeProvider) -> None:
    """A client that repeats messages until they get 202 has sent each once, in the order of their ids."""
    session = await create(dev.url)
    ids = [uuid.uuid4().hex for _ in range(6)]

    async def send(client: httpx2.AsyncClient, message_id: str) -> None:
        while True:
            try:
                url = f"{dev.url}/v1/sessions/{session}/messages"
                answer = await client.post(url, json={"message_id": message_id, "text": message_id})
                if answer.status_code == 202:
                    return
                assert answer.status_code == 503, answer.text
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)

    async with httpx2.AsyncClient(timeout=30) as client:
        for number, message_id in enumerate(ids):
            sending = asyncio.create_task(send(client, message_id))
            if number in (1, 4):
                await dev.kill(group=number == 4)
                await dev.start()
            await sending
        await client.post(f"{dev.url}/v1/sessions/{session}/messages?wait=60", json={"message_id": "last", "text": "z"})
    users = [text for role, text in transcript(await snapshot(dev.url, session)) if role == "user"]
    assert users == [*ids, "z"]


@pytest.mark.slow
async def test_stops_cleanly_on_sigterm(dev: Any) -> None:
    assert await dev.stop() == 0
    await dev.start()
