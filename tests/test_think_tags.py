from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.activities.models.think_tags import ThinkTags

CASES = [
    # text as it came, reasoning, text
    ("<think>Okay</think>Hi", "Okay", "Hi"),
    ("<think>\nOkay.\n\nSo.\n</think>\n\nHi there.", "Okay.\n\nSo.", "Hi there."),
    ("  <Thinking>a</THINKING> b", "a", "b"),
    ("<reasoning>a</reasoning>b", "a", "b"),
    ("<thought>a</thought>b", "a", "b"),
    ("[THINK]a[/THINK]b", "a", "b"),
    ("◁think▷a◁/think▷b", "a", "b"),
    ("<think></think>Hi", "", "Hi"),
    ("<think>cut off", "cut off", ""),
    ("<think>a </thinking> b</think>c", "a </thinking> b", "c"),
    ("<think>a</think>\n<think>b</think>c", "ab", "c"),
    # Chat templates may hold the opening tag.
    ("I should greet.\n</think>\n\nHi", "I should greet.\n", "Hi"),
    ("</think>\n\nHi", "", "Hi"),
    ("a</think>b</think>c", "a", "b</think>c"),
    # Behind text, a block has to be closed.
    ("A<think>b</think>C", "b", "AC"),
    ("The <think> tag opens it.", "", "The <think> tag opens it."),
    ("<think>a</think>b<think>c</think>d", "ac", "bd"),
    # Of code, tags are a part.
    ("Write `<think>` and `</think>`.", "", "Write `<think>` and `</think>`."),
    ("So:\n```\n<think>x</think>\n```\n", "", "So:\n```\n<think>x</think>\n```\n"),
    ('Split at "</think>".', "", 'Split at "</think>".'),
    # No tags at all.
    ("a < b, [1], <b>bold</b>, <thin", "", "a < b, [1], <b>bold</b>, <thin"),
    (" \n Hi \n", "", " \n Hi \n"),
    (" ", "", " "),
    ("", "", ""),
]


def told_apart(fragments: list[str], *, reasoned: bool = False) -> tuple[str, str]:
    """The reasoning, and the text."""
    tags = ThinkTags()
    tags.reasoned = reasoned
    reasoning = text = ""
    pieces = [piece for fragment in fragments for piece in tags.take(fragment)] + tags.end()
    for kind, piece in pieces:
        if kind == "turned":
            reasoning, text = reasoning + text, ""
        elif kind == "text":
            text += piece
        else:
            reasoning += piece
    return reasoning, text


@pytest.mark.parametrize(("written", "reasoning", "text"), CASES)
def test_however_it_is_cut(written: str, reasoning: str, text: str) -> None:
    assert told_apart([written]) == (reasoning, text)
    assert told_apart(list(written)) == (reasoning, text)
    for cut in range(len(written)):
        assert told_apart([written[:cut], written[cut:]]) == (reasoning, text)


@given(st.text(alphabet="</thinkTHINK>[] \n`x", max_size=60), st.lists(st.integers(0, 60), max_size=8))
@settings(max_examples=300)
def test_cuts_never_matter(written: str, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(written)]
    fragments = [written[start:end] for start, end in pairwise(places)]
    assert told_apart(fragments) == told_apart([written])


def test_a_stray_closing_tag_behind_reasoning_that_came_elsewhere() -> None:
    assert told_apart(["\n</think>\n\nHi"], reasoned=True) == ("", "Hi")
    assert told_apart(["Close it with </think>."], reasoned=True) == ("", "Close it with </think>.")


def test_text_is_shown_as_soon_as_it_cannot_be_a_tag() -> None:
    tags = ThinkTags()
    assert tags.take("<thi") == []
    assert tags.take("n air") == [("text", "<thin air")]
    assert tags.take(" x <") == [("text", " x ")]
    assert tags.take("b>") == [("text", "<b>")]


def test_what_is_held_back_is_limited() -> None:
    tags = ThinkTags()
    assert tags.take("Open <think> it.") == [("text", "Open ")]
    (long,) = tags.take("x" * 20_000)
    assert long == ("text", "<think> it." + "x" * 20_000)
    assert tags.take("y") == [("text", "y")]
