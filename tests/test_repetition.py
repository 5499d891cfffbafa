"""A text that repeats itself without end is noticed while it streams; lists, tables and code are not."""

import random

import pytest

from perdure.activities.models.repetition import ENDLESS, LONG, SENTENCE, Repetition, piece_of, shortened


def found(text: str, step: int = 7) -> int | None:
    """What is noticed of a text that comes in small fragments, and where it is cut for that."""
    watch = Repetition()
    for start in range(0, len(text), step):
        length = watch.add(text[start : start + step])
        if length is not None:
            return length
    return None


@pytest.mark.parametrize(
    ("piece", "length"),
    [
        ("I will look again. ", 19),
        ("\n", 1),
        ("ha", 2),
        ("\t \n", 3),
        ("Let me check that once more, and then once more. " * 10, 49),
        ("".join(random.Random(1).choices("abcdef ", k=900)), 900),
    ],
)
def test_one_piece_over_and_over_is_noticed(piece: str, length: int) -> None:
    begun = "Here is what I found. First of all, this."
    long = LONG if length >= SENTENCE else ENDLESS
    text = begun + piece * (2 * long // len(piece) + 1)
    assert found(text) == length
    short = shortened(text, length)
    assert short.startswith(begun)
    assert len(short) <= len(begun) + 4 * length + 1
    assert short.endswith("…")


TABLE = "".join(f"| {number} | 0.00 | 0.00 | none |\n" for number in range(2000))
LIST = "".join(f"{number}. Buy milk.\n" for number in range(3000))
CODE = "".join(f"    assert total({number}) == 0\n" for number in range(2000))
SQL = "".join(f"INSERT INTO t VALUES ({number % 10}, {number}, 0);\n" for number in range(2000))
POEM = ("And miles to go before I sleep,\n" * 2 + "The woods are lovely, dark and deep.\n") * 60


@pytest.mark.parametrize(
    "text", [TABLE, LIST, CODE, SQL, POEM, "=" * 200 + "\n" + "0, " * 2000, "x" * 100_000, "word " * 20_000]
)
def test_long_lists_tables_and_code_are_not(text: str) -> None:
    assert found(text) is None


def test_a_piece_that_holds_its_own_end_twice() -> None:
    """The nearest earlier place of the text's end is not the beginning of the piece before."""
    piece = f"{'x' * 60}{'y' * 30}{'x' * 60}"
    assert piece_of((piece * 100)[-LONG:]) == 150
