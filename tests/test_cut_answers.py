"""Answers with unusual ends, from a provider's bytes to what callers see, over every wire format and all of Perdure."""

from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.core.endings import NUDGES
from tests.support.session_client import Sessions, texts

pytestmark = pytest.mark.server

AGENT = """
name: {name}
models: {{main: {{use: {use}, base_url: "{url}", thinking: low, price: {{input: 3, output: 15}}}}}}
model: main
instructions: Be brief.
tools: [current_time]
"""
#: Each wire format's word for the output limit, and for a content filter or refusal.
CUT = {"claude": "max_tokens", "gpt": "max_output_tokens", "chat": "length"}
FILTERED = {"claude": "refusal", "gpt": "content_filter", "chat": "content_filter"}
every_wire = pytest.mark.parametrize("agent", list(CUT))


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


async def turn(sessions: Sessions, agent: str) -> tuple[str, dict[str, Any]]:
    """The session, and its turn as `?wait=` returns it."""
    session = await sessions.create(agent)
    told = await sessions.ask(session, "go")
    return session, {**told["turn"], "messages": told["messages"]}


def results(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [part["output"] for m in told["messages"] for part in m["parts"] if part["type"] == "tool_result"]


@every_wire
@pytest.mark.parametrize("written", ["", '{"timez', "{}"])
async def test_a_call_that_was_cut_never_runs(
    sessions: Sessions, provider: FakeProvider, agent: str, written: str
) -> None:
    cut = Reply(text="I look.", tools=(("current_time", written),), stop=CUT[agent])
    provider.script(cut, Reply(text="I could not."))
    _, told = await turn(sessions, agent)
    assert (told["reason"], told.get("error")) == ("done", None)
    (result,) = results(told)
    assert result["type"] == "answer_cut"
    assert result["message"].startswith("not run: the answer was cut by the output limit")
    assert len(provider.calls) == 2
    assert "not run: the answer was cut" in str(provider.calls[1].body)

    provider.default(cut)
    _, told = await turn(sessions, agent)
    assert (told["reason"], told["error"]["type"]) == ("failed", "answer_cut")
    assert len(provider.calls) == 4


@every_wire
async def test_a_filtered_answer_ends_its_turn(sessions: Sessions, provider: FakeProvider, agent: str) -> None:
    provider.script(Reply(text="I look.", tools=(("current_time", {}),), stop=FILTERED[agent]))
    _, told = await turn(sessions, agent)
    kind = "answer_refused" if agent == "claude" else "answer_filtered"
    assert (told["reason"], told["error"]["type"]) == ("failed", kind)
    assert [result["type"] for result in results(told)] == [kind]
    assert ("assistant", "I look.") in texts(told["messages"])
    assert len(provider.calls) == 1


@every_wire
@pytest.mark.parametrize("reasoning", ["", "Let me think."])
async def test_an_empty_answer_is_asked_for_once_more(
    sessions: Sessions, provider: FakeProvider, agent: str, reasoning: str
) -> None:
    empty = Reply(text="", reasoning=reasoning, stop=CUT[agent] if reasoning else None)
    provider.script(empty, Reply(text="Here."))
    session, told = await turn(sessions, agent)
    assert (told["reason"], texts(told["messages"])) == ("done", [("user", "go"), ("assistant", "Here.")])
    nudge = NUDGES["thought" if reasoning else "empty"]
    assert nudge in str(provider.calls[1].body)
    steps = (await sessions.http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert [step["request_matches"] for step in steps] == [True, True]
    assert nudge in str(steps[1]["prompt"]["messages"][-1])

    provider.default(empty)
    _, told = await turn(sessions, agent)
    assert (told["reason"], told["error"]["type"]) == ("failed", "empty_answer")
    assert len(provider.calls) == 4


@every_wire
async def test_a_text_that_was_cut_is_kept_and_told_as_cut(
    sessions: Sessions, provider: FakeProvider, agent: str
) -> None:
    provider.script(Reply(text="Once upon a", stop=CUT[agent]))
    _, told = await turn(sessions, agent)
    assert (told["reason"], told["error"]["type"], told["error"]["retryable"]) == ("failed", "answer_cut", True)
    assert "max_output_tokens (4096) of the model role 'main'" in told["error"]["message"]
    assert texts(told["messages"])[-1] == ("assistant", "Once upon a")


async def test_an_unknown_end_names_the_providers_word(sessions: Sessions, provider: FakeProvider) -> None:
    provider.script(Reply(text="Well.", stop="something_new"))
    session, told = await turn(sessions, "chat")
    assert (told["reason"], told["error"]["type"]) == ("failed", "stop_unknown")
    assert "'something_new'" in told["error"]["message"]
    (step,) = (await sessions.http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert (step["stop"], step["stop_raw"]) == ("other", "something_new")


@pytest.mark.parametrize("word", ["tool_use", "STOP", "eos", "", "something_new"])
async def test_a_whole_call_under_an_odd_word_runs(sessions: Sessions, provider: FakeProvider, word: str) -> None:
    provider.script(Reply(text="", tools=(("current_time", {}),), stop=word), Reply(text="It is late."))
    _, told = await turn(sessions, "chat")
    assert (told["reason"], texts(told["messages"])[-1]) == ("done", ("assistant", "It is late."))
    (result,) = results(told)
    assert "type" not in result
