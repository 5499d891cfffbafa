"""`/readyz` costs one look, however many ask, and however often."""

import asyncio
import gc

import pytest

from perdure.gateway.http.readiness import REMEMBERED_S, Readiness
from perdure.temporal.sessions.errors import NoWorker


class Place:
    """What is looked at, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0
        self.begun = asyncio.Event()
        self.seen = asyncio.Event()
        self.missing = False
        self.readiness = Readiness(self.look, lambda: self.now)

    async def look(self) -> None:
        self.looks += 1
        self.begun.set()
        missing = self.missing
        await self.seen.wait()
        if missing:
            raise NoWorker


async def test_who_asks_during_a_look_waits_for_that_one() -> None:
    place = Place()
    asking = [asyncio.create_task(place.readiness.check()) for _ in range(100)]
    await place.begun.wait()
    # A look that takes long is not begun again for that.
    place.now += 10 * REMEMBERED_S
    late = asyncio.create_task(place.readiness.check())
    asking[0].cancel()
    await asyncio.wait({asking[0]})
    assert not any(task.done() for task in [*asking[1:], late])
    place.seen.set()
    await asyncio.gather(*asking[1:], late)
    assert (place.looks, asking[0].cancelled()) == (1, True)


@pytest.mark.parametrize("missing", [False, True])
async def test_what_was_found_counts_for_a_second(missing: bool) -> None:
    place = Place()
    place.seen.set()
    place.missing = missing

    async def is_ready() -> bool:
        try:
            await place.readiness.check()
        except NoWorker:
            return False
        return True

    assert await is_ready() is not missing
    place.missing = not missing
    place.now += REMEMBERED_S * 0.99
    assert (await is_ready() is not missing, place.looks) == (True, 1)
    place.now += REMEMBERED_S * 0.01
    assert (await is_ready() is missing, place.looks) == (True, 2)


def test_a_look_that_nobody_waits_for_any_more_fails_quietly() -> None:
    unhandled: list[str] = []

    async def give_up() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context["message"]))
        place = Place()
        place.missing = True
        asked = asyncio.create_task(place.readiness.check())
        await place.begun.wait()
        asked.cancel()
        place.seen.set()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
        del place, asked
        gc.collect()

    # On a loop of its own, where no other test has left a task.
    asyncio.run(give_up())
    assert unhandled == []
