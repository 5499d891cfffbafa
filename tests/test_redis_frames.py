"""How frames are written in Redis, without one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.temporal.live.frames import LivePart, Poke, StepDelta, StepProgress, ToolProgress
from perdure.temporal.live.redis_frames import Sent, StepEnded, ToolEnded, read, written

WORDS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(0, 2**53)
STEPS = st.builds("t{}.s{}".format, st.integers(1, 9999), st.integers(1, 99))
KINDS = st.sampled_from(["text", "reasoning", "tool_input"])
FRACTIONS = st.floats(0, 1)
SHARES = st.none() | FRACTIONS
FRAMES: st.SearchStrategy[Sent] = st.one_of(
    st.builds(Poke, NUMBERS),
    st.builds(
        StepDelta,
        STEPS,
        NUMBERS,
        NUMBERS,
        st.integers(0, 99),
        KINDS,
        WORDS,
        st.none() | st.text("ab", min_size=1),
        FRACTIONS,
    ),
    st.builds(StepProgress, STEPS, NUMBERS, NUMBERS, st.lists(st.builds(LivePart, KINDS, WORDS, st.none() | WORDS))),
    st.builds(StepEnded, STEPS, NUMBERS),
    st.builds(ToolProgress, WORDS, st.none() | WORDS, SHARES),
    st.builds(ToolEnded, WORDS),
)


@given(FRAMES)
def test_what_is_written_is_read(frame: Sent) -> None:
    assert read(written(frame)) == frame


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'["x", 1]',
        b'["p"]',
        b'["p", "1"]',
        b'["d", "t1.s1", 1, 0, 0, "song", "la", 0]',
        b'["d", "t1.s1", 1, 0, -1, "text", "la", 0]',
        b'["d", "t1.s1", 1, 0, 1000000000, "text", "la", 0]',
        b'["d", "step", 1, 0, 0, "text", "la", 0]',
        b'["s", "t1.s1", 1, 0, [["song", "la", null]]]',
        b'["s", "t1.s1", 1, 0, [["text", 1, null]]]',
        b'["s", "t1.s1", 1, 0, [["text"]]]',
        b'["e", "t1"]',
        b'["t", "c", 1, null]',
        b"\xff",
    ],
)
def test_a_form_that_is_not_known_is_passed_over(said: bytes) -> None:
    assert read(said) is None


def test_half_a_character_is_written_as_a_mark() -> None:
    half = json.loads('"\\ud83d"')
    frame = read(written(StepDelta("t1.s1", 1, 0, 0, "text", f"a{half}b")))
    assert isinstance(frame, StepDelta)
    assert frame.text == "a?b"
    assert read(written(ToolProgress("c", half))) == ToolProgress("c", "?")
