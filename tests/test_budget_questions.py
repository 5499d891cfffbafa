"""Turns that come to a limit, on a real server whose clock is moved: they ask, wait for days, and go on at that step."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType

from perdure.temporal.app.testing.kit import AnswerRefused, Perdure, failure
from perdure.workflows.definition.agent import Cheaper, Limits, SessionLimits, TurnLimits
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.events import Event, ModelSwitched, StepFinished, TurnFinished
from perdure.workflows.vocabulary.parts import Text, Usage
from perdure.workflows.vocabulary.question_events import InputReceived
from tests.support.session_lab import kinds

pytestmark = pytest.mark.server

CALL = ("add", {"a": 1, "b": 2})
CENT = Usage(input_tokens=10, output_tokens=100)


def outcome(events: Sequence[Event]) -> tuple[str, str | None]:
    last = [event for event in events if isinstance(event, TurnFinished)][-1]
    return last.reason, last.error.type if last.error else None


async def test_a_turn_waits_for_six_days_and_goes_on_at_that_step(perdure: Perdure) -> None:
    perdure.model.says("hello", usage=CENT)
    session = await perdure.session("budgeted")
    turn = await session.say("hi")
    assert kinds(turn.events) == ["turn.started", "message.added", "budget.paused"]
    (question,) = turn.questions
    assert (question.kind, question.expires_at) == ("budget", None)
    page = await session.snapshot()
    assert (page.status, page.questions) == ("waiting", (question,))
    await perdure.later(days=3)
    await perdure.restart_worker()
    await perdure.later(days=3)
    turn = await session.approve(by="ada")
    assert kinds(turn.events)[3:] == ["budget.raised", "step.started", "step.finished", "turn.finished"]
    (raised,) = [event for event in turn.events if isinstance(event, BudgetRaised)]
    assert raised.by is not None
    assert (raised.by.subject, raised.this_turn, turn.reason) == ("ada", True, "done")


async def test_the_waiting_turn_goes_on_in_later_runs(perdure: Perdure) -> None:
    session = await perdure.session("budgeted", continue_as_new_after=20)
    await session.configure(limits=Limits(turn=TurnLimits(cost_usd=0.5)))
    for number in range(4):
        perdure.model.says(calls=[("add", {"a": number, "b": 1})], usage=CENT)
    perdure.model.says("done", usage=CENT)
    await session.say("add them")
    for number in range(4):
        perdure.model.says(calls=[("add", {"a": number, "b": 2})], usage=Usage(input_tokens=10, output_tokens=4000))
        turn = await session.say(f"again {number}")
        assert turn.waiting
        perdure.model.says("well", usage=CENT)
        assert (await session.approve()).reason == "done"
    assert len(await session.runs()) > 1


async def test_a_kill_while_it_asks_and_one_while_it_goes_on(perdure: Perdure) -> None:
    perdure.model.says("hello", usage=CENT)
    session = await perdure.session("budgeted")
    assert (await session.say("hi")).waiting
    await perdure.restart_worker()
    perdure.kill_worker(at="step.streaming")
    turn = await session.answer({"cost_usd": 1.5})
    assert turn.reason == "done"
    (step,) = [event for event in turn.events if isinstance(event, StepFinished)]
    assert step.attempt == 2
    assert (await session.snapshot()).limits.turn.cost_usd == 1.5


async def test_an_attempt_for_which_nothing_is_left_is_not_made(perdure: Perdure) -> None:
    """The lost attempt is charged, and a whole one more does not fit: the next one is bounded more tightly."""
    perdure.model.says("x" * 900, usage=Usage(input_tokens=10, output_tokens=300))
    perdure.model.says("y", usage=Usage(input_tokens=10, output_tokens=10))
    session = await perdure.session("budgeted")
    await session.configure(limits=Limits(turn=TurnLimits(cost_usd=0.4097)))
    perdure.kill_worker(at="step.streaming")
    turn = await session.say("hi")
    lost, whole = [event for event in turn.events if isinstance(event, StepFinished)]
    assert (lost.stop, lost.attempt, whole.stop) == ("error", 2, "end")
    assert (turn.reason, turn.waiting) == ("done", False)
    assert turn.cost_usd is not None
    assert turn.cost_usd <= 0.4097


async def test_a_decline_ends_the_turn_and_a_wrong_cap_is_refused(perdure: Perdure) -> None:
    session = await perdure.session("budgeted")
    assert (await session.say("hi")).waiting
    with pytest.raises(AnswerRefused, match=r"result\.cost_usd: is a number"):
        await session.answer({"cost_usd": "much"})
    with pytest.raises(AnswerRefused, match=r"result\.tokens: is not the limit that was reached; set cost_usd"):
        await session.answer({"tokens": 5})
    turn = await session.deny(reason="too dear")
    assert outcome(turn.events) == ("budget", "budget_exceeded")
    (declined,) = [event for event in turn.events if isinstance(event, InputReceived)]
    assert (declined.value, declined.reason) == ({"approved": False}, "too dear")


async def test_a_limit_that_is_raised_and_a_stop_settle_the_question(perdure: Perdure) -> None:
    perdure.model.says("hello", usage=CENT)
    session = await perdure.session("budgeted")
    assert (await session.say("hi")).waiting
    stopped = await session.stop()
    assert stopped.reason == "stopped"
    assert (await session.snapshot()).questions == ()
    assert (await session.say("and now?")).waiting
    await session.configure(limits=Limits(turn=TurnLimits(cost_usd=9.0)))
    turn = await session.turn()
    assert (turn.text, turn.reason) == ("hello", "done")
    assert [event.this_turn for event in turn.events if isinstance(event, BudgetRaised)] == [False]


async def test_a_cheaper_model_goes_on(perdure: Perdure) -> None:
    perdure.model.says(calls=[CALL], usage=Usage(input_tokens=10, output_tokens=1000))
    perdure.model.says("hello", usage=CENT)
    session = await perdure.session("budgeted")
    await session.configure(limits=Limits(turn=TurnLimits(cost_usd=0.15), on_limit=Cheaper(cheaper="cheap")))
    turn = await session.say("hi")
    assert turn.reason == "done"
    assert [(event.to, event.reason) for event in turn.events if isinstance(event, ModelSwitched)] == [
        ("demo/cheap", "budget")
    ]
    assert [asked.model for asked in perdure.model.asked] == ["demo/stage", "demo/cheap"]


async def test_a_provider_that_wants_to_be_paid_first(perdure: Perdure) -> None:
    perdure.model.fails(402, "Your credit balance is too low.")
    perdure.model.says("hello", usage=CENT)
    session = await perdure.session("staged")
    turn = await session.say("hi")
    assert kinds(turn.events)[-2:] == ["step.finished", "budget.paused"]
    (paused,) = [event for event in turn.events if isinstance(event, BudgetPaused)]
    assert (paused.scope, paused.limit) == ("tenant", "provider")
    assert "Your credit balance is too low." in paused.prompt
    await perdure.later(days=1)
    assert (await session.approve()).text == "hello"


async def test_another_model_goes_on_where_a_provider_wants_to_be_paid_first(perdure: Perdure) -> None:
    perdure.model.fails(402, "Your credit balance is too low.")
    perdure.model.says("hello", usage=CENT)
    session = await perdure.session("staged")
    assert (await session.say("hi")).waiting
    await session.configure(model="other")
    turn = await session.turn()
    assert (turn.reason, turn.text) == ("done", "hello")
    assert kinds(turn.events)[4:] == [
        *("budget.paused", "input.received", "model.switched", "step.started", "step.finished", "turn.finished")
    ]
    assert [asked.model for asked in perdure.model.asked] == ["demo/stage", "demo/instant"]


async def test_a_model_that_never_ends_is_cut_when_the_working_time_is_used_up(perdure: Perdure) -> None:
    session = await perdure.session("budgeted")
    await session.configure(limits=Limits(turn=TurnLimits(working_time=timedelta(seconds=1))))
    perdure.model.hangs("Once upon")
    turn = await session.say("a story")
    assert kinds(turn.events)[2:] == ["step.started", "step.finished", "budget.paused"]
    (cut,) = [event for event in turn.events if isinstance(event, StepFinished)]
    assert (cut.stop, cut.message.parts) == ("stopped", (Text(text="Once upon"),))
    (question,) = turn.questions
    assert question.prompt is not None
    assert "which reaches the turn's cap of 1s." in question.prompt
    await perdure.later(days=3)
    perdure.model.says(" a time.", usage=CENT)
    turn = await session.approve()
    assert turn.reason == "done"
    said = [(await session.snapshot()).messages[number].parts for number in range(3)]
    assert said == [(Text(text="a story"),), (Text(text="Once upon"),), (Text(text=" a time."),)]
    # A timer for the time that was used up, one for the time that was allowed.
    (run,) = await session.runs()
    types = Counter(event.event_type for event in run.events)
    assert (types[EventType.EVENT_TYPE_TIMER_STARTED], types[EventType.EVENT_TYPE_TIMER_CANCELED]) == (2, 1)


async def test_a_call_that_comes_to_the_same_again_and_again(perdure: Perdure) -> None:
    session = await perdure.session("budgeted")
    await session.configure(limits=Limits(session=SessionLimits(cost_usd=None), turn=TurnLimits(repeats=2)))
    for _ in range(3):
        perdure.model.says(calls=[CALL], usage=CENT)
    perdure.model.says("I see.", usage=CENT)
    turn = await session.say("go")
    assert (turn.reason, turn.text) == ("done", "I see.")
    assert failure("add", "repeated_call") in await session.transcript()
    for _ in range(4):
        perdure.model.says(calls=[CALL], usage=CENT)
    turn = await session.say("once more")
    assert outcome(turn.events) == ("failed", "repeated_call")


async def test_a_text_that_repeats_itself_is_cut_and_the_model_is_told(perdure: Perdure) -> None:
    perdure.model.says("Well. " + "I will look again. " * 2000)
    perdure.model.says("Here it is.", usage=CENT)
    session = await perdure.session("staged")
    turn = await session.say("hi")
    cut, last = [event for event in turn.events if isinstance(event, StepFinished)]
    assert (cut.stop, last.stop, turn.text) == ("repetition", "end", "Here it is.")
    assert "repeated itself without end" in str(perdure.model.asked[-1].transcript[-1])
    assert len(str(cut.message.parts)) < 500
    # What streamed is paid for: 38,006 characters, three of them a token.
    assert (cut.usage.output_tokens, cut.usage.estimated) == (4096, True)
