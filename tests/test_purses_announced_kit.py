"""Caps that are set while a session is open: everything that lets it spend makes it ask the purse, on the virtual clock."""

from datetime import UTC, datetime
from typing import Final

import pytest

from perdure.temporal.app.testing.kit import Perdure
from perdure.temporal.app.testing.turns import Turn
from perdure.temporal.sessions.fork import Choice, as_fork
from perdure.workflows.core.purses_asked import asked_purses
from perdure.workflows.core.state.session import new_state
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.vocabulary.budget_events import BudgetPaused

pytestmark = pytest.mark.server

START: Final = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)


def paused_by(turn: Turn) -> list[str]:
    """The scopes of the caps that the turn waits for."""
    assert turn.waiting
    return [event.scope for event in turn.events if isinstance(event, BudgetPaused)]


async def spent_up(perdure: Perdure) -> None:
    await perdure.budget("user", "ada", set={"total": {"tokens": 1}})


async def test_a_rewind_asks_a_purse_that_was_capped_since(perdure: Perdure) -> None:
    session = await perdure.session("staged", user="ada")
    perdure.model.says("hello")
    await session.say("hi")
    await spent_up(perdure)
    assert paused_by(await session.rewind()) == ["user"]


async def test_a_retry_asks_a_purse_that_was_capped_since(perdure: Perdure) -> None:
    session = await perdure.session("staged", user="ada")
    perdure.model.fails(400, "no")
    assert (await session.say("hi")).reason == "failed"
    await spent_up(perdure)
    assert paused_by(await session.retry()) == ["user"]


async def test_an_answer_lets_a_turn_go_on_only_as_far_as_a_purse_bears_it(perdure: Perdure) -> None:
    booked = perdure.tool("book", returns="booked")
    session = await perdure.session("desk", user="ada")
    perdure.model.says(calls=[("book", {"size": 3})])
    assert (await session.say("a table")).waiting
    await spent_up(perdure)
    assert paused_by(await session.approve()) == ["user"]
    assert len(booked.calls) == 1


async def test_a_turn_that_a_timer_begins_asks_a_purse_that_was_capped_since(perdure: Perdure) -> None:
    session = await perdure.session("desk", user="ada")
    perdure.model.says(calls=[("wake_me", {"after": "2h", "note": "look"})])
    perdure.model.says("I will look.")
    await session.say("look in two hours")
    await spent_up(perdure)
    await perdure.later(hours=3)
    assert paused_by(await session.turn()) == ["user"]


def test_a_fork_asks_the_purses_that_have_caps_when_it_starts() -> None:
    before = new_state(NewSession(tenant="lab", session_id="s1", agent="plain", digest="d1"), START)
    new = NewSession(tenant="lab", session_id="s2", agent="plain", digest="d1", purses={"user": ()})
    forked = as_fork(before, new, Choice("plain", "d1", None, False, {}, None), START)
    assert (asked_purses(before), asked_purses(forked)) == ((), ("user",))
