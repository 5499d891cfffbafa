"""The events of a model server's answer, from its raw bytes."""

from collections.abc import AsyncGenerator

import httpx2

from perdure.activities.models.sse_events import SseDecoder, SseEvent


async def events_of(response: httpx2.Response) -> AsyncGenerator[SseEvent, None]:
    """The events in the body of `response`, as they come. Raises `httpx2.TransportError`."""
    decoder = SseDecoder()
    async for chunk in response.aiter_bytes():
        for event in decoder.feed(chunk):
            yield event
    for event in decoder.end():
        yield event
