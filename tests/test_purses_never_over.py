"""Caps and open leases bound what is spent: over kills, repeats, races and continue-as-new, in thousands of random worlds."""

import pytest

from perdure.workflows.protocol.purses import Amounts, nano_usd
from tests.support.purse_world import PurseWorld

pytestmark = pytest.mark.pure

DAY, TOTAL, TOKENS = 1.0, 2.5, 60_000


def bounded(world: PurseWorld) -> None:
    """What was spent is within what the purse has charged and leased, and the books are sound."""
    ledger = world.ledger
    assert (ledger.spent.total + ledger.leased).covers(world.spent)
    assert ledger.leased == sum((holder.leased for holder in ledger.holders.values()), Amounts())


def live(seed: int, steps: int = 250, *, extra: tuple[str, ...] = ()) -> PurseWorld:
    world = PurseWorld(seed, day=DAY, total=TOTAL, tokens=TOKENS)
    for _ in range(steps):
        world.step(extra)
        bounded(world)
        if "allow" not in extra and "cap" not in extra:
            assert world.spent.nano_usd <= nano_usd(TOTAL)
            assert world.today.nano_usd <= nano_usd(DAY)
            assert world.spent.tokens <= TOKENS
    return world


def closed(world: PurseWorld) -> None:
    """When all is over, every lease has come back, and the purse knows what was spent."""
    world.settle()
    assert not world.ledger.leased
    assert not world.ledger.holders
    assert world.ledger.spent.total.covers(world.spent)
    if not world.untold:
        assert world.ledger.spent.total == world.spent


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_spent_beyond_the_caps(seed: int) -> None:
    closed(live(seed))


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_spent_beyond_the_caps_where_sessions_die(seed: int) -> None:
    closed(live(seed, extra=("die", "erase")))


@pytest.mark.parametrize("seed", range(30))
def test_what_was_leased_bounds_what_is_spent_while_caps_move(seed: int) -> None:
    closed(live(seed, extra=("die", "cap", "cap", "allow")))
