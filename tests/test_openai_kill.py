"""OpenAI's SDK as a client whose gateway and worker die in the middle of an answer."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S

pytestmark = [pytest.mark.server, pytest.mark.slow]

WORDS = " ".join(f"word{n}" for n in range(40))


async def test_a_reader_resumes_where_everything_was_killed(dev: Dev, provider: FakeProvider) -> None:
    """The attempt is lost, so the step is repeated: its items end, and others follow."""
    provider.script(Reply(text="Lost words that nobody keeps", fault="stall", fault_after=4))
    provider.default(Reply(text=WORDS, gap=0.01))
    items: dict[str, str] = {}
    ended: dict[str, str] = {}
    numbers: list[int] = []
    last: Any = None

    async def read(stream: Any) -> None:
        nonlocal last
        async for event in stream:
            numbers.append(event.sequence_number)
            if event.type == "response.created":
                ids.append(event.response.id)
            elif event.type == "response.output_text.delta":
                items[event.item_id] = items.get(event.item_id, "") + event.delta
                if "that" in items[event.item_id] and not killed.is_set():
                    killed.set()
            elif event.type == "response.output_item.done":
                ended[event.item.id] = event.item.status
            last = event

    ids: list[str] = []
    killed = asyncio.Event()
    async with AsyncOpenAI(base_url=f"{dev.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE_S) as client:
        stream = await client.responses.create(model="assistant", input="Go", background=True, stream=True)
        reading = asyncio.create_task(read(stream))
        async with asyncio.timeout(PATIENCE_S):
            await killed.wait()
        await dev.kill(group=True)
        with pytest.raises((openai.APIConnectionError, openai.APIError)):
            await reading
        await dev.start()
        async with asyncio.timeout(PATIENCE_S):
            while last is None or last.type != "response.completed":
                again = await client.responses.retrieve(ids[0], stream=True, starting_after=numbers[-1])
                await read(again)
        final = await client.responses.retrieve(ids[0])
    assert final.output_text == WORDS
    assert last.response == final
    assert numbers == sorted(set(numbers))
    (message,) = final.output
    assert message.type == "message"
    assert items[message.id] == WORDS
    assert {id: status for id, status in ended.items() if id != message.id} in ({}, {next(iter(items)): "incomplete"})  # noqa: A001
