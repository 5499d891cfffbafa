"""A purse that fails at one session's request: the other sessions get theirs, and the session is told."""

import math
from datetime import UTC, datetime

import pytest

from perdure.workflows.core.actions import DrawLeases, FinishTurn
from perdure.workflows.core.lease_changes import LeaseAnswered, LeaseAsked
from perdure.workflows.core.ledger.batches import draw_each
from perdure.workflows.core.ledger.state import Ledger, new_ledger
from perdure.workflows.core.next_action import next_action
from perdure.workflows.definition.limits import Caps, PurseLimits
from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.protocol.purses import FAULT, Draw, LeasesDrawn, PurseName
from tests.support.core import Story

pytestmark = pytest.mark.pure

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
#: What no validation lets through: no number of billionths is as much.
BROKEN = PurseLimits.model_construct(
    day=None, month=None, total=Caps.model_construct(cost_usd=math.inf, tokens=None, tool_calls=None)
)


def purse() -> Ledger:
    return new_ledger(PurseName(tenant="acme", scope="user", id="ada"), AT)


def asks(*caps: PurseLimits, needs: Amounts = Amounts(nano_usd=5)) -> Draw:
    return Draw.model_construct(
        since=AT,
        number=1,
        spent=Amounts(),
        settled=Amounts(),
        open=Amounts(),
        needs=needs,
        caps=caps,
        lapsed=False,
        closes=False,
        allowance=None,
    )


def test_a_request_at_which_the_purse_fails_costs_the_others_nothing() -> None:
    ledger, drawn = draw_each(purse(), {"s1": asks(), "s2": asks(BROKEN), "s3": asks()}, AT)
    alone, _ = draw_each(purse(), {"s1": asks(), "s3": asks()}, AT)
    assert ledger == alone
    assert drawn["s1"].refused is drawn["s3"].refused is None
    assert drawn["s3"].granted.covers(Amounts(nano_usd=5))
    refused = drawn["s2"].refused
    assert refused is not None
    assert (refused.limit, drawn["s2"].granted) == (FAULT, Amounts())
    assert "OverflowError" in (refused.words or "")


def test_a_session_keeps_its_lease_where_the_purse_fails() -> None:
    ledger, first = draw_each(purse(), {"s1": asks()}, AT)
    again = asks(BROKEN, needs=Amounts(nano_usd=1_000)).model_copy(update={"number": 2})
    after, second = draw_each(ledger, {"s1": again}, AT)
    assert (after, second["s1"].granted, second["s1"].until) == (ledger, first["s1"].granted, first["s1"].until)


def test_the_turn_of_a_session_ends_with_an_error_where_the_purse_fails_and_the_next_one_asks_again() -> None:
    story = Story.new(purses={"user": ()}).loaded().turn()
    asked = next_action(story.state)
    assert isinstance(asked, DrawLeases)
    draw = asks(BROKEN, needs=asked.needs)
    story.note(LeaseAsked(draws={"user": draw}))
    story.note(LeaseAnswered(answer=LeasesDrawn(drawn={"user": draw_each(purse(), {"s1": draw}, AT)[1]["s1"]})))
    ends = next_action(story.state)
    assert isinstance(ends, FinishTurn)
    assert ends.error is not None
    assert (ends.reason, ends.error.type) == ("failed", "purse_failed")
    assert "budget of the user ada" in ends.error.message
    story.event("turn.finished", reason=ends.reason, error=ends.error, usage={}, cost_usd=0)
    story.turn("again")
    assert isinstance(next_action(story.state), DrawLeases)
