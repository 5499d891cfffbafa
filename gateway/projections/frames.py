"""Where items become bytes: the edge of the gateway.

Rule: an item is encoded once, by the first viewer that is sent it, however many others are sent it too.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from perdure.gateway.http.sse import encode
from perdure.gateway.live.items import Item
from perdure.gateway.projections.native import shown


async def frames_of(items: AsyncGenerator[Item]) -> AsyncIterator[bytes]:
    """Each item as a frame, encoded by the first viewer that is sent it."""
    # A reader that goes away must end the watch's reader too, now and not when it is collected.
    async with aclosing(items):
        async for item in items:
            if item.encoded is None:
                item.encoded = encode(*shown(item.value), item.seq)
            yield item.encoded
