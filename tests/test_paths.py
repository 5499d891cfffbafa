"""Branches of a conversation as paths over numbered messages, against lists of numbers that say the same."""

import random

import pytest

from perdure.workflows.protocol.paths import Path, Stretch, is_whole

pytestmark = pytest.mark.pure


def numbers(path: Path, total: int) -> list[int]:
    return [number for stretch in path.closed for number in range(stretch.start, stretch.stop)] + list(
        range(path.opened, total)
    )


def test_a_session_that_was_never_rewound_has_everything_on_its_branch() -> None:
    assert is_whole(Path())
    assert Path().between(2, 5) == (Stretch(start=2, stop=5),)
    assert (Path().count(7), Path().number(3), Path().position(3)) == (7, 3, 3)


def test_what_was_cut_off_is_not_on_the_branch_that_goes_on() -> None:
    path = Path().cut(4, 10)
    assert numbers(path, 12) == [0, 1, 2, 3, 10, 11]
    assert path.position(6) is None
    assert path.position(11) == 5
    assert not is_whole(path)


@pytest.mark.parametrize("seed", range(50))
def test_positions_and_numbers_agree_after_any_rewinds(seed: int) -> None:
    rng = random.Random(seed)
    path, total, expected = Path(), 0, list[int]()
    for _ in range(rng.randint(1, 12)):
        said = rng.randint(0, 5)
        expected += range(total, total + said)
        total += said
        if rng.random() < 0.6:
            position = rng.randint(0, len(expected))
            path, expected = path.cut(position, total), expected[:position]
        assert numbers(path, total) == expected
        assert path.count(total) == len(expected)
        assert [path.number(position) for position in range(len(expected))] == expected
        assert [path.position(number) for number in range(total)] == [
            expected.index(number) if number in expected else None for number in range(total)
        ]
        start = rng.randint(0, len(expected))
        stop = rng.randint(start, len(expected))
        shown = [one for stretch in path.between(start, stop) for one in range(stretch.start, stretch.stop)]
        assert shown == expected[start:stop]
