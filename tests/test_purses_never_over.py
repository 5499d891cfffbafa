"""Caps and open leases bound what is spent: over kills, repeats, races and continue-as-new, in thousands of random worlds."""

from datetime import UTC, datetime, timedelta

import pytest

from perdure.workflows.core.ledger.caps import set_caps
from perdure.workflows.core.ledger.drawing import draw
from perdure.workflows.core.ledger.report import purse_state
from perdure.workflows.core.ledger.state import new_ledger
from perdure.workflows.core.ledger.visits import due, visited
from perdure.workflows.protocol.amounts import Amounts, nano_usd
from perdure.workflows.protocol.purse_visits import Visited
from perdure.workflows.protocol.purses import LEASE, Draw, HolderReport, PurseName, SetCaps
from tests.support.purse_world import PurseWorld

pytestmark = pytest.mark.pure

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY, TOTAL, TOKENS = 1.0, 2.5, 60_000


def bounded(world: PurseWorld) -> None:
    """What was spent is within what the purse has charged and leased, and the books are sound."""
    ledger = world.ledger
    assert (ledger.spent.total + ledger.leased).covers(world.spent)
    assert ledger.leased == sum((holder.leased for holder in ledger.holders.values()), Amounts())


def live(seed: int, steps: int = 250, *, extra: tuple[str, ...] = (), missed: float = 0) -> PurseWorld:
    world = PurseWorld(seed, day=DAY, total=TOTAL, tokens=TOKENS, missed=missed)
    for _ in range(steps):
        world.step(extra)
        bounded(world)
        if "allow" not in extra and "cap" not in extra:
            assert world.spent.nano_usd <= nano_usd(TOTAL)
            assert world.today.nano_usd <= nano_usd(DAY)
            assert world.spent.tokens <= TOKENS
            assert (world.ledger.spent.total + world.ledger.leased).nano_usd <= nano_usd(TOTAL)
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


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_spent_beyond_the_caps_where_a_session_is_taken_for_gone(seed: int) -> None:
    closed(live(seed, missed=0.2))


@pytest.mark.parametrize("seed", range(30))
def test_what_was_leased_bounds_what_is_spent_while_caps_move(seed: int) -> None:
    closed(live(seed, extra=("die", "cap", "cap", "allow")))


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_spent_beyond_the_caps_where_sessions_give_up_what_they_wait_for(seed: int) -> None:
    closed(live(seed, extra=("leave",) * 4))


def test_a_session_that_waits_no_more_leaves_the_list_and_is_granted_nothing() -> None:
    ledger = new_ledger(PurseName(tenant="acme", scope="user", id="ada"), AT)
    ledger = set_caps(ledger, SetCaps(id="c1", caps={"total": {"tokens": 100, "tool_calls": 1000}}), AT)
    refused = draw(ledger, "s1", Draw(since=AT, number=1, needs=Amounts(tokens=400)), AT)
    assert (refused.drawn.refused is not None, purse_state(refused.ledger, AT).waiting) == (True, 1)
    left = draw(refused.ledger, "s1", Draw(since=AT, number=2), AT)
    assert (left.drawn.refused, left.drawn.granted, left.ledger.leased) == (None, Amounts(), Amounts())
    assert purse_state(left.ledger, AT).waiting == 0


def test_a_request_that_is_repeated_during_a_visit_is_charged_once() -> None:
    spent = Amounts(tool_calls=6)
    first = Draw(since=AT, number=1, needs=Amounts(tool_calls=1))
    ledger = draw(new_ledger(PurseName(tenant="acme", scope="user", id="ada"), AT), "s1", first, AT).ledger
    late = AT + LEASE + timedelta(seconds=1)
    visits = due(ledger, late)
    report = HolderReport(since=AT, number=1, spent=spent, open=Amounts(), until=AT + LEASE, drawing=False)
    found = Visited(session_id="s1", found="open", report=report)

    ledger = draw(ledger, "s1", first, late + timedelta(seconds=1)).ledger
    ledger = visited(ledger, (found,), visits, late, late + timedelta(seconds=2))
    ledger = draw(ledger, "s1", first, late + timedelta(seconds=3)).ledger
    second = Draw(since=AT, number=2, spent=spent, needs=Amounts(tool_calls=1), lapsed=True)
    ledger = draw(ledger, "s1", second, late + timedelta(minutes=5)).ledger

    assert ledger.spent.total == spent


def test_what_was_spent_is_known_in_the_end_though_a_request_comes_late() -> None:
    closed(live(2654, 150, extra=("die", "cap", "allow")))


def test_what_a_refused_session_cannot_use_is_asked_back_for_another_one() -> None:
    ledger = new_ledger(PurseName(tenant="acme", scope="user", id="ada"), AT)
    ledger = set_caps(ledger, SetCaps(id="c1", caps={"total": {"tokens": 100}}), AT)
    for session in ("s1", "s2"):
        taken = draw(ledger, session, Draw(since=AT, number=1, needs=Amounts(tokens=40)), AT)
        ledger = taken.ledger
        assert taken.drawn.refused is None
    spent = Amounts(tokens=40)
    first = draw(ledger, "s1", Draw(since=AT, number=2, spent=spent, needs=Amounts(tokens=40)), AT)
    assert first.drawn.refused is not None and not first.drawn.refused.again

    asked = Draw(since=AT, number=2, spent=spent, needs=Amounts(tokens=20))
    second = draw(first.ledger, "s2", asked, AT)
    assert second.drawn.refused is not None and second.drawn.refused.again
    visits = due(second.ledger, AT)
    assert [visit.session_id for visit in visits if visit.tell is not None and visit.tell.recall] == ["s1"]
    report = HolderReport(since=AT, number=2, spent=spent, open=Amounts(), until=None, drawing=False)
    ledger = visited(second.ledger, (Visited(session_id="s1", found="open", report=report),), visits, AT, AT)
    assert draw(ledger, "s2", asked, AT).drawn.refused is None
