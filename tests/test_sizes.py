"""Sizes of records, each written once: a record that takes another's place in memory is not taken for it."""

import gc

import pytest

from perdure.workflows.core import sizes
from perdure.workflows.core.sizes import size_of
from tests.support.core import user

pytestmark = pytest.mark.pure


def test_a_size_is_that_of_the_record_and_goes_with_it() -> None:
    gc.collect()
    before = len(sizes._SIZES)
    for length in range(200):
        message = user("x" * length)
        assert size_of(message) == size_of(message) == len(message.model_dump_json())
    del message
    gc.collect()
    assert len(sizes._SIZES) == before
