"""A session's event stream, however often it breaks."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from perdure.gateway.client.answers import refused
from perdure.gateway.client.errors import PerdureError, Unauthenticated, Unreachable
from perdure.gateway.client.events import Event, events_in
from perdure.gateway.client.repeating import OnWait, Repeating

if TYPE_CHECKING:
    from perdure.gateway.client.perdure import Perdure

_BREATH_S: Final = 0.1


async def breath() -> None:
    """Before a request that is no failure's repetition."""
    await asyncio.sleep(_BREATH_S)


async def events(
    perdure: "Perdure", session: str, cursor: int | None, on_wait: OnWait | None = None
) -> AsyncGenerator[Event]:
    """The events of the session at the path `session` that are greater than the cursor. Raises `PerdureError` where
    another attempt is of no use."""
    repeating = Repeating(f"GET {perdure.url}{session}/events", on_wait or perdure.on_wait, perdure.patience_s)
    renewed = False
    while True:
        error: PerdureError = Unreachable(f"the stream of {perdure.url} was cut")
        headers = {"Accept": "text/event-stream", **({} if cursor is None else {"Last-Event-ID": str(cursor)})}
        renewals = perdure.renewals
        try:
            async with perdure.streaming(f"{session}/events", headers) as response:
                if response.status_code == 204:
                    return
                if response.status_code != 200:
                    raise refused(response)
                async with aclosing(events_in(response.aiter_lines())) as arriving:
                    async for event in arriving:
                        repeating.succeeded()
                        renewed = False
                        if event.seq is not None:
                            cursor = event.seq
                        elif event.type == "session.snapshot":
                            cursor = event["seq"]
                        yield event
                        if event.type == "session.closed":
                            return
        except Unauthenticated:
            if renewed or not await perdure.renewed(renewals):
                raise
            renewed = True
            continue
        except PerdureError as failure:
            if not failure.passes and failure.status < 500:
                raise
            error = failure
        await repeating.wait(error)
