"""Whole sessions that move between servers in the middle of a tool loop, by `PATCH model`."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.dialects import DIALECTS
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.moving import Servers, provider_of, serving
from tests.support.session_client import Sessions

pytestmark = [pytest.mark.server, pytest.mark.slow]

PAIRS = (("deepseek", "anthropic"), ("mistral", "openai"), ("gemini", "kimi"), ("openrouter", "gemini-chat"))
AGENT = """
name: {name}
models:
  here: {{use: {here}, base_url: "{here_url}", api_key: "${{KEY}}", thinking: medium, price: {{input: 3, output: 15}}}}
  there: {{use: {there}, base_url: "{there_url}", api_key: "${{KEY}}", thinking: medium, price: {{input: 3, output: 15}}}}
model: here
secrets: [KEY]
instructions: Be brief.
tools: [calculator]
"""
#: Long enough for the model to be changed meanwhile.
THINKING = " ".join(f"thought{n}" for n in range(40))
CALLS = (("calculator", {"expression": "6*7"}), ("calculator", {"expression": "6*8"}))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with serving({}) as made:
        yield made


@pytest.fixture(scope="module")
def definitions(servers: Servers) -> dict[str, str]:
    return {f"{here}.yaml": _agent(servers, here, there) for here, there in PAIRS}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"KEY": "sk-test-not-a-key"}


def _agent(servers: Servers, here: str, there: str) -> str:
    def use(name: str) -> str:
        return f"{provider_of(name)}/{DIALECTS[name].model}"

    def url(name: str) -> str:
        return servers.fakes[name].url + DIALECTS[name].base

    return AGENT.format(name=here, here=use(here), here_url=url(here), there=use(there), there_url=url(there))


@pytest.mark.parametrize(("here", "there"), PAIRS)
async def test_a_session_moves_there_and_back(
    http: httpx2.AsyncClient, servers: Servers, here: str, there: str
) -> None:
    servers.reset()
    sessions = Sessions(http)
    session = await sessions.create(here)

    async def calls(name: str, role: str) -> FakeProvider:
        """Lets the server think and call tools, and meanwhile sets the model that goes on."""
        fake = servers.fakes[name]
        before = len(fake.calls)
        fake.script(Reply(reasoning=f"{name} {THINKING}", text="Let me see.", tools=CALLS, gap=0.03))
        if not before and name == here:
            await sessions.send(session, "What is it?")
        await fake.until(lambda made: any(not call.refused and call.tokens for call in made[before:]))
        assert (await http.patch(f"/v1/sessions/{session}", json={"model": role})).status_code in (200, 202)
        return fake

    async with sessions.view(session) as viewer:
        await calls(here, "there")
        await calls(there, "here")
        servers.fakes[here].script(Reply(text="It is 42.", reasoning="So."))
        frames: list[Any] = list(await viewer.until("turn.finished"))

    steps = [frame.data for frame in frames if frame.type == "step.finished"]
    uses = [f"{provider_of(name)}/{DIALECTS[name].model}" for name in (here, there, here)]
    assert [step["model"] for step in steps] == uses
    assert frames[-1].data["reason"] == "done", frames[-1].data
    assert (
        "".join(part.get("text", "") for part in steps[-1]["message"]["parts"] if part["type"] == "text") == "It is 42."
    )
    results = [frame.data["result"]["output"]["result"] for frame in frames if frame.type == "tool.finished"]
    assert sorted(results) == ["42", "42", "48", "48"]
    refused = [call.refused for call in servers.calls() if call.refused]
    assert [refusal for refusal in refused if refusal.about not in ("field", "missing")] == []
    # At an address of which nothing is known, what a server refuses is learnt from it, and told.
    trace = (await http.get(f"/v1/sessions/{session}/trace")).json()
    assert [one.get("adapted") for one in trace["steps"]] == [step.get("adapted") for step in steps]
    if here == "mistral":
        assert any("stream_options" in words for words in steps[0]["adapted"])
