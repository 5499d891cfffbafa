"""Events of a response as frames of a stream, as OpenAI's clients read them: the edge."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from perdure.gateway.http.sse import encode, encode_data
from perdure.gateway.projections.openai_chat import ChatChunks
from perdure.gateway.projections.openai_step import StreamEvent


async def response_frames(events: AsyncGenerator[StreamEvent]) -> AsyncIterator[bytes]:
    """Each event under its own name. They have no `id:`: a reader goes on after a `sequence_number`."""
    async with aclosing(events):
        async for event in events:
            yield encode(event["type"], event)


async def chat_frames(events: AsyncGenerator[StreamEvent], chunks: ChatChunks) -> AsyncIterator[bytes]:
    """The same as pieces of a chat completion, with `[DONE]` behind the last one."""
    async with aclosing(events):
        async for event in events:
            for chunk in chunks.take(event):
                yield encode_data(chunk)
    yield b"data: [DONE]\n\n"
