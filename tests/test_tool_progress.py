"""The progress in a tool's heartbeat, in each form that tools use."""

from typing import Any

import pytest

from perdure.temporal.live.frames import ToolProgress
from perdure.temporal.live.tool_progress import read_progress


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
        ((10**400,), None, 1.0),
        (("x" * 10_000,), "x" * 500, None),
        # Both at once.
        ((("reading", 0.5),), "reading", 0.5),
        ((["reading", 0.5],), "reading", 0.5),
        # A count and its total.
        (({"done": 2, "of": 4},), None, 0.5),
        (({"done": 1, "total": 4},), None, 0.25),
        (({"current": 3, "total": 4},), None, 0.75),
        (({"completed": 4, "total": 4},), None, 1.0),
        (({"Processed": 1, "OutOf": 8},), None, 0.125),
        (({"progress": 30, "total": 40, "message": "page 30"},), "page 30", 0.75),
        (({"done": 5, "of": 4},), None, 1.0),
        (({"done": -1, "of": 4},), None, 0.0),
        (({"done": 10**400, "of": 10**400},), None, 1.0),
        # A fraction, and a percentage.
        (({"progress": 0.5},), None, 0.5),
        (({"percent": 50, "text": "reading"},), "reading", 0.5),
        (({"percentage": 0.5},), None, 0.005),
        (({"pct": 100, "status": "writing"},), "writing", 1.0),
        # Anything else is shown unchanged.
        (({"page": 7},), '{"page":7}', None),
        (([1, 2],), "[1,2]", None),
        (({"done": 2, "of": 4, "file": "ä.csv"},), '{"file":"ä.csv"}', 0.5),
        (({"done": 2, "of": 0},), '{"done":2,"of":0}', None),
        (({"done": True, "of": 4},), '{"done":true,"of":4}', None),
        (({"progress": 45},), '{"progress":45}', None),
        (({"percent": 101},), '{"percent":101}', None),
        (({"fraction": "half", "page": None},), '{"fraction":"half"}', None),
        (({"half": "\ud83d"},), '{"half":"?"}', None),
        (([{"page": 7}] * 100,), ("[" + '{"page":7},' * 100)[:499] + "…", None),
        # The last of several details that contains it.
        (({"done": 1, "of": 4}, "reading"), "reading", 0.25),
        ((b"\xff", {"page": 7}, 0.5), '{"page":7}', 0.5),
    ],
)
def test_a_heartbeat_says_how_far_it_is(details: tuple[Any, ...], message: str | None, fraction: float | None) -> None:
    assert read_progress("t1.s1.c1", details) == ToolProgress("t1.s1.c1", message, fraction)


@pytest.mark.parametrize(
    "details",
    [
        *((), ("",), (None,), (True,), (float("nan"),), ({"loss": float("nan")},), (object(),), (b"page 7",)),
        *(({},), ([],), ({"message": ""},), ({"message": None, "fraction": None},)),
    ],
)
def test_what_says_nothing_to_people_is_not_shown(details: tuple[Any, ...]) -> None:
    assert read_progress("t1.s1.c1", details) is None


def test_a_fallback_speaks_of_the_call() -> None:
    assert read_progress("t1.s1.c1.fallback", (0.5,)) == ToolProgress("t1.s1.c1", None, 0.5)
