"""Failing providers, over every wire format and all of Perdure: one message in the end, or a failure in plain words."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply, signature
from perdure.temporal.app.fakes.responses import encrypted
from perdure.workflows.vocabulary import errors
from tests.support.dev import Dev
from tests.support.session_client import Frame, Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

LONG = Reply(text=" ".join(f"word{n}" for n in range(200)), gap=0.02)
KEYS = ("sk-test-anthropic-0123456789", "sk-test-openai-0123456789")
AGENT = """
name: {name}
models:
  claude: {{use: anthropic/claude-sonnet-5-5, thinking: medium, max_output_tokens: 4096}}
  gpt: {{use: openai/gpt-6-sol, thinking: low, base_url: "{chat_url}", price: {{input: 0, output: 0}}}}
  chat: {{use: openai-chat/llama3.2, base_url: "{chat_url}", price: {{input: 0, output: 0}}}}
model: {name}
instructions: Be brief.
tools: [calculator]
"""

NAMES = ("claude", "gpt", "chat")
every_wire = pytest.mark.parametrize("agent", NAMES)


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    return {f"{name}.yaml": AGENT.format(name=name, chat_url=provider.chat_url) for name in NAMES}


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    claude, openai = KEYS
    return {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": claude, "OPENAI_API_KEY": openai}


@pytest_asyncio.fixture(loop_scope="session")
async def sessions(http: httpx2.AsyncClient, provider: FakeProvider) -> AsyncIterator[Sessions]:
    provider.default(Reply())
    yield Sessions(http)


async def seen_turn(sessions: Sessions, session: str, text: str) -> list[Frame]:
    """What a viewer sees of one turn, from before its message to its end."""
    async with sessions.view(session) as viewer:
        before = sum(frame.type == "turn.finished" for frame in viewer.frames)
        await sessions.send(session, text)
        return list(await viewer.until("turn.finished", before + 1))


def only(frames: list[Frame], kind: str) -> dict[str, Any]:
    (found,) = [frame.data for frame in frames if frame.type == kind]
    return found


@pytest.mark.parametrize(
    "fault",
    [
        Reply(status=429, headers=(("retry-after", "1"),)),
        Reply(status=529),
        Reply(status=500),
        Reply(fault="fin", gap=0.02),
        Reply(fault="rst", gap=0.02),
        Reply(fault="clean_end", gap=0.02),
        Reply(fault="error_event", gap=0.02),
        Reply(fault="malformed", gap=0.02),
        Reply(fault="clean_end", fault_after=1000),
    ],
    ids=["429", "529", "500", "fin", "rst", "early end", "error event", "malformed", "no terminal event"],
)
@every_wire
async def test_a_fault_that_passes(sessions: Sessions, provider: FakeProvider, agent: str, fault: Reply) -> None:
    """Only the next attempt's answer counts; viewers are notified to drop what they have of the first."""
    session = await sessions.create(agent)
    provider.script(fault, Reply(text="This time all of it came.", gap=0.01))

    frames = await seen_turn(sessions, session, "hello")

    assert [frame.type for frame in frames if frame.seq is not None] == [
        "session.started",
        "turn.started",
        "message.added",
        "step.started",
        "step.finished",
        "turn.finished",
    ]
    live = [frame for frame in frames if frame.type in ("step.delta", "step.snapshot")]
    attempts = [frame.data["attempt"] for frame in live]
    assert attempts == sorted(attempts)
    assert next(frame.type for frame in live if frame.data["attempt"] == 2) == "step.snapshot"
    step = only(frames, "step.finished")
    assert (step["attempt"], texts([step["message"]])) == (2, [("assistant", "This time all of it came.")])
    assert only(frames, "turn.finished")["reason"] == "done"
    first, second = provider.calls[-2:]
    # An identical request, so that the provider's cache applies and the trace is correct.
    assert first.body == second.body
    if fault.headers:
        assert second.at - first.at >= 1


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Reply(status=401, message=f"invalid x-api-key: {KEYS[0]} {KEYS[1]}"), errors.MODEL_AUTH),
        (Reply(status=404, message="model: no-such-model"), errors.MODEL_NOT_FOUND),
        (Reply(status=400, message=f"tools.0: wrong (api key {KEYS[0]})"), errors.MODEL_INVALID_REQUEST),
        (
            Reply(status=400, message="prompt is too long: 208310 tokens > 200000 maximum"),
            errors.MODEL_CONTEXT_LENGTH,
        ),
    ],
    ids=["401", "404", "400", "context length"],
)
@every_wire
async def test_a_refusal(
    sessions: Sessions, dev: Dev, provider: FakeProvider, agent: str, refusal: Reply, kind: str
) -> None:
    """Nothing is retried; the turn reports the error, and the session continues with the next message."""
    session = await sessions.create(agent)
    asked = len(provider.calls)
    provider.script(refusal)

    frames = await seen_turn(sessions, session, "hello")

    assert len(provider.calls) == asked + 1
    turn = only(frames, "turn.finished")
    assert (turn["reason"], turn["error"]["type"], turn["error"]["retryable"]) == ("failed", kind, False)
    assert len(turn["error"]["message"].split()) >= 4
    assert only(frames, "step.finished")["message"]["parts"] == []
    again = await sessions.ask(session, "and now?")
    assert (again["turn"]["reason"], texts(again["messages"])) == (
        "done",
        [("user", "and now?"), ("assistant", Reply().text)],
    )
    told = [str(frame.data) for frame in frames] + dev.output + [str(await sessions.snapshot(session))]
    assert not [line for line in told if any(key in line for key in KEYS)]


@every_wire
async def test_an_account_without_credit_is_a_question(sessions: Sessions, provider: FakeProvider, agent: str) -> None:
    """It is tried again once somebody says so, at the very step, and the turn ends where nobody pays."""
    session = await sessions.create(agent)
    broke = Reply(status=402, message="Your credit balance is too low")
    provider.script(broke, Reply(text="Thank you."), broke)
    async with sessions.view(session) as viewer:
        await sessions.send(session, "hello")
        asked = only(list(await viewer.until("budget.paused")), "budget.paused")
        assert (asked["scope"], asked["limit"]) == ("tenant", "provider")
        await sessions.answer(session, asked["question_id"], approved=True)
        frames = await viewer.until("turn.finished")
        assert only(list(frames), "turn.finished")["reason"] == "done"
        await sessions.send(session, "and now?")
        frames = await viewer.until("budget.paused", 2)
        last = [frame.data["question_id"] for frame in frames if frame.type == "budget.paused"][-1]
        await sessions.answer(session, last, approved=False)
        frames = await viewer.until("turn.finished", 2)
    turn = [frame.data for frame in frames if frame.type == "turn.finished"][-1]
    assert turn["error"]["type"] == errors.MODEL_QUOTA


@every_wire
async def test_a_provider_that_falls_silent_can_be_stopped(
    sessions: Sessions, provider: FakeProvider, agent: str
) -> None:
    session = await sessions.create(agent)
    provider.script(Reply(text="one two three four five", fault="stall", fault_after=3))
    async with sessions.view(session) as viewer:
        await sessions.send(session, "count")
        await provider.until(lambda calls: len(calls[-1].tokens) == 3)
        await viewer.until_streaming("three")
        await sessions.stop(session)
        frames = await viewer.until("turn.finished")
    message = only(list(frames), "step.finished")["message"]
    assert (message["stopped"], texts([message])) == (True, [("assistant", "one two three ")])
    assert only(list(frames), "turn.finished")["reason"] == "stopped"
    assert provider.calls[-1].closed_at is not None


@every_wire
async def test_a_stop_in_mid_stream(sessions: Sessions, provider: FakeProvider, agent: str) -> None:
    """The provider's stream is closed, the partial answer is kept, and the next answer builds on it."""
    session = await sessions.create(agent)
    provider.script(LONG)
    async with sessions.view(session) as viewer:
        await sessions.send(session, "tell me")
        await viewer.until("step.delta", 5)
        await sessions.stop(session)
        frames = list(await viewer.until("turn.finished"))
    assert provider.calls[-1].closed_at is not None
    message = only(frames, "step.finished")["message"]
    (_, kept), *_ = texts([message])
    assert message["stopped"] is True
    assert LONG.text.startswith(kept)
    assert 0 < len(kept) < len(LONG.text)
    streamed = "".join(frame.data["delta"] for frame in frames if frame.type == "step.delta")
    assert kept.startswith(streamed)

    again = await sessions.ask(session, "go on")

    assert again["turn"]["reason"] == "done"
    sent = str(provider.calls[-1].body)
    assert kept.strip() in sent
    snapshot = await sessions.snapshot(session)
    assert texts(snapshot["messages"]) == [
        ("user", "tell me"),
        ("assistant", kept),
        ("user", "go on"),
        ("assistant", Reply().text),
    ]


async def test_a_viewer_that_leaves_stops_nothing(sessions: Sessions, provider: FakeProvider) -> None:
    session = await sessions.create("claude")
    provider.script(Reply(text=" ".join(f"word{n}" for n in range(40)), gap=0.02))
    url = f"/v1/sessions/{session}/messages"
    async with (
        sessions.view(session) as viewer,
        sessions.http.stream(
            "POST", url, json={"text": "tell me"}, headers={"Accept": "text/event-stream"}
        ) as response,
    ):
        assert response.status_code == 200
        lines = response.aiter_lines()
        async for line in lines:
            if line == "event: step.delta":
                break
        await viewer.until_streaming()
    async with sessions.view(session) as viewer:
        frames = list(await viewer.until("turn.finished"))
    assert only(frames, "turn.finished")["reason"] == "done"
    assert provider.calls[-1].whole
    assert provider.calls[-1].closed_at is None


async def test_reasoning_goes_back_to_the_api_that_made_it_and_to_no_other(
    sessions: Sessions, provider: FakeProvider
) -> None:
    session = await sessions.create("claude")
    provider.script(Reply(reasoning="Let me think of it.", text="Well.", gap=0.02))
    frames = await seen_turn(sessions, session, "hm?")
    step = only(frames, "step.finished")
    assert [(part["type"], part["text"]) for part in step["message"]["parts"]] == [
        ("reasoning", "Let me think of it."),
        ("text", "Well."),
    ]
    assert "reasoning" in {frame.data["kind"] for frame in frames if frame.type == "step.delta"}
    assert "signature" not in str(step)

    await sessions.ask(session, "more?")
    thinking = {"type": "thinking", "thinking": "Let me think of it.", "signature": signature("Let me think of it.")}
    assert thinking in provider.calls[-1].body["messages"][1]["content"]

    await sessions.configure(session, model="gpt")
    provider.script(Reply(reasoning="A riddle.", text="Hm."))
    answer = await sessions.ask(session, "and the other?")
    call = provider.calls[-1]
    assert call.api == "responses"
    assert "think of it" not in str(call.body)
    assert "encrypted" not in str(answer)

    await sessions.configure(session, model="chat")
    provider.script(Reply(reasoning="Another way of thinking.", text="So."))
    answer = await sessions.ask(session, "and you?")
    call = provider.calls[-1]
    assert call.api == "chat"
    assert not [words for words in ("think of it", "riddle") if words in str(call.body)]
    assert "reasoning" in {part["type"] for part in answer["messages"][-1]["parts"]}

    await sessions.configure(session, model="claude")
    await sessions.ask(session, "and again?")
    call = provider.calls[-1]
    assert call.api == "anthropic"
    assert thinking in call.body["messages"][1]["content"]
    assert not [words for words in ("Another way", "riddle") if words in str(call.body)]

    await sessions.configure(session, model="gpt")
    await sessions.ask(session, "and again?")
    reasoning = [item for item in provider.calls[-1].body["input"] if item.get("type") == "reasoning"]
    assert [item["encrypted_content"] for item in reasoning] == [encrypted(reasoning[0]["id"], "A riddle.")]


@pytest.mark.parametrize(("agent", "other"), [("claude", "chat"), ("chat", "gpt"), ("gpt", "claude")])
async def test_the_model_is_switched_between_two_steps(
    sessions: Sessions, provider: FakeProvider, agent: str, other: str
) -> None:
    session = await sessions.create(agent)
    provider.script(
        Reply(text="Let me see what that is.", tools=(("calculator", {"expression": "6*7"}),), gap=0.1),
        Reply(text="It is 42."),
    )
    async with sessions.view(session) as viewer:
        await sessions.send(session, "what is six times seven?")
        await viewer.until_streaming()
        await sessions.configure(session, model=other)
        frames = list(await viewer.until("turn.finished"))

    first, second = provider.calls[-2:]
    apis = {"claude": "anthropic", "gpt": "responses", "chat": "chat"}
    assert [first.api, second.api] == [apis[agent], apis[other]]
    kinds = [frame.type for frame in frames if frame.seq is not None]
    assert kinds == [
        *("session.started", "turn.started", "message.added", "step.started", "step.finished"),
        *("tool.started", "tool.finished", "model.switched", "step.started", "step.finished", "turn.finished"),
    ]
    uses = {"claude": "anthropic/claude-sonnet-5-5", "gpt": "openai/gpt-6-sol", "chat": "openai-chat/llama3.2"}
    switched = only(frames, "model.switched")
    assert (switched["from"], switched["to"]) == (uses[agent], uses[other])
    assert "42" in str(second.body["input" if second.api == "responses" else "messages"][-1])
    steps = [frame.data["message"] for frame in frames if frame.type == "step.finished"]
    assert texts(steps) == [("assistant", "Let me see what that is."), ("assistant", "It is 42.")]


@every_wire
async def test_what_a_viewer_saw_live_is_what_is_kept(sessions: Sessions, provider: FakeProvider, agent: str) -> None:
    session = await sessions.create(agent)
    provider.script(Reply(text="The quick brown fox jumps over the lazy dog.", gap=0.03))
    frames = await seen_turn(sessions, session, "tell me")
    deltas = [frame.data for frame in frames if frame.type == "step.delta"]
    assert [delta["n"] for delta in deltas] == list(range(len(deltas)))
    assert "".join(delta["delta"] for delta in deltas) == "The quick brown fox jumps over the lazy dog."
    seqs = [frame.seq for frame in frames if frame.seq is not None]
    assert all(later == earlier + 1 for earlier, later in pairwise(seqs))
