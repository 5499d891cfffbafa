"""Handlers that ask a person, in the test kit: over days, restarts and continue-as-new, and who may answer."""

import pytest

from perdure.temporal.app.testing.kit import AnswerRefused, Perdure, assistant
from perdure.workflows.vocabulary.questions import By

pytestmark = pytest.mark.server

ADA = By(subject="ada", scopes=("logistics",))


async def test_an_answer_comes_after_days(perdure: Perdure) -> None:
    session = await perdure.session("router", continue_as_new_after=20)
    turn = await session.trigger("deliver", order_id="A-1")
    assert turn.reason == "parked"
    (question,) = await session.questions()
    assert (question.prompt, question.roles) == ("When should we deliver A-1?", ("logistics",))
    assert (await session.snapshot()).status == "waiting"
    for _ in range(3):
        perdure.model.says("smalltalk")
        perdure.model.says("Fine, thanks.")
        assert (await session.say("how are you?")).text == "Fine, thanks."
    assert len(await session.runs()) > 1
    await perdure.later(days=3)
    await perdure.restart_worker()

    with pytest.raises(AnswerRefused, match=r"result.day: 5 is not of type 'string'"):
        await session.answer({"day": 5}, by=ADA)
    with pytest.raises(AnswerRefused, match=r"result: 'day' is a required property"):
        await session.answer({}, by=ADA)
    with pytest.raises(AnswerRefused, match="a handler takes at most"):
        await session.answer({"day": "x" * 100_000}, by=ADA)
    with pytest.raises(AnswerRefused, match="roles may answer: logistics"):
        await session.answer({"day": "2026-03-09"}, by="bea")
    turn = await session.answer({"day": "2026-03-09"}, by=ADA)

    assert (turn.reason, turn.text) == ("done", "A-1 comes on 2026-03-09.")
    started = [event for event in await session.events() if event.type == "turn.started"]
    assert (started[-1].cause, started[-1].handler) == ("answer", "deliver")
    assert (await session.snapshot()).status == "idle"


async def test_nobody_answers_in_time(perdure: Perdure) -> None:
    session = await perdure.session("router")
    await session.trigger("deliver", order_id="A-1")
    await perdure.restart_worker()

    await perdure.later(days=8)

    assert (await session.transcript())[-1] == assistant("Nobody said when to deliver A-1.")
    assert await session.questions() == ()


async def test_a_worker_dies_as_the_handler_goes_on(perdure: Perdure) -> None:
    session = await perdure.session("router")
    await session.trigger("deliver", order_id="A-1")
    perdure.model.says("Sorry, we are closed.")
    perdure.kill_worker(at="step.finished")
    turn = await session.deny(reason="The shop is closed", by=ADA)
    assert (turn.reason, turn.text) == ("done", "Sorry, we are closed.")
    assert await session.transcript() == [assistant(turn.text)]
    assert "whoever was asked declined. The reason given: The shop is closed" in str(perdure.model.asked[-1])
