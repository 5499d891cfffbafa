"""The shipped `support` agent, complete except for its model: it looks up orders, refunds, and asks before large
sums."""

import pytest

from perdure.temporal.app.testing.kit import Perdure, Session
from perdure.workflows.vocabulary.events import ToolFinished, ToolStarted
from perdure.workflows.vocabulary.parts import ToolResult
from perdure.workflows.vocabulary.question_events import ApprovalRequested, ApprovalResolved
from perdure.workflows.vocabulary.questions import By

pytestmark = pytest.mark.server

LARGE = ("issue_refund", {"order_id": "A-1004", "amount": 120.0, "reason": "broken"})


async def asks_for_a_large_sum(perdure: Perdure) -> Session:
    """A session that waits for a colleague's decision."""
    perdure.model.says("", calls=[("find_order", {"order_id": "A-1004"})])
    perdure.model.says("", calls=[LARGE])
    perdure.model.says("That is settled.")
    session = await perdure.session("support")
    turn = await session.say("My order A-1004 came broken. I want my money back.")
    assert turn.waiting
    return session


async def refund(session: Session) -> ToolResult:
    """The result of the only refund that was requested."""
    (found,) = [e for e in await session.events() if isinstance(e, ToolFinished) and e.name == "issue_refund"]
    return found.result


async def test_a_small_sum_goes_back_without_a_question(perdure: Perdure) -> None:
    perdure.model.says("", calls=[("issue_refund", {"order_id": "A-1004", "amount": 30.0, "reason": "scratched"})])
    perdure.model.says("Done.")
    session = await perdure.session("support")
    assert (await session.say("A scratch. 30 would do.")).text == "Done."
    assert not any(isinstance(event, ApprovalRequested) for event in await session.events())
    assert not (await refund(session)).is_error


async def test_a_large_sum_waits_a_day_and_a_restart_for_a_colleague(perdure: Perdure) -> None:
    session = await asks_for_a_large_sum(perdure)
    await perdure.later(days=1)
    await perdure.restart_worker()
    turn = await session.approve(by="ann")

    assert turn.text == "That is settled."
    events = await session.events()
    (asked,) = [event for event in events if isinstance(event, ApprovalRequested)]
    (told,) = [event for event in events if isinstance(event, ApprovalResolved)]
    assert (told.approved, told.by, (told.at - asked.at).days) == (True, By(subject="ann"), 1)
    result = await refund(session)
    assert isinstance(result.output, dict)
    assert (result.is_error, result.output["amount"]) == (False, 120.0)


async def test_a_colleague_says_no_and_the_model_hears_why(perdure: Perdure) -> None:
    session = await asks_for_a_large_sum(perdure)
    await session.deny(reason="a repair comes first")
    result = await refund(session)
    assert result.is_error
    assert "a repair comes first" in str(perdure.model.asked[-1].transcript)


async def test_a_colleague_gives_less(perdure: Perdure) -> None:
    session = await asks_for_a_large_sum(perdure)
    await session.approve(args={**LARGE[1], "amount": 90.0})
    ran = [e for e in await session.events() if isinstance(e, ToolStarted) and e.name == "issue_refund"]
    assert [event.args["amount"] for event in ran] == [90.0]
    assert not (await refund(session)).is_error


async def test_a_refund_whose_worker_died_is_not_given_twice(perdure: Perdure) -> None:
    perdure.model.says("", calls=[("issue_refund", {"order_id": "A-1004", "amount": 30.0})])
    perdure.model.says("I will ask a colleague.")
    session = await perdure.session("support")
    perdure.kill_worker(at="tool.finished", tool="issue_refund")
    await session.say("A scratch. 30 would do.")
    result = await refund(session)
    assert isinstance(result.output, dict)
    assert result.output["type"] == "outcome_unknown"
