"""Handlers in the test kit: over the death of a worker at any block, and over continue-as-new."""

import pytest

from perdure.temporal.app.testing.kit import Perdure, assistant, user
from perdure.temporal.app.testing.points import Point
from perdure.temporal.sessions.errors import InvalidRequest
from perdure.workflows.vocabulary.events import Event

pytestmark = pytest.mark.server


def script(perdure: Perdure) -> None:
    perdure.tool("add", lambda a, b: a + b)
    perdure.model.says("sums")
    perdure.model.says("Not at all.")
    perdure.model.says("Six.")


def kinds(events: list[Event]) -> list[str]:
    return [event.type for event in events if event.type.startswith(("step.finished", "tool.finished", "turn."))]


@pytest.mark.parametrize("point", ["step.streaming", "step.finished", "tool.started", "tool.finished"])
async def test_a_worker_dies_at_a_block(perdure: Perdure, point: Point) -> None:
    script(perdure)
    session = await perdure.session("router")
    perdure.kill_worker(at=point)

    turn = await session.say("sum them up")

    assert (turn.reason, turn.text) == ("done", "Six.")
    assert kinds(await session.events()) == [
        "turn.started",
        "step.finished",
        *["tool.finished"] * 3,
        "step.finished",
        "step.finished",
        "turn.finished",
    ]
    assert await session.transcript() == [user("sum them up"), assistant("Six.")]
    last = perdure.model.asked[-1]
    assert (last.model, last.system) == ("demo/stage", "Be brief.\n\nThe sum is 6. Is it a lot? Not at all.")


async def test_a_handler_goes_on_in_fresh_runs(perdure: Perdure) -> None:
    session = await perdure.session("router", continue_as_new_after=20)
    for _ in range(2):
        script(perdure)
        assert (await session.say("sum them up")).text == "Six."
    assert len(await session.runs()) > 2
    assert await session.transcript() == [user("sum them up"), assistant("Six.")] * 2


async def test_a_long_handler_costs_hardly_any_history(perdure: Perdure) -> None:
    perdure.model.says("counting")
    session = await perdure.session("router")

    turn = await session.say("count")

    assert turn.text == f"It is {sum(range(0, 10_000, 2))}."
    assert await session.transcript() == [user("count"), assistant(turn.text)]
    (run,) = await session.runs()
    # It gives way now and then, which takes a timer each time, and nothing else is written of 25,000 blocks.
    assert len(run.events) < 80
    perdure.model.says("counting")
    rested = await perdure.session("router", continue_as_new_after=20)
    assert (await rested.say("count")).text == turn.text


async def test_a_handler_waits_for_days(perdure: Perdure) -> None:
    session = await perdure.session("router", continue_as_new_after=20)
    perdure.model.says("reminder")
    perdure.model.says("I will.")
    assert (await session.say("the roses")).reason == "parked"
    perdure.model.says("smalltalk")
    perdure.model.says("Fine, thanks.")
    assert (await session.say("how are you?")).text == "Fine, thanks."
    await perdure.restart_worker()

    await perdure.later(days=3)

    assert (await session.transcript())[-1] == assistant("You asked me to remind you: the roses")
    assert (await session.snapshot()).status == "idle"


async def test_a_trigger_is_carried_out_once(perdure: Perdure) -> None:
    session = await perdure.session("router")
    perdure.model.says("Two weeks.")

    for _ in range(2):
        turn = await session.trigger("look_up", "x1", order_id="A-1")

    assert (turn.reason, turn.text) == ("done", "A-1 takes Two weeks.")
    assert await session.transcript() == [assistant("A-1 takes Two weeks.")]
    with pytest.raises(InvalidRequest, match="is required"):
        await session.trigger("look_up")
    with pytest.raises(InvalidRequest, match="did you mean 'look_up'"):
        await session.trigger("lookup", order_id="A-1")
