"""Sessions that a provider says are too long, in its own words: on the real server, over several wires."""

import itertools
import json
from collections.abc import Callable
from typing import Any, Final

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.core.context.summary import SUMMARISES
from tests.support.scrape import Scrape, scrape
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

AGENT: Final = """
name: {name}
models: {{main: {{use: {use}, base_url: "{url}", max_output_tokens: 500{more}}}}}
model: main
instructions: Be brief.
"""
#: The wire, and the dialect whose words for it the fake has.
USES: Final = {
    "anthropic": "anthropic/m",
    "openai": "openai/m",
    "deepseek": "openai-chat/m",
    "mistral": "openai-chat/m",
    "llama-cpp": "openai-chat/m",
    "gemini": "gemini/m",
}
OLD: Final = "nobody needs this any more. " * 80
TOO_LARGE: Final = Reply(status=413, error="request_too_large", message="Request Entity Too Large")


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    made = {
        f"{name}.yaml": AGENT.format(name=name, use=use, url=provider.at(name), more="") for name, use in USES.items()
    }
    known = AGENT.format(name="known", use="anthropic/known", url=provider.url, more=", context_window: 3500")
    return made | {"known.yaml": known}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"), "sk-test-not-a-key")


@pytest.fixture
def sessions(provider: FakeProvider, http: httpx2.AsyncClient) -> Sessions:
    provider.reset()
    provider.default(answer)
    return Sessions(http)


def answer(call: Call) -> Reply:
    if SUMMARISES in json.dumps(call.body):
        return Reply(text="<summary>\nThey greeted.\n</summary>\n<facts>\n- The code is X4T-99.\n</facts>")
    return Reply(text="Fine.", usage="none")


def refusing(reply: Reply) -> Callable[[Call], Reply]:
    """Answers, but refuses so what is longer than about three messages."""

    def answered(call: Call) -> Reply:
        body = json.dumps(call.body)
        return reply if SUMMARISES not in body and len(body) > 7_500 else answer(call)

    return answered


async def long(sessions: Sessions, agent: str) -> str:
    session = await sessions.create(agent)
    for number in range(4):
        turn = (await sessions.ask(session, f"message {number}: {OLD}"))["turn"]
        assert turn["reason"] == "done"
    return session


async def steps_of(sessions: Sessions, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await sessions.http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    return found


@pytest.mark.parametrize("agent", sorted(USES))
async def test_a_request_that_is_too_long_is_made_again_with_a_summary(
    sessions: Sessions, provider: FakeProvider, agent: str
) -> None:
    session = await long(sessions, agent)
    provider.default(refusing(Reply(failure="too_long")))

    async with sessions.view(session) as viewer:
        turn = (await sessions.ask(session, "and now?"))["turn"]
        frames = await viewer.until("turn.finished", 5)

    assert turn["reason"] == "done"
    (folded,) = [frame.data for frame in frames if frame.type == "context.compacted"]
    assert (folded["how"], folded["step_id"], folded["summary"]) == ("summarized", "k1", "They greeted.")
    assert not [frame for frame in frames if frame.type.startswith("step.") and frame.data["step_id"] == "k1"]
    sent = json.dumps(provider.calls[-1].body)
    assert "They greeted." in sent
    assert "- The code is X4T-99." in sent
    # The user's first message stays, and so does the one that was asked.
    assert "message 0" in sent
    assert "and now?" in sent
    assert "message 1" not in sent
    steps = await steps_of(sessions, session)
    assert [step["step_id"] for step in steps] == ["t1.s1", "t2.s1", "t3.s1", "t4.s1", "t5.s1", "k1", "t5.s2"]
    assert [step["request_matches"] for step in steps if step["step_id"] != "t5.s1"] == [True] * 6
    assert steps[5]["purpose"] == "compact"
    assert "message 1" in json.dumps(steps[5]["prompt"])
    # Viewers keep all of it.
    shown = texts((await sessions.snapshot(session))["messages"])
    assert [text[:9] for role, text in shown if role == "user"] == [f"message {n}" for n in range(4)] + ["and now?"]


async def test_a_plain_413_is_the_same(sessions: Sessions, provider: FakeProvider) -> None:
    session = await long(sessions, "anthropic")
    provider.default(refusing(TOO_LARGE))
    assert (await sessions.ask(session, "and now?"))["turn"]["reason"] == "done"
    ids = [(step["step_id"], step["status"]) for step in await steps_of(sessions, session)]
    assert ids[4:] == [("t5.s1", "finished"), ("k1", "finished"), ("t5.s2", "finished")]
    assert "They greeted." in json.dumps(provider.calls[-1].body)


@pytest.mark.parametrize(
    ("agent", "stop"),
    [
        ("anthropic", "model_context_window_exceeded"),
        pytest.param("mistral", "model_length", marks=pytest.mark.slow),
        pytest.param("deepseek", "context_length_exceeded", marks=pytest.mark.slow),
    ],
)
async def test_an_answer_that_fills_the_window_goes_on_with_a_summary(
    sessions: Sessions, provider: FakeProvider, agent: str, stop: str
) -> None:
    session = await long(sessions, agent)
    provider.script(Reply(text="Once upon", stop=stop))

    turn = (await sessions.ask(session, "and now?"))["turn"]

    assert turn["reason"] == "done"
    steps = [(step["step_id"], step["stop"]) for step in await steps_of(sessions, session)][4:]
    assert steps == [("t5.s1", "context_window"), ("k1", "end"), ("t5.s2", "end")]
    sent = json.dumps(provider.calls[-1].body)
    assert "They greeted." in sent
    assert "message 1" not in sent
    assert sent.index("Once upon") < sent.index("because it filled your context window")
    shown = texts((await sessions.snapshot(session))["messages"])
    assert [text for role, text in shown if role == "assistant"][-2:] == ["Once upon", "Fine."]


async def test_what_summaries_take_is_in_the_metrics_also_of_one_that_was_given_up(
    sessions: Sessions, provider: FakeProvider, http: httpx2.AsyncClient
) -> None:
    before = await scrape(http)
    session = await long(sessions, "anthropic")
    provider.default(refusing(TOO_LARGE))
    await sessions.ask(session, "and now?")

    between = await scrape(http)
    assert tokens(between) - tokens(before) == await used(sessions, session)
    assert compactions(between, "summarized") - compactions(before, "summarized") == 1

    provider.default(answer)
    session = await long(sessions, "anthropic")
    slow = Reply(text="and so on " * 500, gap=0.05)
    provider.default(lambda call: slow if SUMMARISES in json.dumps(call.body) else refusing(TOO_LARGE)(call))
    async with sessions.view(session) as viewer:
        await sessions.send(session, "and now?")
        await provider.until(lambda calls: SUMMARISES in json.dumps(calls[-1].body))
        assert (await http.delete(f"/v1/sessions/{session}")).status_code == 202
        await viewer.until("session.closed")

    after = await scrape(http)
    assert tokens(after) - tokens(between) == await used(sessions, session)
    assert compactions(after, "abandoned") - compactions(between, "abandoned") == 1
    steps = await steps_of(sessions, session)
    assert (steps[-1]["step_id"], steps[-1]["purpose"]) == ("k1", "compact")


def tokens(found: Scrape) -> float:
    kinds = ("input", "output")
    return sum(found.value("perdure_tokens_total", model="anthropic/m", kind=kind) or 0 for kind in kinds)


def compactions(found: Scrape, how: str) -> float:
    return found.value("perdure_compactions_total", how=how) or 0


async def used(sessions: Sessions, session: str) -> int:
    usage = (await sessions.snapshot(session))["usage"]
    return int(usage["input_tokens"] + usage["output_tokens"])


async def test_what_is_refused_again_and_again_fails_and_names_what_is_too_large(
    sessions: Sessions, provider: FakeProvider
) -> None:
    session = await long(sessions, "anthropic")
    provider.default(lambda call: answer(call) if SUMMARISES in json.dumps(call.body) else Reply(failure="too_long"))
    turn = (await sessions.ask(session, "now " * 2_000))["turn"]
    assert (turn["reason"], turn["error"]["type"]) == ("failed", "model_context_length")
    assert "Largest: your message (about " in turn["error"]["message"]
    provider.default(answer)
    assert (await sessions.ask(session, "and now?"))["turn"]["reason"] == "done"


async def test_prefixes_of_requests_are_stable_until_something_is_folded(
    sessions: Sessions, provider: FakeProvider
) -> None:
    def counted(call: Call) -> Reply:
        text = answer(call)
        return Reply(text=text.text, input_tokens=len(json.dumps(call.body)) // 4, output_tokens=5)

    provider.default(counted)
    session = await sessions.create("known")
    async with sessions.view(session) as viewer:
        for number in range(12):
            assert (await sessions.ask(session, f"message {number}: {OLD}"))["turn"]["reason"] == "done"
        await viewer.until("context.compacted")
    bodies = [call.body for call in provider.calls if SUMMARISES not in json.dumps(call.body)]
    histories = [[_bare(message) for message in body["messages"]] for body in bodies]
    grown = [after[: len(before)] == before for before, after in itertools.pairwise(histories)]
    folds = sum(not one for one in grown)
    steps = [step for step in await steps_of(sessions, session) if step.get("purpose") == "compact"]
    assert 1 <= folds <= len(steps)
    assert {json.dumps(body["system"]) for body in bodies} == {json.dumps(bodies[0]["system"])}
    held = [step for step in await steps_of(sessions, session) if step["prompt"] is not None]
    assert [step["step_id"] for step in held if not step["request_matches"]] == []


def _bare(message: dict[str, Any]) -> str:
    """Without the marks of the cache, which move on."""
    return json.dumps([{k: v for k, v in block.items() if k != "cache_control"} for block in message["content"]])
