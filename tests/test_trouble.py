"""A model call that fails and is tried again, as viewers are told of it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from perdure.gateway.live.trouble import Trouble
from perdure.gateway.openapi.stream import FRAMES
from perdure.gateway.projections.native import shown
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.sessions.look import Look, StepRetrying
from perdure.workflows.vocabulary.events import StepStarted

DUE = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = StepRetrying("t1.s1", 1, "model_overloaded", "It is overloaded.", DUE)
SECOND = StepRetrying("t1.s1", 2, "model_overloaded", "It is overloaded.")


def look(*retrying: StepRetrying) -> Look:
    return Look("run", 1, retrying=retrying)


def watched(step: str | None = "t1.s1", looks: Sequence[Look] = ()) -> tuple[Trouble, list[StepRetrying]]:
    told: list[StepRetrying] = []
    left = iter(looks)

    async def next_look() -> Look:
        return next(left)

    return Trouble(step, next_look, told.append), told


def test_what_is_new_is_told_once_and_to_whoever_comes_later() -> None:
    trouble, told = watched()
    for found in (look(), look(FIRST), look(FIRST), look(SECOND), look()):
        trouble.take(found)
    assert told == [FIRST, SECOND]
    assert trouble.so_far() == [SECOND]


def test_the_first_sign_of_an_answer_ends_it() -> None:
    trouble, told = watched()
    trouble.take(look(FIRST))
    # An attempt that begins has said nothing yet, and may fail as well.
    trouble.hear(StepProgress("t1.s1", 2))
    assert trouble.so_far() == [FIRST]
    trouble.hear(StepDelta("t1.s1", 2, 0, 0, "text", "Well"))
    assert trouble.so_far() == []
    assert told == [FIRST]


def test_another_step_has_nothing_of_it() -> None:
    trouble, told = watched()
    trouble.take(look(FIRST))
    trouble.follow(StepStarted(seq=9, at=DUE, turn_id="t1", step_id="t1.s2", model="m"))
    assert trouble.so_far() == []
    trouble.take(look(FIRST))
    assert told == [FIRST]


async def test_a_step_that_is_silent_is_looked_at() -> None:
    trouble, told = watched(looks=[look(), look(FIRST)])
    running = asyncio.create_task(trouble.run())
    async with asyncio.timeout(30):
        while not told:  # noqa: ASYNC110 - told by a function, and not at once
            await asyncio.sleep(0.01)
    running.cancel()
    assert told == [FIRST]


def test_it_is_sent_as_its_schema_says() -> None:
    for one, due in ((FIRST, "2026-01-01T00:00:00Z"), (SECOND, None)):
        kind, data = shown(one)
        assert kind == "step.retrying"
        assert FRAMES[kind].model_validate(data).model_dump(mode="json")["failures"] == one.failures
        assert data["retry_at"] == due
