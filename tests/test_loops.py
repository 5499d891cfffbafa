"""The loop guard, as pure functions of the state: the same call with the same result, over and over."""

from typing import Any

import pytest

from perdure.workflows.core.actions import FinishTurn, PlanCalls
from perdure.workflows.core.begin import begin
from perdure.workflows.core.endings import fault, goes_on, nudge_after, oddity
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import TimePassed
from perdure.workflows.core.settle import settle
from perdure.workflows.definition.agent import Limits
from perdure.workflows.vocabulary.events import ToolFinished
from perdure.workflows.vocabulary.parts import Text
from tests.support.core import AT, Story, agent

pytestmark = pytest.mark.pure


def session(repeats: int = 2, behavior: int = 1) -> Story:
    limits = Limits.model_validate({"turn": {"repeats": repeats}})
    return Story.new(behavior=behavior).loaded(agent(limits=limits)).turn()


def planned(story: Story, *args: Any) -> list[str]:
    """The stages of the calls of a step, once it is decided about them."""
    story.called(*args)
    action = next_action(story.state)
    assert isinstance(action, PlanCalls)
    story.take(begin(story.state, action, AT).changes)
    return [call.stage.at for call in story.calls]


def done(story: Story, *outputs: Any) -> None:
    """Gives the calls these results."""
    for call, output in zip(story.calls, outputs, strict=True):
        story.result(call.call_id, output)


def refuse(story: Story) -> list[dict[str, Any]]:
    """Carries out what is to be done with calls that do not run; their results."""
    changes = begin(story.state, next_action(story.state), AT).changes  # type: ignore[arg-type]
    story.take(changes)
    return [change.result.output for change in changes if isinstance(change, ToolFinished)]  # type: ignore[misc]


def test_the_call_after_the_last_that_may_be_does_not_run() -> None:
    story = session()
    for _ in range(2):
        assert planned(story, {"a": 1}) == ["ready"]
        done(story, 3)
    assert planned(story, {"a": 1}, {"a": 2}) == ["refused", "ready"]
    (result,) = refuse(story)[:1]
    assert result["type"] == "repeated_call"
    assert "it was called 2 times in this turn with these arguments" in result["message"]


@pytest.mark.parametrize(
    ("args", "results"),
    [([{"a": 1}, {"a": 2}, {"a": 1}], [3, 3, 3]), ([{"a": 1}] * 3, [1, 2, 3]), ([{"a": 1}] * 3, [3, 4, 3])],
)
def test_other_arguments_or_another_result_begin_anew(args: list[Any], results: list[int]) -> None:
    story = session()
    for given, result in zip(args, results, strict=True):
        assert planned(story, given) == ["ready"]
        done(story, result)


def test_a_model_that_insists_ends_its_turn() -> None:
    story = session()
    for _ in range(2):
        planned(story, {"a": 1})
        done(story, 3)
    planned(story, {"a": 1})
    refuse(story)
    planned(story, {"a": 1})
    (result,) = refuse(story)
    assert result["type"] == "repeated_call"
    action = next_action(story.state)
    assert isinstance(action, FinishTurn)
    assert (action.reason, action.error and action.error.type) == ("failed", "repeated_call")


def test_the_next_turn_begins_anew() -> None:
    story = session()
    for _ in range(2):
        planned(story, {"a": 1})
        done(story, 3)
    story.open()
    story.answered(Text(text="x")).finished().turn()
    assert planned(story, {"a": 1}) == ["ready"]


def test_sessions_of_older_versions_are_not_guarded() -> None:
    story = session(behavior=0)
    for _ in range(5):
        assert planned(story, {"a": 1}) == ["ready"]
        done(story, 3)


def test_a_text_that_repeats_itself_is_asked_about_once_more() -> None:
    odd = oddity((Text(text="so so so"),), "repetition")
    assert odd == "repetition"
    assert (goes_on("repetition", (odd,)), nudge_after("repetition", (odd,))) == (True, "repetition")
    assert not goes_on("repetition", (odd, odd))
    error = fault("repetition", (odd, odd), role="main", limit=None, word=None)
    assert error is not None
    assert error.type == "answer_repeated"


def test_time_that_passes_changes_nothing_for_a_turn_that_waits_for_money() -> None:
    story = Story.new(behavior=1)
    story.loaded(agent(limits=Limits.model_validate({"turn": {"tokens": 1}}))).turn()
    story.take(begin(story.state, next_action(story.state), AT).changes)  # type: ignore[arg-type]
    assert story.state.questions.open
    assert settle(story.state, TimePassed(), AT) == ()
