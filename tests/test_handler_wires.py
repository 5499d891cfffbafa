"""A step moves to another provider's model by one changed line: the same conversation over each wire that the fake speaks."""

import json

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.session_client import Sessions, texts

pytestmark = pytest.mark.server

AGENT = """
name: {name}
models:
  main: {{use: anthropic/main, base_url: "{main_url}"}}
  fast: {{use: {use}, base_url: "{url}"}}
model: main
instructions: Be brief.
handlers:
  message:
    - choose: {{model: fast, prompt: "What is it about?", options: [order, smalltalk], into: topic}}
    - generate:
        model: fast
        prompt: "Is it urgent?"
        output: {{type: object, properties: {{urgent: {{type: boolean}}}}, required: [urgent]}}
        into: verdict
    - respond: {{instructions: "It is about {{{{ topic }}}}, urgent: {{{{ verdict.urgent }}}}."}}
"""
USES = {"messages": "anthropic/small", "responses": "openai/small", "chat": "openai-chat/small"}


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    urls = {"messages": provider.url, "responses": provider.chat_url, "chat": provider.chat_url}
    made = {name: AGENT.format(name=name, use=use, url=urls[name], main_url=provider.url) for name, use in USES.items()}
    return {f"{name}.yaml": text for name, text in made.items()}


@pytest.fixture
def sessions(provider: FakeProvider, http: httpx2.AsyncClient) -> Sessions:
    provider.reset()
    return Sessions(http)


def answering(call: Call) -> Reply:
    sent = json.dumps(call.body)
    if "What is it about?" in sent:
        return Reply(text='{"choice": "order"}')
    if "Is it urgent?" in sent:
        return Reply(text='{"urgent": true}')
    return Reply(text="At once." if "It is about order, urgent: True." in sent else "Hm.")


@pytest.mark.parametrize("wire", sorted(USES))
async def test_one_line_moves_a_step_to_another_model(sessions: Sessions, provider: FakeProvider, wire: str) -> None:
    provider.default(answering)
    session = await sessions.create(wire)

    turn = (await sessions.ask(session, "Where is my order?"))["turn"]

    assert turn["reason"] == "done"
    said = texts((await sessions.snapshot(session))["messages"])
    assert said == [("user", "Where is my order?"), ("assistant", "At once.")]
    steps = (await sessions.http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert [step["model"] for step in steps] == [USES[wire], USES[wire], "anthropic/main"]
    assert [call.body["model"] for call in provider.calls] == ["small", "small", "main"]
