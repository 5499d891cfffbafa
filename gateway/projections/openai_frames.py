"""Events of a response as frames of a stream, as OpenAI's clients read them: the edge."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from perdure.gateway.http.sse import encode
from perdure.gateway.projections.openai_step import StreamEvent


async def response_frames(events: AsyncGenerator[StreamEvent]) -> AsyncIterator[bytes]:
    """Each event under its own name. They have no `id:`: a reader goes on after a `sequence_number`."""
    async with aclosing(events):
        async for event in events:
            yield encode(event["type"], event)
