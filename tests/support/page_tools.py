"""Tools for tests of pages: one says how far it is and ends when it is told, one makes a picture."""

import asyncio
import base64
from pathlib import Path

from temporalio import activity


@activity.defn
async def scan(until: str) -> str:
    """Scans a shelf.

    Args:
        until: The file that ends it, once it is there.
    """
    while not await asyncio.to_thread(Path(until).exists):
        activity.heartbeat("half of the shelf", 0.5)
        await asyncio.sleep(0.05)
    return "scanned"


@activity.defn
def draw(data: str) -> bytes:
    """Draws a picture.

    Args:
        data: The picture, in Base64.
    """
    return base64.b64decode(data)
