"""Everything at once: rewinds into sealed and summarised pasts, limits, questions, seals that fail, runs that hand over."""

import pytest

from tests.support.storm import Storm

pytestmark = pytest.mark.pure


def play(seed: int, moves: int) -> Storm:
    storm = Storm(seed)
    for number in range(moves):
        storm.happen()
        if number % 4 == 0:
            storm.next_run()
    storm.rest()
    storm.next_run()
    storm.check()
    return storm


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_at_once_a_session_keeps_its_word(seed: int) -> None:
    storm = play(seed, 250)
    assert storm.happened["seal"] > 2
    assert storm.happened["rewind"] > 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_many_sessions_to_which_everything_happens_keep_their_word(seed: int) -> None:
    play(seed, 600)
