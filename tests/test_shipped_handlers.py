"""What the shipped agents do by handlers: small talk on a cheap model, and an order that is looked after days later."""

import json

import pytest

from perdure.temporal.app.testing.kit import Perdure, assistant, user
from perdure.workflows.vocabulary.events import ToolFinished

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    ("topic", "model", "told"), [("smalltalk", "claude-haiku-5-5", True), ("question", "claude-sonnet-5-5", False)]
)
async def test_small_talk_is_answered_by_the_cheap_model(perdure: Perdure, topic: str, model: str, told: bool) -> None:
    perdure.model.says(topic)
    perdure.model.says("Good morning to you, too.")
    perdure.model.says("A greeting")
    session = await perdure.session("concierge")

    turn = await session.say("Good morning!")

    assert (turn.reason, turn.text) == ("done", "Good morning to you, too.")
    fast = "anthropic/claude-haiku-5-5"
    # The last one names the session.
    assert [asked.model for asked in perdure.model.asked] == [fast, f"anthropic/{model}", fast]
    assert ("small talk" in perdure.model.asked[1].system) is told
    assert await session.transcript() == [user("Good morning!"), assistant("Good morning to you, too.")]


@pytest.mark.parametrize("late", [True, False])
async def test_an_order_is_looked_after_three_days_later(perdure: Perdure, late: bool) -> None:
    session = await perdure.session("support")
    turn = await session.trigger("follow_up", "f1", order_id="A-1002")
    assert turn.reason == "parked"
    # The conversation is free meanwhile.
    perdure.model.says("You are welcome.")
    assert (await session.say("Thanks.")).text == "You are welcome."
    perdure.model.says(json.dumps({"late": late, "message": "Your chair is with UPS."}))
    await perdure.later(days=2, hours=23)
    assert len(perdure.model.asked) == 1
    await perdure.restart_worker()

    await perdure.later(hours=1)

    said = "Your chair is with UPS. I am sorry that you have to wait." if late else "Your chair is with UPS."
    assert (await session.transcript())[-1] == assistant(said)
    (found,) = [event for event in await session.events() if isinstance(event, ToolFinished)]
    assert isinstance(found.result.output, dict) and found.result.output["order_id"] == "A-1002"
    assert "1Z999AA10123456784" in str(perdure.model.asked[-1].transcript)


async def test_a_report_tells_how_orders_stand_and_which_cannot_be_found(perdure: Perdure) -> None:
    session = await perdure.session("support")
    perdure.model.says(json.dumps({"late": ["A-1002"], "summary": "One of two is late."}))

    turn = await session.trigger("report", "r1", order_ids=["A-1001", "A-9999", "A-1002"])

    assert turn.reason == "done"
    assert await session.transcript() == [
        assistant(
            "Not all of the orders can be found. report[1].try.do[0].parallel.do.call: item 2: there is no order 'A-9999'"
        ),
        assistant("One of two is late. Late: A-1002."),
    ]
    (asked,) = perdure.model.asked
    assert asked.model == "anthropic/claude-haiku-5-5"
    told = str(asked.transcript)
    assert "A-1001" in told
    assert "A-1002" in told


async def test_an_order_that_is_gone_by_then_is_said_so(perdure: Perdure) -> None:
    session = await perdure.session("support")
    await session.trigger("follow_up", "f1", order_id="A-9999")

    await perdure.later(days=3)

    assert await session.transcript() == [assistant("I wanted to look after your order A-9999, but I cannot find it.")]
    assert (await session.snapshot()).status == "idle"
