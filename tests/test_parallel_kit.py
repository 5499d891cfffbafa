"""Calls of handlers at the same time, and taking them back, in the test kit: over deaths of the worker and in fresh runs."""

import pytest
from temporalio.exceptions import ApplicationError

from perdure.temporal.app.testing.kit import Perdure, assistant, user
from perdure.temporal.app.testing.points import Point
from perdure.workflows.vocabulary.events import Event, ToolFinished

pytestmark = pytest.mark.server

PAID = "Paid: P-10, P-20, P-30"
TAKEN_BACK = "Taken back: message[2].try.do[0].call: No."


def results(events: list[Event]) -> list[tuple[str, object]]:
    """The calls that have ended, by their ids."""
    return sorted((event.call_id, event.result.output) for event in events if isinstance(event, ToolFinished))


@pytest.mark.parametrize("point", ["tool.started", "tool.finished"])
async def test_a_worker_dies_in_the_middle(perdure: Perdure, point: Point) -> None:
    session = await perdure.session("booker")
    perdure.kill_worker(at=point, tool="pay")
    assert (await session.say("pay")).text == PAID
    perdure.kill_worker(at=point, tool="take_back")

    turn = await session.say("No.")

    assert (turn.reason, turn.text) == ("done", TAKEN_BACK)
    events = [event for event in turn.events if isinstance(event, ToolFinished)]
    assert results(list(events)) == [
        *((f"t2.s0.c{number}", {"payment_id": f"P-{number}0"}) for number in (1, 2, 3)),
        ("t2.s0.c4", {"type": "refused", "message": "No.", "retryable": False}),
        *((f"t2.s0.c{number}", f"P-{amount} is taken back") for number, amount in ((5, 30), (6, 20), (7, 10))),
    ]
    # Nobody is shown what handlers do by themselves.
    assert await session.transcript() == [user("pay"), assistant(PAID), user("No."), assistant(TAKEN_BACK)]


async def test_it_goes_on_in_fresh_runs(perdure: Perdure) -> None:
    session = await perdure.session("booker", continue_as_new_after=20)
    for text, said in (("pay", PAID), ("No.", TAKEN_BACK)):
        assert (await session.say(text)).text == said
    assert len(await session.runs()) > 1


async def test_after_a_rewind_nothing_is_kept_of_before(perdure: Perdure) -> None:
    session = await perdure.session("booker")
    await session.say("pay")

    turn = await session.rewind(text="No.")

    assert turn.text == TAKEN_BACK
    taken = [event.result.output for event in turn.events if isinstance(event, ToolFinished)][4:]
    assert taken == [f"P-{amount} is taken back" for amount in (30, 20, 10)]
    assert await session.transcript() == [user("No."), assistant(TAKEN_BACK)]


async def test_a_retry_calls_only_what_failed(perdure: Perdure) -> None:
    tries: list[int] = []

    def pay(amount: int) -> dict[str, str]:
        tries.append(amount)
        if amount == 20 and tries.count(20) == 1:
            raise ApplicationError("No change.", type="no_change", non_retryable=True)
        return {"payment_id": f"P-{amount}"}

    perdure.tool("pay", pay)
    session = await perdure.session("booker")
    turn = await session.say("pay")
    assert turn.error is not None
    assert turn.error.message.startswith("message[0].parallel.do.call: item 2: ")
    assert (await session.retry()).text == PAID
    assert sorted(tries) == [10, 20, 20, 30]
