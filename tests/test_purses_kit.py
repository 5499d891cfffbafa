"""Sessions that draw on the purses of their user and tenant, on the virtual clock."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from perdure.temporal.app.testing.kit import Perdure, Session
from perdure.workflows.definition.limits import Caps, Limits, PurseLimits
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.parts import Usage
from tests.support.session_lab import kinds

pytestmark = pytest.mark.server

#: What leaves too little of the definition's dollar a day for another answer at its worst.
MOST = Usage(input_tokens=10, output_tokens=999_800)
NONE = {"cost_usd": 0, "tokens": 0, "tool_calls": 0}


async def amounts(perdure: Perdure, owner: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was spent today, and what is leased."""
    budget = await perdure.budget("user", owner)
    return budget["spent"]["day"], budget["leased"]["day"]


async def activities(session: Session) -> Counter[str]:
    history = await session.handle.fetch_history()
    kinds = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    return Counter(kind for kind in kinds if kind)


async def test_many_model_calls_cost_one_lease(perdure: Perdure) -> None:
    session = await perdure.session("pursed", user="ada")
    for number in range(5):
        perdure.model.says("", calls=[("add", {"a": number, "b": 1})])
        perdure.model.says("done")
        await session.say(f"add {number}")
    done = await activities(session)
    assert (done["call_model"], done["draw_leases"]) == (10, 1)
    assert (await amounts(perdure, "ada"))[1]["tool_calls"] > 0
    await session.close()
    spent, leased = await amounts(perdure, "ada")
    assert (spent["tool_calls"], leased) == (5, NONE)
    assert spent["cost_usd"] > 0


async def test_a_session_without_purses_asks_nobody(perdure: Perdure) -> None:
    perdure.model.says("hello")
    session = await perdure.session("staged", user="ada")
    await session.say("hi")
    assert "draw_leases" not in await activities(session)
    assert (await perdure.budget("user", "ada"))["spent"]["total"] == NONE


async def test_a_resting_session_gives_its_lease_back_without_an_event(perdure: Perdure) -> None:
    perdure.model.says("hello")
    session = await perdure.session("pursed", user="ada")
    await session.say("hi")
    before = (await session.handle.fetch_history()).events[-1].event_id
    assert (await amounts(perdure, "ada"))[1] != NONE
    await perdure.later(minutes=30)
    spent, leased = await amounts(perdure, "ada")
    assert (leased, spent["cost_usd"] > 0) == (NONE, True)
    assert (await session.handle.fetch_history()).events[-1].event_id == before
    perdure.model.says("again")
    assert (await session.say("hi again")).reason == "done"


async def test_sessions_of_a_user_share_a_cap_and_go_on_when_the_day_has_passed(perdure: Perdure) -> None:
    first = await perdure.session("pursed", user="ada")
    perdure.model.says("much", usage=MOST)
    await first.say("hi")
    await first.close()
    second = await perdure.session("pursed", user="ada")
    turn = await second.say("hi")
    (paused,) = [event for event in turn.events if isinstance(event, BudgetPaused)]
    assert (paused.scope, paused.limit, paused.cap, turn.waiting) == ("user", "day.cost_usd", 1.0, True)
    assert paused.spent == pytest.approx(0.99981)
    perdure.model.says("a new day")
    await perdure.later(days=1)
    await second.until("turn.finished")
    turn = await second.turn()
    assert (turn.text, turn.reason) == ("a new day", "done")
    assert (await amounts(perdure, "ada"))[0]["cost_usd"] < 0.1


async def test_a_cap_that_is_raised_lets_a_waiting_session_go_on(perdure: Perdure) -> None:
    await perdure.budget("user", "ada", set={"total": {"tool_calls": 0}})
    session = await perdure.session("staged", user="ada")
    perdure.model.says("", calls=[("add", {"a": 1, "b": 2})])
    turn = await session.say("add")
    (paused,) = [event for event in turn.events if isinstance(event, BudgetPaused)]
    assert (paused.scope, paused.limit, paused.cap, paused.needs) == ("user", "total.tool_calls", 0, 1)
    assert (await perdure.budget("user", "ada"))["waiting"] == 1
    perdure.model.says("3")
    await perdure.budget("user", "ada", set={"total": {"tool_calls": 5}})
    await session.until("turn.finished")
    turn = await session.turn()
    (raised,) = [event for event in turn.events if isinstance(event, BudgetRaised)]
    assert (raised.scope, raised.limit, raised.value, turn.text) == ("user", "total.tool_calls", 5, "3")
    assert raised.by is not None


async def test_limits_of_the_session_that_are_raised_let_it_go_on(perdure: Perdure) -> None:
    session = await perdure.session("pursed", user="ida")
    lower = Limits(user=PurseLimits(day=Caps(cost_usd=0.0)))
    await session.configure(limits=lower)
    assert (await session.say("hi")).waiting
    perdure.model.says("hello")
    await session.configure(limits=Limits(user=PurseLimits(day=Caps(cost_usd=5.0))))
    await session.until("turn.finished")
    turn = await session.turn()
    (raised,) = [event for event in turn.events if isinstance(event, BudgetRaised)]
    assert (raised.scope, raised.limit, raised.value, turn.text) == ("user", "day.cost_usd", 5, "hello")


async def test_a_person_lets_a_turn_go_on_over_the_cap_and_that_is_written_down(perdure: Perdure) -> None:
    await perdure.budget("tenant", set={"total": {"tokens": 0}})
    session = await perdure.session("staged", user="ada")
    turn = await session.say("hi")
    assert turn.waiting
    perdure.model.says("hello")
    turn = await session.approve(by="ada")
    assert kinds(turn.events)[-4:] == ["budget.raised", "step.started", "step.finished", "turn.finished"]
    (allowed,) = (await perdure.budget("tenant"))["allowed"]
    assert (allowed["session_id"], allowed["by"]["subject"]) == (session.new.session_id, "ada")
    assert allowed["amounts"]["tokens"] > 0


async def test_a_purse_that_says_no_ends_the_turn_where_it_is_declined(perdure: Perdure) -> None:
    await perdure.budget("user", "ada", set={"day": {"cost_usd": 0}})
    session = await perdure.session("pursed", user="ada")
    assert (await session.say("hi")).waiting
    assert (await perdure.budget("user", "ada"))["waiting"] == 1
    turn = await session.deny(reason="not today")
    assert (turn.reason, turn.error and turn.error.type) == ("budget", "budget_exceeded")
    # The purse hears of it without another request for money.
    async with asyncio.timeout(30):
        while (await perdure.budget("user", "ada"))["waiting"]:
            await perdure.later(seconds=1)
    assert (await activities(session))["draw_leases"] == 2
    _, leased = await amounts(perdure, "ada")
    assert leased == NONE


async def test_kills_lose_nothing_of_a_purse(perdure: Perdure) -> None:
    session = await perdure.session("pursed", user="ada")
    perdure.model.says("", calls=[("add", {"a": 1, "b": 1})])
    await perdure.restart_worker()
    perdure.model.says("two")
    assert (await session.say("add")).reason == "done"
    await perdure.restart_worker()
    await session.close()
    spent, leased = await amounts(perdure, "ada")
    assert (spent["tool_calls"], leased) == (1, NONE)
