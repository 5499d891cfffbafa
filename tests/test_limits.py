"""Limits within one process: places, and what counts for whom."""

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perdure.temporal.sessions.errors import RateLimited, TooManyStreams, TooManyTurns
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.sessions.limits.memory_places import MemoryPlaces
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.settings import Settings

ANN = Principal("acme", "ann")
BOB = Principal("acme", "bob")
EVE = Principal("other", "ann")


def limits(**settings: Any) -> Limits:
    return Limits(Caps.of(Settings(**settings)))


async def refused(limits: Limits, by: Principal, times: int) -> int:
    count = 0
    for _ in range(times):
        try:
            await limits.request(by)
        except RateLimited:
            count += 1
    return count


async def test_what_has_no_limit_is_not_counted() -> None:
    free = limits()
    assert await free.request(ANN) is None
    assert not free.counts_turns
    assert not Caps.of(Settings()).any_shared


async def test_a_hot_tenant_costs_another_nothing() -> None:
    """200 requests at once of one tenant, and in their midst those of another."""
    both = limits(requests_per_tenant=0.01, requests_burst_s=1000)
    of_acme = await refused(both, ANN, 100) + await refused(both, BOB, 50)
    of_other = await refused(both, EVE, 10)
    of_acme += await refused(both, BOB, 50)
    assert (of_acme, of_other) == (190, 0)


async def test_a_user_is_refused_alone_and_told_when_to_come_again() -> None:
    each = limits(requests_per_principal=0.01, requests_per_tenant=1, requests_burst_s=100)
    verdict = await each.request(ANN)
    assert verdict is not None
    assert [(one.scope, one.rate.most, one.remaining) for one in verdict.standings] == [
        ("user", 1, 0),
        ("tenant", 100, 99),
    ]
    with pytest.raises(RateLimited, match=r"The caller may make 0\.01 requests a second") as caught:
        await each.request(ANN)
    assert 90 < caught.value.retry_after_s <= 100
    assert await refused(each, BOB, 1) == 0


async def test_streams_are_counted_until_they_end() -> None:
    few = limits(streams_per_principal=2, streams_per_tenant=3)
    places = [await few.stream(ANN), await few.stream(ANN)]
    with pytest.raises(TooManyStreams, match="2 of the caller's event streams"):
        await few.stream(ANN)
    await few.stream(BOB)
    with pytest.raises(TooManyStreams, match="3 of the tenant's event streams"):
        await few.stream(BOB)
    await few.stream(EVE)
    places[0].leave()
    await few.stream(BOB)


async def test_a_session_that_works_counts_once_and_no_longer_than_it_works() -> None:
    few = limits(turns_per_user=1, turns_per_tenant=2)
    few.hear_sessions()
    await few.turn("acme/s1", "ann")
    await few.turn("acme/s1", "ann")
    with pytest.raises(TooManyTurns, match="1 of the user's sessions"):
        await few.turn("acme/s2", "ann")
    (await few.turn("acme/s3", None)).leave()
    # What a timer began counts, too, and is told from threads of the worker.
    teller = threading.Thread(target=few.at_work, args=("acme/s4", "bob", True))
    teller.start()
    await asyncio.to_thread(teller.join)
    with pytest.raises(TooManyTurns, match="2 of the tenant's sessions"):
        await few.turn("acme/s5", None)
    await few.turn("other/s1", "ann")
    few.at_work("acme/s1", "ann", False)
    await asyncio.sleep(0)
    await few.turn("acme/s2", "ann")


async def test_a_message_that_was_not_sent_gives_its_place_back_and_no_other() -> None:
    few = limits(turns_per_tenant=1)
    working = await few.turn("acme/s1", None)
    again = await few.turn("acme/s1", None)
    again.leave()
    with pytest.raises(TooManyTurns):
        await few.turn("acme/s2", None)
    working.leave()
    await few.turn("acme/s2", None)


STEPS = st.lists(
    st.tuples(st.sampled_from(["enter", "leave", "hold"]), st.sampled_from("abcdef"), st.integers(0, 5)), max_size=60
)


@given(STEPS)
@example([("enter", "a", 0), ("enter", "c", 1), ("enter", "d", 0), ("hold", "b", 4), ("enter", "a", 5)])
def test_places_are_given_as_a_plain_list_of_them_says(steps: list[tuple[str, str, int]]) -> None:
    now = 0
    places = MemoryPlaces(clock=lambda: now)
    #: Who has a place, and until when.
    listed: dict[str, int] = {}
    for what, member, wait in steps:
        now += wait
        listed = {name: until for name, until in listed.items() if until > now}
        if what == "enter":
            entry = places.enter([("one", 3), ("two", 6)], member, 10)
            full = member not in listed and len(listed) >= 3
            assert (entry.full, entry.known) == (0 if full else None, member in listed and not full)
            if not full:
                listed[member] = now + 10
        elif what == "hold":
            places.hold(["one", "two"], member, 10)
            listed[member] = now + 10
        else:
            places.leave(["one", "two"], member)
            listed.pop(member, None)
        assert places.count("one") == places.count("two") == len(listed)
