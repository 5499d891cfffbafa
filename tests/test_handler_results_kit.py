"""Handlers that end with a result, in whole sessions: over the death of a worker, and fresh runs."""

import pytest

from perdure.temporal.app.testing.kit import Perdure, assistant, user
from perdure.temporal.app.testing.points import Point

pytestmark = pytest.mark.server


@pytest.mark.parametrize("point", [None, "tool.started", "tool.finished"])
async def test_the_result_is_checked_and_told(perdure: Perdure, point: Point | None) -> None:
    perdure.tool("add", lambda a, b: a + b)
    session = await perdure.session("sums", continue_as_new_after=20)
    if point is not None:
        perdure.kill_worker(at=point)
    turn = await session.say("four")
    assert (turn.reason, turn.result, turn.text) == ("done", {"sum": 6}, '{"sum":6}')
    assert await session.transcript() == [user("four"), assistant('{"sum":6}')]
    assert perdure.model.asked == []


async def test_what_does_not_fit_names_block_and_field(perdure: Perdure) -> None:
    perdure.tool("add", lambda a, b: a + b)
    session = await perdure.session("sums")
    turn = await session.say("far too long")
    assert (turn.reason, turn.result) == ("failed", None)
    assert turn.error is not None
    assert turn.error.type == "answer_invalid"
    assert turn.error.message == (
        "message[1].finish: the result does not fit answer.schema: sum: 14 is greater than the maximum of 10"
    )
