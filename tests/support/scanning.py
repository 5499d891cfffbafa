"""A tool for tests that says how far it is, and ends when it is told."""

import asyncio
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
