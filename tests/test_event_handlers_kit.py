"""Handlers that wait for an event, in the test kit: over days, the death of a worker, and continue-as-new."""

import pytest

from perdure.temporal.app.testing.kit import Perdure, assistant
from perdure.temporal.sessions.errors import IdConflict, InvalidRequest, MessageWithdrawn, SessionClosed, TooMany
from perdure.workflows.core.handlers.events import MOST_KEPT

pytestmark = pytest.mark.server


async def test_an_event_comes_after_days(perdure: Perdure) -> None:
    session = await perdure.session("cashier", continue_as_new_after=20)
    turn = await session.trigger("charge", order_id="A-1")
    assert turn.reason == "parked"
    assert await session.send_event("paid", "e0", order_id="A-2", amount=1) == "e0"
    for number in range(3):
        assert (await session.trigger("late", f"l{number}")).text == "It is late."
    assert len(await session.runs()) > 1
    await perdure.later(days=2)
    await perdure.restart_worker()

    turn = await session.trigger("paid", "e1", order_id="A-1", amount=5)

    assert (turn.reason, turn.text) == ("done", "Thank you for 5.")
    # The same again does nothing, and what was kept is there for the handler that wants it.
    assert await session.send_event("paid", "e1", order_id="A-1", amount=5) == "e1"
    assert (await session.trigger("charge", order_id="A-2")).text == "Thank you for 1."
    assert (await session.transcript())[-1] == assistant("Thank you for 1.")
    started = [event for event in await session.events() if event.type == "turn.started"]
    assert [(event.cause, event.handler) for event in started[-3:]] == [("trigger", "charge")] * 3
    assert [event.trigger_id for event in started].count("e1") == 1
    assert started[-1].trigger_id == "e0"


async def test_an_event_does_not_come_in_time(perdure: Perdure) -> None:
    session = await perdure.session("cashier")
    await session.trigger("charge", order_id="A-1")
    await perdure.restart_worker()

    await perdure.later(days=4)

    assert (await session.transcript())[-1] == assistant("A-1 was not paid for.")


async def test_events_are_checked_as_triggers_are(perdure: Perdure) -> None:
    session = await perdure.session("cashier")
    with pytest.raises(InvalidRequest, match=r"inputs.amount: 'five' is not of type 'number'"):
        await session.send_event("paid", order_id="A-1", amount="five")
    with pytest.raises(InvalidRequest, match=r"inputs.order_id: is required"):
        await session.send_event("paid")
    with pytest.raises(InvalidRequest, match=r"and no such event; did you mean 'paid'\?"):
        await session.send_event("payd", order_id="A-1")
    for _ in range(2):
        await session.send_event("paid", "e1", order_id="A-1")
    with pytest.raises(IdConflict):
        await session.send_event("paid", "e1", order_id="A-2")
    await session.send_event("paid", "e9", order_id="A-9")
    await session.withdraw("e9")
    with pytest.raises(MessageWithdrawn):
        await session.send_event("paid", "e9", order_id="A-9")
    await session.close()
    with pytest.raises(SessionClosed):
        await session.send_event("paid", "e2", order_id="A-1")
    rejected = [event for event in await session.events() if event.type == "message.rejected"]
    assert [(event.message_id, event.reason) for event in rejected] == [("e9", "withdrawn"), ("e1", "session_closed")]


async def test_an_event_that_would_not_be_kept_is_refused(perdure: Perdure) -> None:
    session = await perdure.session("cashier")
    for number in range(MOST_KEPT):
        await session.send_event("paid", f"e{number}", order_id="A-2")
    with pytest.raises(TooMany, match="100 events"):
        await session.send_event("paid", "last", order_id="A-1")
    assert (await session.trigger("charge", order_id="A-2")).text == "Thank you for 0."
    await session.send_event("paid", "last", order_id="A-1")
