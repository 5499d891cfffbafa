"""A conversation as a text for a model that reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.workflows.protocol.retelling import retold
from perdure.workflows.vocabulary.parts import Message, Text
from tests.support.core import AT

pytestmark = pytest.mark.pure


def said(text: str) -> Message:
    return Message(id="m1", role="user", parts=(Text(text=text),), at=AT)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_what_fits_is_told_whole(lengths: list[int]) -> None:
    texts = ["x" * length for length in lengths]
    told = retold(tuple(map(said, texts)), sum(lengths))
    assert told == "\n\n".join(f"User: {text}" for text in texts)


def test_the_longest_parts_are_shortened_first() -> None:
    told = retold((said("a" * 10), said("b" * 500)), 100)
    assert f"User: {'a' * 10}\n\nUser: {'b' * 45}\n… 410 characters left out …\n{'b' * 45}" == told
