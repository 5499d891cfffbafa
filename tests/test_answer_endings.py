"""What becomes of a turn whose answer has to have a form: in the pure core."""

from datetime import timedelta
from typing import Any

import pytest

from perdure.workflows.core.actions import CallModel, CloseSession, FinishTurn, Rest
from perdure.workflows.core.begin import begin
from perdure.workflows.core.endings import Odd, goes_on, nudge_after, told
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import ModelEnded
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.settle import settle
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.core.sub_answer import answer_of
from perdure.workflows.protocol.activities import StepOutput
from perdure.workflows.protocol.checked_answers import CheckedAnswer
from perdure.workflows.vocabulary.events import Event, StepFinished, TurnFinished
from perdure.workflows.vocabulary.parts import Part, Text, Timing, ToolCall, Usage
from tests.support.core import AT, Story, agent

pytestmark = pytest.mark.pure

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
WRONG = CheckedAnswer(misfit="n: is required")


def asked() -> Story:
    return Story.new().loaded(agent(answer={"schema": SCHEMA})).turn()


def ends(story: Story, answer: CheckedAnswer | None, *parts: Part) -> Story:
    """The next step, as the worker tells it. The state goes through JSON in between, as where a session continues as new."""
    action = next_action(story.state)
    assert isinstance(action, CallModel)
    story.take(begin(story.state, action, AT).changes)
    story.state = read_state(dump_state(story.state))
    output = StepOutput(
        parts=parts or (Text(text="{}"),),
        model="demo/main",
        usage=Usage(input_tokens=10, output_tokens=5),
        cost_usd=0.1,
        timing=Timing(total_ms=1),
        stop="tool_calls" if any(isinstance(part, ToolCall) for part in parts) else "end",
        attempt=1,
        request_sha256="0" * 64,
        answer=answer,
    )
    return story.take(settle(story.state, ModelEnded(action.step_id, output), AT))


def finished(story: Story) -> TurnFinished:
    action = next_action(story.state)
    assert isinstance(action, FinishTurn)
    events: list[Event] = [one for one in begin(story.state, action, AT).changes if isinstance(one, TurnFinished)]
    (event,) = events
    assert isinstance(event, TurnFinished)
    return event


def closing(story: Story) -> list[str]:
    """What the request of the last step says at its end."""
    prompt = build_prompt(story.state, story.state.log.steps[-1])
    return [part.text for message in prompt.closing for part in message.parts if isinstance(part, Text)]


def test_an_answer_of_the_form_is_the_result_of_its_turn() -> None:
    story = ends(asked(), CheckedAnswer(value={"n": 1}))
    assert build_prompt(story.state, story.state.log.steps[0]).output == SCHEMA
    assert (finished(story).reason, finished(story).result) == ("done", {"n": 1})


def test_another_answer_is_asked_for_again_with_what_is_wrong() -> None:
    story = ends(ends(asked(), WRONG), CheckedAnswer(value={"n": 2}))
    assert closing(story) == [told("misfit", "n: is required")]
    assert "n: is required" in closing(story)[0]
    steps = [event for event in story.state.log.events if isinstance(event, StepFinished)]
    assert [step.misfit for step in steps] == ["n: is required", None]
    end = finished(story)
    # Each step counts and costs.
    assert (end.reason, end.result, end.cost_usd, end.usage.input_tokens) == ("done", {"n": 2}, 0.2, 20)


def test_it_is_asked_for_at_most_twice_more() -> None:
    story = ends(ends(ends(asked(), WRONG), WRONG), CheckedAnswer(misfit="n: must be an integer, not 'x'"))
    end = finished(story)
    assert (end.reason, end.result) == ("failed", None)
    assert end.error is not None
    assert (end.error.type, end.error.retryable) == ("answer_invalid", True)
    assert "n: must be an integer, not 'x'" in end.error.message


def test_calls_of_tools_in_between_begin_anew() -> None:
    story = ends(ends(asked(), WRONG), WRONG)
    call = ToolCall(call_id="t1.s3.c1", name="add", args={}, checked="tool")
    story = ends(story, None, call).result("t1.s3.c1")
    story = ends(ends(story, WRONG), CheckedAnswer(value={"n": 3}))
    assert finished(story).result == {"n": 3}


def test_a_message_that_steers_takes_the_place_of_the_result() -> None:
    story = ends(asked(), CheckedAnswer(value={"n": 1}))
    message = story.state.transcript.on(story.state.transcript.path, 0, 1)[0].model_copy(update={"id": "m2"})
    story.event("message.added", message=message)
    story = ends(story, CheckedAnswer(value={"n": 2}))
    assert finished(story).result == {"n": 2}


def test_an_answer_that_no_worker_has_checked_is_a_text() -> None:
    """An older worker made it."""
    end = finished(ends(asked(), None))
    assert (end.reason, end.result) == ("done", None)
    assert "result" not in end.model_dump()


@pytest.mark.parametrize(
    ("odd", "again"),
    [(("misfit",), True), (("misfit", "misfit"), True), (("misfit",) * 3, False), (("misfit", "empty"), True)],
)
def test_who_is_asked_again(odd: tuple[Odd, ...], again: bool) -> None:
    assert goes_on("end", odd) is again
    assert nudge_after("end", odd) == ("empty" if odd[-1] == "empty" else "misfit")


def test_an_agent_that_is_run_once_closes_its_session_when_it_has_answered() -> None:
    story = Story.new(once=True).loaded(agent(answer={"schema": SCHEMA}))
    assert not isinstance(next_action(story.state), CloseSession)
    story = ends(story.turn(), CheckedAnswer(value={"n": 1}))
    story.take(begin(story.state, FinishTurn("done"), AT).changes)
    action = next_action(story.state)
    assert action == CloseSession("answered")
    story.take(begin(story.state, CloseSession("answered"), AT).changes)
    answer = answer_of(story.state)
    assert (answer.reason, answer.result, answer.cost_usd) == ("done", {"n": 1}, 0.1)


def test_one_that_has_set_itself_a_timer_waits_for_it() -> None:
    story = Story.new(once=True).loaded().whole_turn()
    story.event("timer.set", timer_id="w1", due=AT + timedelta(days=1), note="look again")
    assert isinstance(next_action(story.state), Rest)
