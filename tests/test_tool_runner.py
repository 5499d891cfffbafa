from typing import Any

import pytest

from activities.tool_runner import read_progress
from temporal.live import ToolProgress


@pytest.mark.parametrize(
    ("details", "message", "fraction"),
    [
        (("reading",), "reading", None),
        ((0.5,), None, 0.5),
        (("reading", 0.5), "reading", 0.5),
        (({"message": "reading", "fraction": 0.5},), "reading", 0.5),
        (({"message": "reading", "page": 7},), "reading", None),
        ((7,), None, 1.0),
        ((-1,), None, 0.0),
        (("x" * 10_000,), "x" * 500, None),
    ],
)
def test_a_heartbeat_tells_how_far_it_is(details: tuple[Any, ...], message: str | None, fraction: float | None) -> None:
    assert read_progress("t1.s1.c1", details) == ToolProgress("t1.s1.c1", message, fraction)


@pytest.mark.parametrize("details", [(), ("",), (None,), (True,), (float("nan"),), ({"page": 7},), ([1, 2],)])
def test_what_is_not_for_people_is_not_told(details: tuple[Any, ...]) -> None:
    assert read_progress("t1.s1.c1", details) is None


def test_a_fallback_tells_of_the_call() -> None:
    assert read_progress("t1.s1.c1.fallback", (0.5,)) == ToolProgress("t1.s1.c1", None, 0.5)
