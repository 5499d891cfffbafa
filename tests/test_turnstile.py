"""The queue for calls to Temporal, tested without Temporal: whose turn it is, and who finds it full."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.temporal.sessions.errors import Overloaded
from perdure.temporal.sessions.turnstile import Turnstile


class Visitors:
    """Calls at a turnstile, which end on request; `served` lists those that got a place, in order."""

    def __init__(self, turnstile: Turnstile) -> None:
        self._turnstile = turnstile
        self.served: list[str] = []
        self.refused: list[str] = []
        self.codes: set[str] = set()
        self._ends: dict[int, asyncio.Event] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, *sessions: str) -> None:
        for session in sessions:
            self._ends[len(self.tasks)] = asyncio.Event()
            self.tasks.append(asyncio.create_task(self._visit(session, len(self.tasks))))
        await self.settled()

    async def _visit(self, session: str, number: int) -> None:
        try:
            async with self._turnstile.turn(session):
                self.served.append(session)
                await self._ends[number].wait()
        except Overloaded as error:
            self.refused.append(session)
            self.codes.add(error.code)

    async def settled(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def end(self, number: int) -> None:
        self._ends[number].set()

    async def all_leave(self) -> list[str]:
        for _ in self.tasks:
            for number, task in enumerate(self.tasks):
                if not task.done():
                    self._ends[number].set()
            await self.settled()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return self.served


async def test_one_that_has_many_holds_up_nobody() -> None:
    visitors = Visitors(Turnstile(places=1, length=100, wait_s=60, place_s=None))
    await visitors.come("a/hot", *["a/hot"] * 5, "a/quiet", "b/other")
    assert await visitors.all_leave() == ["a/hot", "a/hot", "b/other", "a/quiet", *["a/hot"] * 4]


async def test_what_finds_it_full_is_refused_at_once() -> None:
    visitors = Visitors(Turnstile(places=2, length=3, wait_s=60, place_s=None))
    await visitors.come(*[f"a/{number}" for number in range(7)])
    assert (visitors.refused, visitors.codes) == (["a/5", "a/6"], {"overloaded"})
    assert await visitors.all_leave() == [f"a/{number}" for number in range(5)]


async def test_what_waits_too_long_is_refused() -> None:
    visitors = Visitors(Turnstile(places=1, length=3, wait_s=0.01, place_s=None))
    await visitors.come("a/1", "a/2")
    await visitors.tasks[1]
    assert (visitors.refused, visitors.codes) == (["a/2"], {"overloaded"})
    assert await visitors.all_leave() == ["a/1"]


async def test_a_call_that_lasts_gives_its_place_away() -> None:
    visitors = Visitors(Turnstile(places=1, length=3, wait_s=60, place_s=0))
    await visitors.come("a/1", "a/2")
    await visitors.settled()
    assert visitors.served == ["a/1", "a/2"]
    await visitors.all_leave()


async def test_a_tenant_takes_no_more_than_its_part_however_long_its_calls_last() -> None:
    visitors = Visitors(Turnstile(places=4, length=100, wait_s=None, place_s=None, of_tenant=2))
    await visitors.come("a/1", "a/2", "a/3", "a/4", "b/1", "b/2", "c/1", "b/3")
    assert visitors.served == ["a/1", "a/2", "b/1", "b/2"]
    visitors.end(0)
    await visitors.settled()
    # Whose turn it is goes before whose place came free.
    assert visitors.served[4:] == ["a/3"]
    visitors.end(1)
    await visitors.settled()
    assert visitors.served[5:] == ["c/1"]
    assert sorted(await visitors.all_leave()) == ["a/1", "a/2", "a/3", "a/4", "b/1", "b/2", "b/3", "c/1"]


@given(st.lists(st.tuples(st.sampled_from(["come", "leave", "give up"]), st.integers(0, 3)), max_size=30))
@pytest.mark.parametrize("of_tenant", [None, 1, 2])
async def test_no_place_is_lost_or_made(of_tenant: int | None, acts: list[tuple[str, int]]) -> None:
    # On a busy machine even a call of no length may last too long for its place.
    turnstile = Turnstile(places=2, length=5, wait_s=60, place_s=None, of_tenant=of_tenant)
    visitors = Visitors(turnstile)
    for act, number in acts:
        match act:
            case "come":
                await visitors.come(f"{number % 2}/{number}")
            case "leave":
                visitors._ends.get(number, asyncio.Event()).set()
            case _ if number < len(visitors.tasks):
                visitors.tasks[number].cancel()
        await visitors.settled()
    await visitors.all_leave()
    again = Visitors(turnstile)
    await again.come("a/1", *["b/1"] * 8)
    assert (len(again.served), len(again.refused)) == (2, 2)
    await again.all_leave()


async def test_a_place_that_comes_free_as_the_next_one_gives_up_goes_to_the_one_behind() -> None:
    visitors = Visitors(Turnstile(places=1, length=10, wait_s=60, place_s=None))
    await visitors.come("a/holder", "a/hasty", "a/patient")
    holder, hasty, patient = visitors.tasks
    # The holder leaves before the other's task has processed its cancellation.
    visitors.end(0)
    hasty.cancel()
    await visitors.settled()
    assert (visitors.served, hasty.cancelled(), holder.exception()) == (["a/holder", "a/patient"], True, None)
    visitors.end(2)
    await patient
    await visitors.come("b/later")
    assert visitors.served[-1] == "b/later"
