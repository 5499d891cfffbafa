"""The machinery that tries decoders: its fragments, and that seeds are fixed."""

import json
from itertools import permutations

import pytest

from tests.support.decoders import ARGUMENTS, FRAGMENTS, OTHER_ARGUMENTS, OTHER_FRAGMENTS
from tests.support.mutations import CHANGES, Recording, mutated

pytestmark = pytest.mark.pure


def is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@pytest.mark.parametrize(("fragments", "args"), [(FRAGMENTS, ARGUMENTS), (OTHER_FRAGMENTS, OTHER_ARGUMENTS)])
def test_only_all_fragments_in_their_order_are_arguments(fragments: tuple[str, ...], args: dict[str, object]) -> None:
    assert json.loads("".join(fragments)) == args
    for count in range(1, len(fragments) + 1):
        for some in permutations(fragments, count):
            assert is_object("".join(some)) == (some == fragments)


def test_a_seed_always_gives_the_same_and_all_changes_occur() -> None:
    recording = Recording(b'event: a\ndata: {"type": "a", "index": 0, "text": "hi"}\n\ndata: [DONE]\n\n')
    changes = [mutated(recording, seed) for seed in range(300)]
    assert changes == [mutated(recording, seed) for seed in range(300)]
    assert {name for change in changes for name in change.changes} == set(CHANGES)
    assert sum(change.body != recording.body for change in changes) > 250
