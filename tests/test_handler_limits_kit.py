"""Limits of a handler and of its blocks in the test kit: over the death of a worker, over days, and over fresh runs."""

import pytest

from perdure.temporal.app.testing.kit import Perdure
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.events import MessageAdded, StepFinished
from perdure.workflows.vocabulary.parts import Text

pytestmark = pytest.mark.server


async def test_a_block_comes_to_its_limit_and_the_handler_s_is_asked_about(perdure: Perdure) -> None:
    perdure.tool("add", lambda a, b: a + b)
    for number in range(2):
        perdure.model.says(calls=[("add", {"a": number, "b": 1})])
    session = await perdure.session("limited", continue_as_new_after=20)
    perdure.kill_worker(at="step.finished")

    turn = await session.say("add them")

    assert turn.waiting
    said = [event.message for event in turn.events if isinstance(event, MessageAdded)][-1]
    told = "message[0].try.do[0].respond: The block reached its limit of 2 steps."
    assert [part.text for part in said.parts if isinstance(part, Text)] == [told]
    (paused,) = [event for event in turn.events if isinstance(event, BudgetPaused)]
    assert (paused.scope, paused.limit, paused.cap, paused.handler) == ("turn", "cost_usd", 0.001, "message")

    await perdure.later(days=3)
    await perdure.restart_worker()
    perdure.model.says("Done.")
    turn = await session.answer({"cost_usd": 1.5}, by="ada")

    assert (turn.reason, turn.text) == ("done", "Done.")
    (raised,) = [event for event in turn.events if isinstance(event, BudgetRaised)]
    assert (raised.value, raised.this_turn) == (1.5, True)
    # Those of the block, and the one after it; a step that was taken twice for a death counts once.
    assert len([event for event in await session.events() if isinstance(event, StepFinished)]) == 3
    assert (await session.snapshot()).limits.turn.cost_usd is None
