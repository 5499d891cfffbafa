"""The cost of attempts that nobody counted: whole sessions on the real server, with broken streams and a killed process."""

import asyncio
from typing import Any

import httpx2
import pytest

from perdure.activities.models.call_attempt import encode_request
from perdure.activities.models.call_progress import HEARTBEAT_S
from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Fault, Reply
from perdure.workflows.vocabulary import errors
from tests.support.dev import Dev
from tests.support.session_client import Sessions

pytestmark = [pytest.mark.server, pytest.mark.slow]

#: Dollars per token.
IN, OUT = 3e-6, 15e-6
MOST = 32_000
AGENT = """
name: {name}
models: {{main: {{use: {use}, base_url: "{url}", max_output_tokens: 32000, price: {{input: 3, output: 15}}}}}}
model: main
instructions: Be brief.
tools: [calculator]
"""
NAMES = ("claude", "gpt", "chat")
every_wire = pytest.mark.parametrize("agent", NAMES)
WHOLE = Reply(text="All of it.", input_tokens=10, output_tokens=5)
WHOLE_USD = 10 * IN + 5 * OUT
LONG = Reply(text=" ".join(f"word{n}" for n in range(400)), gap=0.05)


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    uses = {
        "claude": ("anthropic/m", provider.url),
        "gpt": ("openai/m", provider.chat_url),
        "chat": ("openai-chat/m", provider.chat_url),
    }
    return {f"{name}.yaml": AGENT.format(name=name, use=use, url=url) for name, (use, url) in uses.items()}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"ANTHROPIC_API_KEY": "sk-test-not-a-key", "OPENAI_API_KEY": "sk-test-not-a-key"}


@pytest.fixture(autouse=True)
def _fresh(provider: FakeProvider) -> None:
    provider.reset()


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


def asked(call: Call) -> int:
    """Estimated tokens of a request for which its provider reported no usage."""
    return -(-len(encode_request(call.body)) // 3)


def streamed(call: Call) -> int:
    return max(-(-sum(len(token.encode()) for token, _ in call.tokens) // 3), 1)


def lost(call: Call) -> float:
    """The cost of a lost attempt: its input as reported by the provider, or estimated by its bytes, and what
    streamed."""
    known = 10 if call.api == "anthropic" else asked(call)
    return known * IN + streamed(call) * OUT


async def step(sessions: Sessions, session: str) -> dict[str, Any]:
    """The session's only step, once its turn has ended; its totals are the session's as well."""
    async with sessions.view(session) as viewer:
        frames = await viewer.until("turn.finished")
    (found,) = [frame.data for frame in frames if frame.type == "step.finished"]
    (turn,) = [frame.data for frame in frames if frame.type == "turn.finished"]
    assert (turn["cost_usd"], turn["usage"]) == (found["cost_usd"], found["usage"])
    snapshot = await sessions.snapshot(session)
    assert (snapshot["cost_usd"], snapshot["usage"]) == (found["cost_usd"], found["usage"])
    return {**found, "reason": turn["reason"], "error": turn.get("error")}


@every_wire
@pytest.mark.parametrize("fault", ["clean_end", "error_event", "fin"])
async def test_three_broken_attempts(sessions: Sessions, provider: FakeProvider, agent: str, fault: Fault) -> None:
    broken = Reply(text="one two three four five six", fault=fault, fault_after=5, gap=0.01)
    provider.script(broken, broken, broken, WHOLE)
    found = await step(sessions, await sessions.create(agent, message="hello"))
    calls = provider.calls
    assert [len(call.tokens) for call in calls[:3]] == [5, 5, 5]
    assert found["attempt"] == 4
    assert found["cost_usd"] == pytest.approx(WHOLE_USD + sum(map(lost, calls[:3])))
    known = sum(10 if call.api == "anthropic" else asked(call) for call in calls[:3])
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"]) == (
        10 + known,
        5 + sum(map(streamed, calls[:3])),
    )
    assert found["usage"]["estimated"] is True
    assert found["cost_usd"] < 0.05 < MOST * OUT


async def test_a_server_that_counts_nothing(sessions: Sessions, provider: FakeProvider) -> None:
    """Its usage is estimated, and every sum with it says so."""
    provider.script(Reply(text="one two three", usage="none"), WHOLE)
    session = await sessions.create("chat", message="hello")
    found = await step(sessions, session)
    (call,) = provider.calls
    assert found["usage"]["estimated"] is True
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"]) == (asked(call), streamed(call))
    assert found["cost_usd"] == pytest.approx(asked(call) * IN + streamed(call) * OUT)
    second = (await sessions.ask(session, "and now?"))["turn"]
    assert "estimated" not in second["usage"]
    assert (await sessions.snapshot(session))["usage"]["estimated"] is True


@every_wire
async def test_what_a_provider_did_not_take_costs_nothing(
    sessions: Sessions, provider: FakeProvider, agent: str
) -> None:
    """And the cost of earlier lost attempts is still counted afterwards."""
    provider.script(
        Reply(status=529), Reply(fault="clean_end"), Reply(status=500), Reply(status=429), Reply(fault="fin"), WHOLE
    )
    found = await step(sessions, await sessions.create(agent, message="hello"))
    assert found["attempt"] == 6
    assert found["cost_usd"] == pytest.approx(WHOLE_USD + lost(provider.calls[1]) + lost(provider.calls[4]))


async def test_a_step_that_fails_for_good_costs_what_its_attempts_did(
    sessions: Sessions, provider: FakeProvider
) -> None:
    provider.script(Reply(fault="clean_end"), Reply(status=401))
    found = await step(sessions, await sessions.create("chat", message="hello"))
    assert (found["reason"], found["error"]["type"]) == ("failed", errors.MODEL_AUTH)
    assert found["cost_usd"] == pytest.approx(lost(provider.calls[0]))


async def test_a_whole_answer_that_could_not_be_kept_was_paid_for(
    dev: Dev, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await sessions.create("chat")
    # The store cannot create a folder for the long answer where a file exists.
    obstacle = dev.data_dir / "blobs" / "default" / session
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_bytes(b"")

    def reply(call: Call) -> Reply:
        if len(provider.calls) == 2:
            obstacle.unlink()
        return Reply(text="x" * 100_000, input_tokens=10, output_tokens=5)

    provider.default(reply)
    await sessions.send(session, "hello")
    found = await step(sessions, session)
    assert (found["attempt"], found["reason"]) == (2, "done")
    assert found["cost_usd"] == pytest.approx(2 * WHOLE_USD)


async def test_a_server_that_gives_up_again_and_again_is_believed(sessions: Sessions, provider: FakeProvider) -> None:
    provider.default(Reply(text="Well, I", stop="abort"))
    found = await step(sessions, await sessions.create("chat", message="hello"))
    assert (found["reason"], found["error"]["type"]) == ("failed", errors.MODEL_ABORTED)
    assert len(provider.calls) == 3
    assert found["cost_usd"] == pytest.approx(sum(map(lost, provider.calls)))


async def test_a_stop_in_mid_answer(sessions: Sessions, provider: FakeProvider, http: httpx2.AsyncClient) -> None:
    provider.script(LONG)
    session = await sessions.create("chat", message="hello")
    async with sessions.view(session) as viewer:
        await viewer.until_streaming("word5")
    assert (await http.post(f"/v1/sessions/{session}/stop", json={})).status_code == 202
    found = await step(sessions, session)
    (call,) = provider.calls
    said = "".join(part["text"] for part in found["message"]["parts"])
    least = asked(call) * IN + -(-len(said.encode()) // 3) * OUT
    assert found["stop"] == "stopped"
    assert least <= found["cost_usd"] + 1e-12 <= lost(call) + 1e-9


async def test_killed_in_mid_stream(dev: Dev, sessions: Sessions, provider: FakeProvider) -> None:
    provider.script(LONG, WHOLE)
    session = await sessions.create("chat", message="hello")
    async with sessions.view(session) as viewer:
        await viewer.until_streaming("word5")
    await dev.kill()
    dead = provider.calls[0]
    await dev.start()
    found = await step(sessions, session)
    assert found["attempt"] == 2
    # What streamed after the last heartbeat is unknown, so a little more is charged.
    assert WHOLE_USD + lost(dead) <= found["cost_usd"] <= WHOLE_USD + lost(dead) + HEARTBEAT_S * 200 * OUT
    assert found["cost_usd"] < 0.05 * MOST * OUT


async def test_killed_before_its_first_word(dev: Dev, sessions: Sessions, provider: FakeProvider) -> None:
    """The attempt reported nothing: it is assumed to have been sent, and its input is charged."""
    provider.script(Reply(first_token=120), WHOLE)
    session = await sessions.create("claude", message="hello")
    async with asyncio.timeout(30):
        await provider.until(lambda calls: len(calls) == 1)
    await dev.kill()
    dead = provider.calls[0]
    await dev.start()
    found = await step(sessions, session)
    assert found["attempt"] == 2
    # The provider had reported its own count, of 10 tokens, or had not yet.
    assert WHOLE_USD + 10 * IN <= found["cost_usd"] <= WHOLE_USD + asked(dead) * IN + HEARTBEAT_S * 200 * OUT
