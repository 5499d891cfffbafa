"""A step moves to another provider's model by one changed line: the same conversation over every wire."""

import json
from typing import Final

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.definition.providers.table import PROVIDERS
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

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
#: The provider that the changed line names, by the server that the fake then is.
USES: Final = {
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "openai": "openai",
    "azure-responses": "azure",
    "vllm-responses": "openai",
    "gemini": "gemini",
    "azure": "azure-chat",
    "mistral": "openai-chat",
    "llama-cpp": "openai-chat",
}


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    return {
        f"{name}.yaml": AGENT.format(name=name, use=f"{use}/small", url=provider.at(name), main_url=provider.url)
        for name, use in USES.items()
    }


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    names = (
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "GEMINI_API_KEY",
        "AWS_BEARER_TOKEN_BEDROCK",
    )
    return {**dict.fromkeys(names, "sk-test-not-a-key"), "AWS_REGION": "us-east-1"}


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


def test_every_provider_is_tried() -> None:
    assert set(USES.values()) == PROVIDERS.keys() - {"demo"}


@pytest.mark.parametrize("server", sorted(USES))
async def test_one_line_moves_a_step_to_another_model(sessions: Sessions, provider: FakeProvider, server: str) -> None:
    provider.default(answering)
    session = await sessions.create(server)

    turn = (await sessions.ask(session, "Where is my order?"))["turn"]

    assert turn["reason"] == "done"
    said = texts((await sessions.snapshot(session))["messages"])
    assert said == [("user", "Where is my order?"), ("assistant", "At once.")]
    steps = (await sessions.http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert [step["model"] for step in steps] == [f"{USES[server]}/small"] * 2 + ["anthropic/main"]
    # A server may first refuse a member that it does not know.
    assert [server in call.path for call in provider.calls if call.refused is None] == [True, True, False]
