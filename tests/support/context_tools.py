"""Tools that say on whose behalf they are called. All but one import nothing of Perdure's."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

import perdure


@activity.defn
async def whoami(greeting: str, who: perdure.ToolContext) -> dict[str, Any]:
    """Says on whose behalf it runs."""
    return {
        "greeting": greeting,
        "tenant": who.tenant,
        "user": who.user,
        "session": who.session_id,
        "agent": who.agent,
        "turn": who.turn_id,
        "call": who.call_id,
        "inputs": dict(who.inputs),
        "metadata": dict(who.metadata),
        "timezone": who.timezone,
        "key": who.idempotency_key,
    }


@activity.defn
def whoami_thread(who: perdure.ToolContext | None = None) -> str | None:
    """Says in a thread who its user is."""
    return who.user if who is not None else "nobody said"


@activity.defn
def whoami_process(who: perdure.ToolContext) -> str:
    """Says in a process of its own who its user is."""
    return f"{who.user} {who.metadata['plan']} {who.call_id}"


@activity.defn
async def whoami_plainly(call: Annotated[Mapping[str, Any], "perdure.context"], context: str) -> list[Any]:
    """Has an argument that is called `context`, and a context that is not.

    Args:
        call: Never shown.
        context: What it is about.
    """
    return [call["user"], call["idempotency_key"], context]


class Behalf(Protocol):
    @property
    def user(self) -> str | None: ...


@dataclass(frozen=True)
class Customer:
    user: str
    metadata: dict[str, Any]


@activity.defn
async def whose_order(
    order: str,
    behalf: Annotated[Behalf, "perdure.context"],
) -> list[Any]:
    """Takes the context as a protocol."""
    return [order, behalf.user]


@activity.defn
async def whose_cart(cart: str, customer: Annotated[Customer, "perdure.context"]) -> list[Any]:
    """Needs a user."""
    return [cart, customer.user, customer.metadata.get("plan")]


@activity.defn
async def break_for(who: perdure.ToolContext) -> str:
    """Fails, so that its fallback is called."""
    raise ApplicationError("no", type="broken", non_retryable=True)


@activity.defn
async def stand_in_for(who: perdure.ToolContext) -> str:
    """Stands in for another."""
    await asyncio.sleep(0)
    return f"{who.user} {who.call_id}"
