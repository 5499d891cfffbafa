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


@pytest.mark.pure
@pytest.mark.parametrize("seed", [1_001_682, 1_002_342, 1_005_106, 1_006_994, 1_007_724])
def test_schedules_that_once_went_over_do_not(seed: int) -> None:
    """Summaries that another turn had begun, and a cap that was set while a sub-agent was about to begin."""
    Chance(seed).run(100)
