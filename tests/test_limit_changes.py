"""Limits of a session that are changed one by one: each change holds over whatever holds when it arrives."""

from typing import Any

import pytest
from pydantic import ValidationError

from perdure.workflows.core.actions import PauseTurn
from perdure.workflows.core.begin import begin
from perdure.workflows.core.changes import Change
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.receive import receive
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.definition.limits import Limits
from perdure.workflows.definition.partial_limits import joined, partial_limits, with_partial
from perdure.workflows.protocol.signals import BEHAVIOR, Answer, Configure
from perdure.workflows.vocabulary.questions import Question
from tests.support.core import AT, Story, agent

pytestmark = pytest.mark.pure


def story(behavior: int = BEHAVIOR, **limits: Any) -> Story:
    return Story.new(behavior=behavior).loaded(agent(limits=Limits.model_validate(limits)))


def configure(at: Story, number: int, **changes: Any) -> tuple[Change, ...]:
    """As a gateway sends it, over the wire and back."""
    sent = Configure(id=f"c{number}", limit_changes=partial_limits(Limits.model_validate(changes)))
    taken = receive(at.state, Configure.model_validate_json(sent.model_dump_json()), AT)
    at.take(taken)
    at.state = read_state(dump_state(at.state))
    return tuple(taken)


def asked(at: Story) -> Question:
    """The question that the turn asks at its limit."""
    action = next_action(at.state)
    assert isinstance(action, PauseTurn)
    at.take(begin(at.state, action, AT).changes)
    (question,) = at.state.questions.open
    return question


def test_changes_of_different_limits_all_hold() -> None:
    at = story(turn={"cost_usd": 0.1, "steps": 7}, session={"tokens": 500})

    configure(at, 1, turn={"cost_usd": None})
    configure(at, 2, session={"cost_usd": 3})
    configure(at, 3, turn={"working_time": "90s"}, on_limit="stop")

    assert at.state.effective_limits == Limits.model_validate(
        {
            "turn": {"steps": 7, "working_time": "90s"},
            "session": {"tokens": 500, "cost_usd": 3},
            "on_limit": "stop",
        }
    )


def test_limits_that_were_not_changed_are_those_of_a_later_definition() -> None:
    at = story(turn={"cost_usd": 0.1, "steps": 7})
    configure(at, 1, turn={"cost_usd": 0.2})

    at.loaded(agent("d2", limits=Limits.model_validate({"turn": {"cost_usd": 9.0, "steps": 3, "tokens": 50}})))

    limits = at.state.effective_limits.turn
    assert (limits.cost_usd, limits.steps, limits.tokens) == (0.2, 3, 50)


@pytest.mark.parametrize("behavior", [1, BEHAVIOR])
def test_a_change_beside_an_answer_that_raises_a_cap_loses_neither(behavior: int) -> None:
    for first in ("change", "answer"):
        at = story(behavior, turn={"cost_usd": 0.000001}).turn()
        question = asked(at)
        answer = Answer(id="a1", question_id=question.question_id, result={"cost_usd": 0.5})
        if first == "change":
            configure(at, 1, turn={"steps": 4})
        at.take(receive(at.state, answer, AT))
        if first == "answer":
            configure(at, 1, turn={"steps": 4})
        limits = at.state.effective_limits.turn
        assert (limits.cost_usd, limits.steps) == (0.5, 4)


def test_a_cap_that_an_answer_raised_leaves_the_other_limits_to_the_definition() -> None:
    at = story(turn={"cost_usd": 0.000001, "steps": 7}).turn()
    question = asked(at)
    at.take(receive(at.state, Answer(id="a1", question_id=question.question_id, result={"cost_usd": 0.5}), AT))

    at.loaded(agent("d2", limits=Limits.model_validate({"turn": {"steps": 3}})))

    limits = at.state.effective_limits.turn
    assert (limits.cost_usd, limits.steps) == (0.5, 3)


def test_a_change_holds_over_limits_that_an_older_version_set_together() -> None:
    at = story(turn={"cost_usd": 0.1})
    whole = Limits.model_validate({"turn": {"cost_usd": 1.0, "steps": 5}, "session": {"cost_usd": 2.0}})
    at.take(receive(at.state, Configure(id="c0", limits=whole), AT))

    configure(at, 1, session={"cost_usd": None})
    at.loaded(agent("d2", limits=Limits.model_validate({"turn": {"steps": 3}})))

    expected = {"turn": {"cost_usd": 1.0, "steps": 5}}
    assert at.state.effective_limits == Limits.model_validate(expected)


def test_changes_before_the_definition_is_loaded_hold_over_it() -> None:
    at = Story.new(behavior=BEHAVIOR)
    configure(at, 1, session={"cost_usd": 4.0})
    at.loaded(agent(limits=Limits.model_validate({"turn": {"steps": 3}, "session": {"cost_usd": 1.0}})))
    assert (at.state.effective_limits.turn.steps, at.state.effective_limits.session.cost_usd) == (3, 4.0)


def test_a_period_that_was_lifted_stays_lifted_but_for_what_is_set_later() -> None:
    base = Limits.model_validate({"user": {"day": {"cost_usd": 1.0, "tokens": 10}, "month": {"tokens": 20}}})
    both = joined({"user": {"day": None}}, {"user": {"day": {"tool_calls": 3}}})
    assert with_partial(base, both) == with_partial(
        with_partial(base, {"user": {"day": None}}), {"user": {"day": {"tool_calls": 3}}}
    )
    assert with_partial(base, both).user.model_dump(exclude_none=True) == {
        "day": {"tool_calls": 3},
        "month": {"tokens": 20},
    }


def test_what_takes_over_at_a_limit_is_replaced_as_a_whole() -> None:
    both = joined({"on_limit": {"cheaper": "other"}}, {"on_limit": "ask"})
    assert both == {"on_limit": "ask"}
    assert joined(both, {"on_limit": {"cheaper": "main"}}) == {"on_limit": {"cheaper": "main"}}


@pytest.mark.parametrize("wrong", [{"turn": {"steps": 0}}, {"turns": {}}, {"session": {"cost_usd": "much"}}])
def test_a_command_with_wrong_limits_cannot_be_made(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        Configure(id="c1", limit_changes=wrong)


def test_a_command_without_changes_is_written_as_ever() -> None:
    assert "limit_changes" not in Configure(id="c1", model="other").model_dump_json()
