"""An answer's Markdown in a terminal, in whatever pieces it arrives."""

import io

import pytest
from rich.console import Console
from rich.segment import Segments

from perdure.temporal.app.chat.markdown import MarkdownStream, rows_below, whole_blocks
from perdure.temporal.app.chat.view import ChatView
from tests.support.screen import screen

COLUMNS = 40
ANSWER = """\
A **parcel** of 3 kg costs `8` dollars, and is there within two days. 日本語日本語日本語日本語日本語.

1. pack it

2. send it
   - by post

```python
price = {

    "DE": 8}
```

| to | days |
|----|------|
| DE | 2    |

[all rates](https://example.com/rates)
"""
SHOWN = [
    "A parcel of 3 kg costs 8 dollars, and is",
    "there within two days.",
    "日本語日本語日本語日本語日本語.",
    "",
    " 1 pack it",
    "",
    " 2 send it",
    "    • by post",
]


def terminal(height: int = 50) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=COLUMNS, height=height, soft_wrap=True, color_system="standard"
    )


def shown(pieces: list[str], console: Console) -> list[str]:
    """The rows that a chat shows for an answer that arrives in these pieces."""
    view = ChatView(rewrites=True, markdown=MarkdownStream(console))
    written = io.StringIO()
    out = Console(file=written, force_terminal=True, width=COLUMNS, height=50, soft_wrap=True, color_system="standard")
    for number, piece in enumerate(pieces):
        delta = {"step_id": "t1.s1", "attempt": 1, "n": number, "part": 0, "kind": "text", "delta": piece}
        out.print(Segments(view.take("step.delta", delta).render(out)), end="")
    whole = {"step_id": "t1.s1", "message": {"parts": [{"type": "text", "text": "".join(pieces)}]}}
    out.print(Segments(view.take("step.finished", whole).render(out)), end="")
    return screen(written.getvalue(), COLUMNS)


def cut(size: int) -> list[str]:
    return [ANSWER[start : start + size] for start in range(0, len(ANSWER), size)]


def test_blocks_are_rendered_and_nothing_is_left_of_how_they_came() -> None:
    rows = shown(cut(5), terminal())
    assert rows[: len(SHOWN)] == SHOWN
    text = "\n".join(rows)
    assert "price = {" in text
    assert "https://example.com/rates" in text
    for raw in ("**", "```", "|--", "[all"):
        assert raw not in text
    assert rows[-1] == ""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, 1000])
def test_the_screen_is_the_same_however_the_answer_is_cut(size: int) -> None:
    assert shown(cut(size), terminal()) == shown(cut(5), terminal())


def test_a_block_that_has_left_the_screen_stays_as_it_came() -> None:
    rows = shown(["- **one**\n", "- two\n" * 20], terminal(height=10))
    assert rows[:2] == ["- **one**", "- two"]
    assert len([row for row in rows if "two" in row]) == 20


def test_without_a_terminal_an_answer_is_shown_as_it_comes() -> None:
    delta = {"step_id": "t1.s1", "attempt": 1, "n": 0, "part": 0, "kind": "text", "delta": "**a**\n\nb"}
    assert ChatView().take("step.delta", delta).plain == "**a**\n\nb"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("one", []),
        ("one\n\n", []),
        ("one\n\ntwo", ["one\n\n"]),
        ("one\n\ntwo\n\nthree", ["one\n\n", "two\n\n"]),
        ("- one\n\n  more", []),
        ("```\na\n\nb", []),
        ("~~~\n```\n\nb\n~~~\n\nc", ["~~~\n```\n\nb\n~~~\n\n"]),
    ],
)
def test_a_block_is_whole_when_nothing_can_be_added_to_it(text: str, whole: list[str]) -> None:
    assert whole_blocks(text) == whole


@pytest.mark.parametrize(("text", "rows"), [("", 0), ("a" * 40, 0), ("a" * 41, 1), ("a\n\nb", 2), ("本" * 21, 1)])
def test_rows_are_counted_as_a_terminal_wraps_them(text: str, rows: int) -> None:
    assert rows_below(text, 40) == rows
