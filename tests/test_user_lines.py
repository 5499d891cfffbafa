"""Which line is shown for a thread that blocks others: the user's, not that of code that the user calls."""

import inspect
import json
import re
from collections.abc import Callable
from types import FrameType

import pytest

from perdure.activities.tools.user_lines import user_line

HERE = __file__


def frame_within() -> FrameType:
    """The frame of a callback that the standard library calls for us."""
    found: list[FrameType] = []

    def callback(pairs: list[tuple[str, object]]) -> None:
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        found.append(frame.f_back)

    json.loads('{"a": 1}', object_pairs_hook=callback)
    return found[0]


def own_frame() -> FrameType:
    frame = inspect.currentframe()
    assert frame is not None
    return frame


@pytest.mark.parametrize("frame_of", [frame_within, own_frame])
def test_the_innermost_line_that_is_a_user_s(frame_of: Callable[[], FrameType]) -> None:
    frame = frame_of()
    assert re.fullmatch(rf"{re.escape(HERE)}:\d+", user_line(frame, "tools.py:3"))


def test_what_is_over_is_shown_in_the_tool_s_own_file() -> None:
    pytest_file = inspect.getsourcefile(pytest.Function.runtest)
    frame = own_frame()
    assert user_line(frame, f"{pytest_file}:1").startswith(f"{HERE}:")
    assert user_line(frame, f"{pytest_file}:1", was=True).startswith(f"{pytest_file}:")


def test_without_a_frame_it_is_where_the_tool_is_defined() -> None:
    assert user_line(None, "tools.py:3") == "tools.py:3"
