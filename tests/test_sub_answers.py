"""What the caller of a sub-agent is told of an answer that did not end well."""

import pytest

from perdure.workflows.core.actions import FinishTurn
from perdure.workflows.core.begin import begin
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.sub_answer import SubAnswer, answer_of, as_error
from perdure.workflows.vocabulary.parts import Part, Reasoning, StopReason, Text
from tests.support.core import AT, Story, call

pytestmark = pytest.mark.pure


def ended(*answers: tuple[tuple[Part, ...], StopReason]) -> SubAnswer:
    """A sub-agent that says that it will look, calls a tool, and then answers so."""
    story = Story.new().loaded().turn()
    story.open()
    story.answered(Text(text="Let me look."), call("t1.s1.c1"), stop="tool_calls").result("t1.s1.c1")
    for parts, stop in answers:
        story.open()
        story.answered(*parts, stop=stop)
    action = next_action(story.state)
    assert isinstance(action, FinishTurn)
    story.take(begin(story.state, action, AT).changes)
    return answer_of(story.state)


EMPTY: tuple[tuple[Part, ...], StopReason] = ((), "end")


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ((EMPTY, EMPTY), "empty_answer"),
        ((((Reasoning(text="Hm."),), "max_tokens"),) * 2, "empty_answer"),
        ((((Text(text="It is"),), "max_tokens"),), "answer_cut"),
        ((((Text(text="It is"),), "context_window"),), "answer_cut"),
        ((((Text(text="I will not"),), "refusal"),), "answer_refused"),
        ((((), "refusal"),), "answer_refused"),
        ((((Text(text="It is"),), "content_filter"),), "answer_filtered"),
        ((((Text(text="It is"),), "other"),), "stop_unknown"),
    ],
)
def test_the_caller_is_told_how_the_answer_ended(
    answers: tuple[tuple[tuple[Part, ...], StopReason], ...], why: str
) -> None:
    answer = ended(*answers)
    assert answer.reason == "failed"
    error = as_error(answer, "helper")
    assert error.type == "agent_failed"
    assert error.message.startswith(f"helper failed. {why}: ")
    said = next((part.text for part in reversed(answers[-1][0]) if isinstance(part, Text)), "Let me look.")
    assert error.message.endswith(f"It had said: {said}")


def test_an_answer_that_ended_well_is_the_result() -> None:
    answer = ended(((Text(text="It is there."),), "end"))
    assert (answer.reason, answer.parts) == ("done", (Text(text="It is there."),))
