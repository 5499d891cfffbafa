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


@activity.defn
async def pay(amount: int) -> dict[str, str]:
    """Pays."""
    return {"payment_id": f"P-{amount}"}


@activity.defn
async def take_back(payment_id: str) -> str:
    """Takes a payment back."""
    return f"{payment_id} is taken back"


@activity.defn
async def post(to: str) -> str:
    """Sends a letter."""
    return f"sent to {to}"
