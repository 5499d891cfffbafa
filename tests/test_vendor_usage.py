"""Usage over the wires, from wherever each server puts it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.activities.models.meter import Meter
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.vocabulary.parts import Usage
from tests.support.moving import MOVABLE, Conversation, Servers, serving

#: These do not say what they read from a cache.
NO_CACHE = {"mistral", "groq", "gemini-chat", "ollama"}
#: What xAI told of a request: 1,499 tokens of completion, 14,428 in all, and 2,809 of hidden reasoning.
TOLD = Reply(text="Well.", input_tokens=10_120, cached_tokens=64, output_tokens=4308, reasoning_tokens=2809)
UNTOLD = Reply(text="Well, this is all.", usage="none")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with serving({"KEY": "sk-test-not-a-key"}) as made:
        yield made


async def counted(servers: Servers, name: str, reply: Reply) -> Usage:
    """The usage that the books have of an answer."""
    talk = Conversation(servers)
    talk.say("Where is my order?")
    answer = await talk.step(name, reply)
    meter = Meter(None, 900, 4096)
    meter.sent()
    meter.answered(answer.usage, answer.parts)
    return meter.usage()


@pytest.mark.parametrize("name", MOVABLE)
async def test_what_a_server_counted_is_read(servers: Servers, name: str) -> None:
    usage = await counted(servers, name, TOLD)
    assert (usage.input_tokens, usage.output_tokens) == (10_120, 4308)
    assert usage.cached_tokens == (0 if name in NO_CACHE else 64)
    assert usage.reasoning_tokens in (0, 2809)
    assert not usage.estimated


@pytest.mark.parametrize("name", MOVABLE)
async def test_what_a_server_did_not_count_is_estimated(servers: Servers, name: str) -> None:
    usage = await counted(servers, name, UNTOLD)
    assert usage == Usage(input_tokens=300, output_tokens=6, estimated=True)
