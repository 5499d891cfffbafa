"""A conversation moves between any two servers in the middle of a tool loop. The fake servers are as strict as the real ones,
and refuse what another one made."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.vocabulary.parts import Text, ToolCall
from tests.support.moving import MOVABLE, Conversation, Servers, serving, thought

ENVIRONMENT = {"KEY": "sk-test-not-a-key"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with serving(ENVIRONMENT) as made:
        yield made


@pytest.fixture(autouse=True)
def _fresh(servers: Servers) -> None:
    servers.reset()


@pytest.mark.parametrize("there", MOVABLE)
@pytest.mark.parametrize("here", MOVABLE)
async def test_there_and_back_in_one_tool_loop(servers: Servers, here: str, there: str) -> None:
    talk = Conversation(servers)
    talk.say("Where is my order?")
    first = await talk.calls(here)
    second = await talk.calls(there)
    last = await talk.step(here, Reply(text="It is on its way.", reasoning=thought(here, 3)))

    for answer, server in ((first, here), (second, there)):
        calls = [part for part in answer.parts if isinstance(part, ToolCall)]
        assert [(call.name, call.args) for call in calls] == [
            ("find_order", {"id": f"{server}-1"}),
            ("find_stock", {"id": f"{server}-2"}),
        ]
    assert "".join(part.text for part in last.parts if isinstance(part, Text)) == "It is on its way."
    # What a server does not know of requests, or wants of all of them, it may refuse; the conversation never.
    refused = [call.refused for call in servers.calls() if call.refused]
    assert [refusal for refusal in refused if refusal.about not in ("field", "missing")] == []
    if here != there:
        for name, other in ((here, there), (there, here)):
            sent = json.dumps([call.body for call in servers.fakes[name].calls])
            assert f"What {other} thought" not in sent
