"""Ten thousand random worlds of a purse and its sessions; `test_purses_never_over.py` has some of them for every day."""

import pytest

from tests.test_purses_never_over import closed, live


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_ten_thousand_random_schedules(block: int) -> None:
    for seed in range(1_000 + block * 500, 1_000 + (block + 1) * 500):
        extra = (("die", "erase"), (), ("die", "cap", "allow"))[seed % 3]
        closed(live(seed, 150, extra=extra))
