"""Steps that go on with another model, on the real server: providers that are down, that die in mid-answer, and kills."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from perdure.activities.models.circuits import FAILURES
from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import Frame, Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

DEAD = Reply(status=529)
WELL = Reply(text="The second model answers.", input_tokens=10, output_tokens=5)
AGENT = """
name: {name}
models:
  main: {{use: anthropic/{first}, base_url: "{url}", price: {{input: 3, output: 15}}, fallback: {fallback}}}
  other: {{use: openai-chat/second, base_url: "{url}/v1", price: {{input: 1, output: 1}}}}
model: main
instructions: Be brief.
tools: [calculator]
"""


def agents(url: str) -> dict[str, str]:
    written = f'{{use: openai/third, base_url: "{url}/v1", price: {{input: 1, output: 1}}, on: [refusal]}}'
    lists = {"routed": "[other]", "written": f"[{written}]", "long": f"[other, {written}]"}
    # What is learnt of a model is shared by the tests of this module, so these have models of their own.
    own = {"resting": "[other]", "limited": "[other]", "alone": "[]", "waiting": "[]"}
    return {
        f"{name}.yaml": AGENT.format(name=name, url=url, fallback=fallback, first=name if name in own else "first")
        for name, fallback in {**lists, **own}.items()
    }


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider, silent: str) -> dict[str, str]:
    hung = AGENT.format(name="hung", url=provider.url, first="hung", fallback="[other]")
    return agents(provider.url) | {
        "hung.yaml": hung.replace(f'hung, base_url: "{provider.url}"', f'hung, base_url: "{silent}"')
    }


@pytest.fixture
def sessions(provider: FakeProvider, http: httpx2.AsyncClient) -> Sessions:
    provider.reset()
    return Sessions(http)


def by_model(**replies: Reply) -> Callable[[Call], Reply]:
    def reply(call: Call) -> Reply:
        return replies[call.body["model"]]

    return reply


async def turn(sessions: Sessions, session: str) -> list[Frame]:
    async with sessions.view(session) as viewer:
        return list(await viewer.until("turn.finished"))


def of(frames: list[Frame], kind: str) -> list[dict[str, Any]]:
    return [frame.data for frame in frames if frame.type == kind]


async def test_a_dead_provider_is_survived(sessions: Sessions, provider: FakeProvider) -> None:
    provider.default(by_model(first=DEAD, second=WELL))
    session = await sessions.create("routed", message="hello")
    frames = await turn(sessions, session)
    (switched,) = of(frames, "model.switched")
    assert (switched["from"], switched["to"], switched["reason"]) == (
        "anthropic/first",
        "openai-chat/second",
        "overloaded",
    )
    (finished,) = of(frames, "step.finished")
    assert (finished["model"], finished["stop"], finished["attempt"]) == ("openai-chat/second", "end", 4)
    assert finished["cost_usd"] == pytest.approx(15e-6)
    (ended,) = of(frames, "turn.finished")
    assert ended["reason"] == "done"
    assert [call.body["model"] for call in provider.calls] == ["first"] * 3 + ["second"]
    trace = (await sessions.http.get(f"/v1/sessions/{session}/trace")).json()
    (step,) = trace["steps"]
    assert (step["model"], step["request_matches"]) == ("openai-chat/second", True)
    told = {"model": "anthropic/first", "reason": "overloaded", "attempts": 3, "cost_usd": 0}
    assert step["tried"] == [{**told, "message": "Anthropic is overloaded (529)"}]
    assert provider.calls[-1].body == step["request"]


@pytest.mark.parametrize(("status", "error", "reason"), [(401, "", "key"), (404, "", "not_found"), (402, "", "quota")])
async def test_what_waiting_does_not_mend_is_asked_once(
    sessions: Sessions, provider: FakeProvider, status: int, error: str, reason: str
) -> None:
    provider.default(by_model(first=Reply(status=status, error=error), third=WELL))
    frames = await turn(sessions, await sessions.create("written", message="hello"))
    assert [one["reason"] for one in of(frames, "model.switched")] == [reason]
    assert [call.body["model"] for call in provider.calls] == ["first", "third"]


async def test_a_long_wait_is_not_waited_for_and_the_next_session_does_not_ask(
    sessions: Sessions, provider: FakeProvider
) -> None:
    refused = Reply(status=429, headers=(("retry-after", "3600"),))
    provider.default(by_model(limited=refused, second=WELL))
    for _ in range(2):
        frames = await turn(sessions, await sessions.create("limited", message="hello"))
        assert [one["reason"] for one in of(frames, "model.switched")] == ["rate_limited"]
    assert [call.body["model"] for call in provider.calls] == ["limited", "second", "second"]


async def test_a_provider_that_dies_in_mid_answer_is_replaced_for_viewers(
    sessions: Sessions, provider: FakeProvider
) -> None:
    broken = Reply(text="The first model says", gap=0.02, fault="fin", fault_after=4)
    provider.default(by_model(first=broken, second=Reply(text="The second model answers.", gap=0.02)))
    session = await sessions.create("routed")
    async with sessions.view(session) as viewer:
        await sessions.send(session, "hello")
        frames = list(await viewer.until("turn.finished"))
    assert [call.body["model"] for call in provider.calls] == ["first", "first", "second"]
    (finished,) = of(frames, "step.finished")
    assert finished["attempt"] == 3
    snapshots = [frame for frame in of(frames, "step.snapshot") if frame["attempt"] == 3]
    assert snapshots[0] == {**snapshots[0], "n": 0, "parts": []}
    assert shown(frames) == "The second model answers."
    attempts = [frame["attempt"] for frame in of(frames, "step.delta")]
    assert attempts == sorted(attempts)
    # What streamed before was paid for.
    assert finished["cost_usd"] > 15e-6


def shown(frames: list[Frame]) -> str:
    """What a viewer that follows the rules has of the step when it ends."""
    text, highest = "", 0
    for frame in frames:
        if frame.type == "step.snapshot":
            highest = frame.data["attempt"]
            text = "".join(part.get("text", "") for part in frame.data["parts"])
        elif frame.type == "step.delta" and frame.data["attempt"] == highest:
            text += frame.data["delta"]
        elif frame.type == "step.delta" and frame.data["attempt"] > highest:
            highest, text = frame.data["attempt"], frame.data["delta"]
    return text


async def test_a_refusal_goes_to_the_entry_that_takes_it(sessions: Sessions, provider: FakeProvider) -> None:
    provider.default(by_model(first=Reply(text="I will not", stop="refusal"), third=WELL))
    session = await sessions.create("long", message="hello")
    frames = await turn(sessions, session)
    assert [one["reason"] for one in of(frames, "model.switched")] == ["refusal"]
    messages = (await sessions.snapshot(session))["messages"]
    assert texts(messages) == [("user", "hello"), ("assistant", "The second model answers.")]


async def test_when_all_are_down_the_error_names_each(sessions: Sessions, provider: FakeProvider) -> None:
    provider.default(by_model(first=DEAD, third=Reply(status=401)))
    frames = await turn(sessions, await sessions.create("written", message="hello"))
    (ended,) = of(frames, "turn.finished")
    error = ended["error"]
    assert (ended["reason"], error["type"], error["retryable"]) == ("failed", "model_auth", True)
    assert "anthropic/first: " in error["message"]
    assert "openai/third: " in error["message"]


async def test_a_model_that_fails_again_and_again_is_not_asked_for_a_while(
    sessions: Sessions, provider: FakeProvider
) -> None:
    provider.default(by_model(resting=DEAD, second=WELL))
    reasons = []
    for _ in range(4):
        frames = await turn(sessions, await sessions.create("resting", message="hello"))
        reasons += [one["reason"] for one in of(frames, "model.switched")]
        assert [one["reason"] for one in of(frames, "turn.finished")] == ["done"]
    assert reasons == ["overloaded", "unavailable", "unavailable", "unavailable"]
    assert [call.body["model"] for call in provider.calls].count("resting") == FAILURES
    metrics = (await sessions.http.get("/metrics")).text
    assert 'perdure_circuits_opened_total{model="anthropic/resting"' in metrics
    assert 'perdure_calls_held_total{model="anthropic/resting",reason="circuit"' in metrics
    assert 'perdure_model_switches_total{model="anthropic/resting",reason="unavailable"' in metrics


async def test_without_another_model_a_step_waits_for_its_circuit(sessions: Sessions, provider: FakeProvider) -> None:
    down = [DEAD] * FAILURES
    provider.default(lambda call: down.pop() if down else WELL)
    first, second = [await sessions.create("alone", message="hello") for _ in range(2)]
    for session in (first, second):
        frames = await turn(sessions, session)
        assert [one["reason"] for one in of(frames, "turn.finished")] == ["done"]
    # The one whose failure opened the circuit waited for it, or the other did; nobody asked meanwhile.
    assert len(provider.calls) == FAILURES + 2


async def test_a_call_that_waits_for_its_turn_can_be_stopped(sessions: Sessions, provider: FakeProvider) -> None:
    provider.default(Reply(status=429, headers=(("retry-after", "25"),)))
    first, second = await sessions.create("waiting", message="hello"), await sessions.create("waiting")
    await provider.until(lambda calls: len(calls) == 1)
    async with sessions.view(second) as viewer:
        await sessions.send(second, "hello")
        await viewer.until("step.started")
        await sessions.stop(second)
        frames = list(await viewer.until("turn.finished"))
    assert [(one["reason"], one["cost_usd"]) for one in of(frames, "turn.finished")] == [("stopped", 0)]
    await sessions.stop(first)
    assert len(provider.calls) == 1


async def test_a_provider_that_does_not_begin_to_answer_is_not_waited_for(
    sessions: Sessions, provider: FakeProvider
) -> None:
    provider.default(by_model(second=WELL))
    for reason in ("timeout", "timeout"):
        frames = await turn(sessions, await sessions.create("hung", message="hello"))
        assert [one["reason"] for one in of(frames, "model.switched")] == [reason]


async def test_a_kill_while_another_model_answers_loses_nothing(tmp_path: Path) -> None:
    async with FakeProvider() as provider:
        folder = tmp_path / "agents"
        folder.mkdir()
        for name, text in agents(provider.url).items():
            (folder / name).write_text(text)
        environment = {"ANTHROPIC_API_KEY": "sk-test-not-a-key", "OPENAI_API_KEY": "sk-test-not-a-key"}
        dev = Dev(tmp_path, environment, ["--agents", str(folder)])
        slow = Reply(text="The second model answers.", gap=0.2)
        provider.default(by_model(first=DEAD, second=slow))
        await dev.start()
        try:
            async with httpx2.AsyncClient(base_url=dev.url, timeout=30) as client:
                sessions = Sessions(client)
                session = await sessions.create("routed", message="hello")
                await provider.until(lambda calls: any(len(call.tokens) > 1 for call in calls))
                await dev.kill(group=True)
                await dev.start()
                frames = await turn(sessions, session)
        finally:
            await dev.stop()
    assert [one["reason"] for one in of(frames, "model.switched")] == ["overloaded"]
    (finished,) = of(frames, "step.finished")
    assert finished["model"] == "openai-chat/second"
    assert finished["attempt"] > 4
    assert [call.body["model"] for call in provider.calls].count("first") == 3
