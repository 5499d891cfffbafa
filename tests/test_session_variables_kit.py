"""Session variables in the test kit: over the death of a worker at any block, over fresh runs, and in a fork."""

import pytest

from perdure.temporal.app.testing.kit import Perdure
from perdure.temporal.app.testing.points import Point

pytestmark = pytest.mark.server


@pytest.mark.parametrize("point", ["step.streaming", "step.finished"])
async def test_variables_survive_a_worker_and_fresh_runs(perdure: Perdure, point: Point) -> None:
    session = await perdure.session("visits", continue_as_new_after=20)
    told = []
    for topic in ("lamps", "roses", "rain"):
        perdure.model.says(topic)
        perdure.model.says("Well.")
        if topic == "roses":
            perdure.kill_worker(at=point)
        assert (await session.say("hi")).text == "Well."
        told.append(perdure.model.asked[-1].system)
    assert len(await session.runs()) > 1
    assert told == [
        "Be brief. This is visit 1, about lamps.",
        "Be brief. This is visit 2, about roses.",
        "Be brief. This is visit 3, about rain.",
    ]
    assert list((await session.variables()).items()) == [("visits", 3), ("topic", "rain")]
