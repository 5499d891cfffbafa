"""What sessions spend is never above caps and allowances, whatever happens in whatever order."""

import pytest

from tests.support.schedules import Chance


@pytest.mark.pure
def test_no_schedule_of_a_few_goes_over_dies_or_loops() -> None:
    for seed in range(15):
        Chance(seed).run(60)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_no_schedule_of_ten_thousand_goes_over_dies_or_loops(part: int) -> None:
    for seed in range(1000):
        Chance(1_000_000 + part * 1000 + seed).run(100)
