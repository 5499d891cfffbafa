"""Models that stop because their window is full: the turn goes on with less of the conversation, or says why it ends."""

from collections.abc import Callable
from typing import Any

import pytest

from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.vocabulary.events import StepFinished, TurnFinished
from perdure.workflows.vocabulary.parts import Part, StopReason, Text, ToolCall, ToolResult
from tests.support.core import agent
from tests.support.long_talk import LongTalk, Request, pairs, say

pytestmark = pytest.mark.pure

WORDS = "some words that nobody needs any more once they have been said. " * 8


def talk(
    stops: Callable[[Request], StopReason | None], answers: Any = lambda request: say("Fine."), **new: Any
) -> LongTalk:
    """Of a model whose window nobody knows, after some turns."""
    models = {"main": ModelDefinition(use="demo/main", max_output_tokens=300)}
    made = LongTalk(agent(models=models), 1_000_000, answers, new=new)
    for number in range(8):
        assert made.turn(f"{number}: {WORDS}") == "done"
    made.stops = stops
    return made


def once(made: LongTalk) -> StopReason | None:
    """The first answer from now on."""
    steps = [event for event in made.events if isinstance(event, StepFinished)]
    return "context_window" if not any(event.stop == "context_window" for event in steps) else None


def last(made: LongTalk) -> TurnFinished:
    return next(event for event in reversed(made.events) if isinstance(event, TurnFinished))


def test_the_answer_goes_on_where_it_was_cut_with_a_summary_of_what_came_before() -> None:
    made = talk(lambda request: None)
    made.stops = lambda request: once(made)
    made.answers = lambda request: say("Once upon") if once(made) else say(" a time.")
    assert made.turn("tell me") == "done"

    (folded,) = made.compacted
    assert (folded.how, folded.tokens_after < folded.tokens_before) == ("summarized", True)
    before, after = made.answered[-2:]
    assert after.tokens < before.tokens
    assert "so far" in after.text
    assert after.said[-3:-1] == ["tell me", "Once upon"]
    assert after.said[-1].startswith("(Your last answer was cut, because it filled your context window.")
    assert [text for message in made.said[-2:] for text in _texts(message.parts)] == ["Once upon", " a time."]
    # About how much its window holds is known now.
    assert made.state.context.windows["demo/main"] == pytest.approx(before.tokens, rel=0.05)
    assert made.turn("thanks") == "done"


def test_calls_of_the_answer_that_was_cut_do_not_run_and_are_told_why() -> None:
    made = talk(lambda request: None)
    made.stops = lambda request: once(made)

    def answers(request: Request) -> tuple[Part, ...]:
        if not once(made):
            return say("Done.")
        return (ToolCall(call_id=f"{request.record.step_id}.c1", name="add", args={"a": 1}, checked="tool"),)

    made.answers = answers
    assert made.turn("add") == "done"

    assert len(made.compacted) == 1
    assert pairs(made.answered[-1]) == (set(), set())
    (result,) = [part for message in made.said for part in message.parts if isinstance(part, ToolResult)]
    assert result.is_error
    assert isinstance(result.output, dict)
    assert result.output["type"] == "answer_cut"


@pytest.mark.parametrize("parts", [say("Once"), (), say(" ")])
def test_where_it_fills_again_and_again_the_turn_ends_and_says_so(parts: tuple[Part, ...]) -> None:
    made = talk(lambda request: None)
    made.stops, made.answers = lambda request: "context_window", lambda request: parts
    finished = len(made.requests)
    assert made.turn("tell me") == "failed"
    error = last(made).error
    assert error is not None
    assert error.type in ("answer_cut", "empty_answer")
    assert len([one for one in made.requests[finished:] if one.record.compaction is None]) <= 4
    made.stops, made.answers = lambda request: None, lambda request: say("Fine.")
    assert made.turn("and now?") == "done"


def test_where_there_is_nothing_to_shorten_the_turn_ends_and_says_so() -> None:
    models = {"main": ModelDefinition(use="demo/main", max_output_tokens=300)}
    made = LongTalk(
        agent(models=models), 1_000_000, lambda request: say("Once"), stops=lambda request: "context_window"
    )
    assert made.turn("tell me") == "failed"
    error = last(made).error
    assert error is not None
    assert (error.type, error.message) == (
        "answer_cut",
        "The answer was cut: the conversation fills the model's context window. Send less, or use a model with a larger one.",
    )


def test_sessions_of_older_behavior_end_the_turn_and_say_so() -> None:
    made = talk(lambda request: "context_window", behavior=0)
    assert made.turn("tell me") == "failed"
    error = last(made).error
    assert (error and error.type, made.compacted) == ("answer_cut", [])


def _texts(parts: tuple[Part, ...]) -> list[str]:
    return [part.text for part in parts if isinstance(part, Text)]
