"""The tools of the agents in `tests/support/agents`."""

import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError


@activity.defn
async def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@activity.defn
async def book(size: int) -> str:
    """Returns a long text."""
    return "x" * size


@activity.defn
async def refuse(reason: str) -> str:
    """Fails with a type of its own."""
    raise ApplicationError(reason, type="refused", non_retryable=True)


@activity.defn
async def hang(name: str) -> str:
    """Never answers by itself."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)
