"""The test kit's clock, over what its server forgets."""

import asyncio
from datetime import timedelta

import pytest

from perdure.temporal.app.testing.kit import Perdure

pytestmark = pytest.mark.server


async def test_the_clock_goes_on_after_questions_to_a_session_that_goes_on_in_fresh_runs(perdure: Perdure) -> None:
    """In some two of three such sessions, the server keeps a hold of the clock that belongs to a run which is over."""
    session = await perdure.session("router", continue_as_new_after=20)

    async def ask() -> None:
        while True:
            await session.snapshot()

    asking = asyncio.create_task(ask())
    for _ in range(6):
        perdure.model.says("counting")
        await session.say("count")
    asking.cancel()
    begun = await perdure.now()

    await perdure.later(days=1)

    # Nor is it let go of once too often: it would run away.
    await asyncio.sleep(0.1)
    assert timedelta(days=1) <= await perdure.now() - begun < timedelta(days=1, minutes=1)
