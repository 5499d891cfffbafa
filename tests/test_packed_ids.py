"""Packed ids: each is found with its own mark and cursor, and ten thousand of them are small."""

import hashlib
import random
import uuid

import pytest

from perdure.workflows.core.state.inbox import Inbox, Seen
from perdure.workflows.core.state.packed_ids import find, pack, pack_ids, taken_before
from perdure.workflows.vocabulary.content_marks import is_same, mark_of
from tests.support.core import user

pytestmark = pytest.mark.pure


@pytest.mark.parametrize("seed", range(10))
def test_each_packed_id_is_found_with_its_own(seed: int) -> None:
    rng = random.Random(seed)
    entries = [(f"m{number}", mark_of(str(number)), rng.choice([0, 3, 200, 2**40])) for number in range(200)]
    packed = [pack(entries[at : at + 20]) for at in range(0, 200, 20)]
    assert [find(packed, one) for one, _, _ in entries] == [(mark, cursor) for _, mark, cursor in entries]
    assert find(packed, "m200") is None
    assert find([pack_ids([one for one, _, _ in entries])], "m7") == ("", 0)


@pytest.mark.parametrize("seed", range(3))
def test_those_of_a_past_are_kept_with_what_is_known_of_them(seed: int) -> None:
    rng = random.Random(seed)
    entries = [(f"m{number}", mark_of(str(number)), number * 3 + rng.choice([0, 5, 9])) for number in range(200)]
    packed = [pack(entries[at : at + 20]) for at in range(0, 200, 20)]
    kept = taken_before(packed, 250)
    assert [find(kept, one) for one, _, _ in entries] == [
        (mark, cursor) if cursor < 250 else None for _, mark, cursor in entries
    ]
    assert taken_before(packed, 0) == ()


def test_an_id_is_not_found_across_two_others(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = {"a": b"aabbcc", "b": b"ddeeff", "across": b"bbccdd"}
    monkeypatch.setattr("perdure.workflows.core.state.packed_ids._hash", lambda text: hashes[text])
    packed = [pack_ids(["a", "b"])]
    assert [find(packed, one) is not None for one in hashes] == [True, True, False]


def test_a_repeat_of_long_ago_is_a_repeat_and_other_content_is_not() -> None:
    inbox, ids = Inbox(), [str(uuid.UUID(int=number * 7919, version=4)) for number in range(12_000)]
    for number, one in enumerate(ids):
        sha256 = hashlib.sha256(one.encode()).hexdigest()
        inbox = inbox.with_message(user("hi", one), Seen(content_sha256=sha256, cursor=number * 6)).without(one)
    known = {one: inbox.taken_in(one) for one in ids}
    assert sum(seen is not None for seen in known.values()) >= 9_900
    for number, one in enumerate(ids):
        seen = known[one]
        if seen is not None:
            assert seen.cursor == number * 6
            assert seen.is_of(hashlib.sha256(one.encode()).hexdigest())
            assert not seen.is_of(hashlib.sha256(b"other").hexdigest())
    assert sum(map(len, inbox.seen_before)) < 120_000


def test_a_whole_hash_and_its_mark_name_the_same_content() -> None:
    sha256 = hashlib.sha256(b"x").hexdigest()
    assert (is_same(sha256, sha256), is_same(mark_of(sha256), sha256)) == (True, True)
    assert (is_same(sha256, "y"), is_same(mark_of(sha256), "y")) == (False, False)
