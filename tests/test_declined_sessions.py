"""Sessions go on after a provider declined to answer: on the real server, with a fake that refuses a certain number."""

import json
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

#: What 1234567 * 3 is.
BAD = "3703701"
AGENT = """
name: {name}
models: {{main: {{use: {use}, base_url: "{url}"}}}}
model: main
instructions: Be brief.
tools: [calculator]
"""
USES = {"claude": "anthropic/m", "gpt": "openai/m", "chat": "openai-chat/m"}
every_wire = pytest.mark.parametrize("agent", sorted(USES))


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    urls = {"claude": provider.url, "gpt": provider.chat_url, "chat": provider.chat_url}
    return {f"{name}.yaml": AGENT.format(name=name, use=use, url=urls[name]) for name, use in USES.items()}


@pytest.fixture
def sessions(provider: FakeProvider, http: httpx2.AsyncClient) -> Sessions:
    provider.reset()
    return Sessions(http)


def filtered(call: Call) -> Reply:
    """As Azure's content filter answers."""
    if BAD in json.dumps(call.body):
        message = "The response was filtered due to the prompt triggering the content management policy."
        return Reply(status=400, error="content_filter", message=message)
    return Reply(text="Gladly.")


def refusing(call: Call) -> Reply:
    return Reply(text="I will not", stop="refusal") if BAD in json.dumps(call.body) else Reply(text="Gladly.")


async def ask(sessions: Sessions, session: str, text: str) -> dict[str, Any]:
    found: dict[str, Any] = (await sessions.ask(session, text))["turn"]
    return found


@every_wire
async def test_after_a_declined_message_the_session_goes_on(
    sessions: Sessions, provider: FakeProvider, agent: str
) -> None:
    provider.default(filtered)
    session = await sessions.create(agent)
    assert (await ask(sessions, session, "hello"))["reason"] == "done"
    turn = await ask(sessions, session, f"some {BAD}")
    assert (turn["reason"], turn["error"]["type"]) == ("failed", "model_content_policy")
    assert (await ask(sessions, session, "and now?"))["reason"] == "done"
    assert BAD not in json.dumps(provider.calls[-1].body)
    # Viewers see all of it.
    assert ("user", f"some {BAD}") in texts((await sessions.snapshot(session))["messages"])
    steps = (await sessions.http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert [step["request_matches"] for step in steps] == [True, None, True]
    shown = [texts(step["prompt"]["messages"]) for step in steps]
    assert ("user", f"some {BAD}") in shown[1]
    assert ("user", f"some {BAD}") not in shown[2]
    assert [step["prompt"].get("left_out") for step in steps] == [None, None, [{"turn_id": "t2", "step_id": "t2.s1"}]]


@every_wire
async def test_after_a_declined_result_the_session_goes_on(
    sessions: Sessions, provider: FakeProvider, agent: str
) -> None:
    provider.default(filtered)
    provider.script(Reply(tools=(("calculator", {"expression": "1234567 * 3"}),)))
    session = await sessions.create(agent)
    turn = await ask(sessions, session, "look it up")
    assert turn["error"]["type"] == "model_content_policy"
    assert (await ask(sessions, session, "and now?"))["reason"] == "done"
    sent = json.dumps(provider.calls[-1].body)
    assert BAD not in sent
    assert "look it up" in sent
    assert "left out" in sent
    steps = (await sessions.http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert steps[-1]["request_matches"] is True
    left_out = [{"turn_id": "t1", "step_id": "t1.s2", "calls": ["t1.s1.c1"]}]
    assert steps[-1]["prompt"]["left_out"] == left_out
    assert BAD in json.dumps((await sessions.snapshot(session))["messages"])


async def test_after_a_refusal_the_session_goes_on(sessions: Sessions, provider: FakeProvider) -> None:
    provider.default(refusing)
    session = await sessions.create("claude")
    turn = await ask(sessions, session, f"some {BAD}")
    assert (turn["reason"], turn["error"]["type"]) == ("failed", "answer_refused")
    assert (await ask(sessions, session, "and now?"))["reason"] == "done"
    messages = texts((await sessions.snapshot(session))["messages"])
    assert messages == [
        ("user", f"some {BAD}"),
        ("assistant", "I will not"),
        ("user", "and now?"),
        ("assistant", "Gladly."),
    ]
