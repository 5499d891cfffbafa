"""A conversation moves between any two servers in the middle of a tool loop. The fake servers are as strict as the real ones,
and refuse what another one made."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.vocabulary.parts import Text, ToolCall
from tests.support.moving import KNOWN, MOVABLE, Conversation, Servers, serving, standing_in, thought

KEYS = ("KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "AWS_BEARER_TOKEN_BEDROCK")
ENVIRONMENT = {"AWS_REGION": "us-east-1", **dict.fromkeys(KEYS, "sk-test-not-a-key")}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def elsewhere() -> AsyncIterator[Servers]:
    """Each server at an address of which nothing is known."""
    async with serving(ENVIRONMENT) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def vendors() -> AsyncIterator[Servers]:
    """The vendors' own servers."""
    with pytest.MonkeyPatch.context() as patch:
        # The SDKs find them by themselves.
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        async with standing_in(ENVIRONMENT, patch) as made:
            yield made


async def there_and_back(servers: Servers, here: str, there: str) -> None:
    servers.reset()
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
    assert {call.dialect.name for call in servers.calls()} == {here, there}
    if here != there:
        for name, other in ((here, there), (there, here)):
            sent = json.dumps([call.body for call in servers.calls(name)])
            assert f"What {other} thought" not in sent


async def at_unknown_addresses(servers: Servers, here: str, there: str) -> None:
    await there_and_back(servers, here, there)
    # What a server does not know of requests, or wants of all of them, it may refuse; the conversation never.
    refused = [call.refused for call in servers.calls() if call.refused]
    assert [refusal for refusal in refused if refusal.about not in ("field", "missing")] == []


@pytest.mark.parametrize(("here", "there"), list(zip(MOVABLE, (*MOVABLE[3:], *MOVABLE[:3]), strict=True)))
async def test_there_and_back_in_one_tool_loop(elsewhere: Servers, here: str, there: str) -> None:
    await at_unknown_addresses(elsewhere, here, there)


@pytest.mark.slow
@pytest.mark.parametrize("there", MOVABLE)
@pytest.mark.parametrize("here", MOVABLE)
async def test_there_and_back_between_any_two(elsewhere: Servers, here: str, there: str) -> None:
    await at_unknown_addresses(elsewhere, here, there)


@pytest.mark.parametrize("name", MOVABLE)
async def test_what_a_server_refused_once_it_is_not_asked_again(elsewhere: Servers, name: str) -> None:
    for other in ("anthropic", "vllm"):
        await there_and_back(elsewhere, name, other)
    await there_and_back(elsewhere, name, "openai")
    assert [call.refused for call in elsewhere.calls() if call.refused] == []


@pytest.mark.parametrize("there", KNOWN)
@pytest.mark.parametrize("here", KNOWN)
async def test_there_and_back_between_vendors(vendors: Servers, here: str, there: str) -> None:
    """Of vendors it is known beforehand what they refuse."""
    await there_and_back(vendors, here, there)
    assert [call.refused for call in vendors.calls() if call.refused] == []
