"""Answers of a form in whole sessions: with tools, other models, people who steer, and the death of a worker."""

import asyncio

import pytest

from perdure.temporal.app.testing.kit import Perdure, assistant, call, result, user
from perdure.workflows.vocabulary.events import StepFinished, TurnFinished

pytestmark = pytest.mark.server

GOOD = '{"topic": "refund", "urgency": 2}'
WRONG = '{"topic": "refund", "urgency": 9}'
VALUE = {"topic": "refund", "urgency": 2}


async def test_tools_and_a_form_in_one_turn(perdure: Perdure) -> None:
    perdure.model.says("Let me see.", calls=[("add", {"a": 1, "b": 1})])
    perdure.model.says(GOOD)
    session = await perdure.session("triage")
    turn = await session.say("My money, please")
    assert (turn.reason, turn.result, turn.text) == ("done", VALUE, GOOD)
    assert await session.transcript() == [
        user("My money, please"),
        assistant("Let me see.", call("add", a=1, b=1)),
        result("add", 2),
        assistant(GOOD),
    ]
    assert perdure.model.asked[0].output is not None


async def test_a_wrong_answer_is_asked_for_again_over_the_death_of_a_worker(perdure: Perdure) -> None:
    perdure.model.says(WRONG)
    perdure.model.says(GOOD)
    session = await perdure.session("triage")
    perdure.kill_worker(at="step.finished")
    turn = await session.say("My money, please")
    assert (turn.reason, turn.result) == ("done", VALUE)
    steps = [event for event in turn.events if isinstance(event, StepFinished)]
    assert [step.misfit is None for step in steps] == [False, True]
    # Whoever is asked again is told what is wrong, and nobody else sees it.
    assert "urgency: " in str(perdure.model.asked[-1].transcript[-1])
    assert (await session.transcript())[-2:] == [assistant(WRONG), assistant(GOOD)]


async def test_an_answer_that_is_never_right_fails_its_turn_and_can_be_tried_again(perdure: Perdure) -> None:
    for text in ("No.", WRONG, WRONG):
        perdure.model.says(text)
    session = await perdure.session("triage")
    turn = await session.say("My money, please")
    assert (turn.reason, turn.result) == ("failed", None)
    assert turn.error is not None
    assert turn.error.type == "answer_invalid"
    assert "urgency: " in turn.error.message
    perdure.model.says(GOOD)
    again = await session.retry()
    assert (again.reason, again.result) == ("done", VALUE)


async def test_a_message_that_steers_takes_the_place_of_an_answer(perdure: Perdure) -> None:
    gate = asyncio.Event()
    perdure.model.says(GOOD, gate=gate)
    perdure.model.says('{"topic": "order", "urgency": 1}')
    session = await perdure.session("triage")
    await session.send("My money, please")
    await session.streamed("refund")
    await session.steer("No, where is it?")
    gate.set()
    await session.until("turn.finished")
    ends = [event for event in await session.events() if isinstance(event, TurnFinished)]
    assert [(end.reason, end.result) for end in ends] == [("done", {"topic": "order", "urgency": 1})]


async def test_another_model_that_goes_on_is_asked_for_the_same_form(perdure: Perdure) -> None:
    perdure.model.says(WRONG)
    perdure.model.fails(404, "no such model")
    perdure.model.says(GOOD)
    session = await perdure.session("triage")
    turn = await session.say("My money, please")
    assert (turn.reason, turn.result) == ("done", VALUE)
    asked = perdure.model.asked
    assert [one.model for one in asked[-2:]] == ["anthropic/claude-sonnet-5-5", "openai/gpt-6-sol"]
    assert asked[-1].output == asked[0].output
    # What is wrong with the first model's answer, the second one is told as well.
    assert "urgency: " in str(asked[-1].transcript[-1])
