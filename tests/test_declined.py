"""What later requests leave out once a provider has declined to answer, in the core alone."""

from typing import Any

import pytest

from perdure.workflows.core.begin import begin
from perdure.workflows.core.changes import Changes, ExchangeDeclined, StopRequested
from perdure.workflows.core.fork import past
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import ModelEnded
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.settle import settle
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.core.step import StepFailure
from perdure.workflows.protocol.activities import Partial, StepOutput
from perdure.workflows.protocol.left_out import LeftOut
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.errors import MODEL_CONTENT_POLICY, MODEL_INVALID_REQUEST
from perdure.workflows.vocabulary.parts import Message, Text, Timing, ToolCall, ToolError, ToolResult, Usage
from tests.support.core import AT, Story

pytestmark = pytest.mark.pure


def declined(stop: str = "refusal") -> StepOutput:
    return StepOutput.model_validate(
        {
            "parts": (Text(text="I will not"),),
            "model": "m",
            "usage": Usage(),
            "cost_usd": 0,
            "timing": Timing(total_ms=1),
            "stop": stop,
            "attempt": 1,
            "request_sha256": "x",
        }
    )


def policy(kind: str = MODEL_CONTENT_POLICY) -> StepFailure:
    return StepFailure(ToolError(type=kind, message="No."), Partial(attempt=1, lost=0, streaming=False))


EVERY = pytest.mark.parametrize(
    "outcome", [declined(), declined("content_filter"), policy()], ids=["refusal", "filter", "400"]
)


def ends(story: Story, outcome: StepOutput | StepFailure, **options: Any) -> Changes:
    """The open step ends so, and the turn with it."""
    assert story.state.turn is not None
    assert story.state.turn.step is not None
    changes = settle(story.state, ModelEnded(story.state.turn.step.step_id, outcome, **options), AT)
    story.take(changes)
    story.take(begin(story.state, next_action(story.state), AT).changes)  # type: ignore[arg-type]
    assert story.state.turn is None
    return changes


def seen(story: Story, record: StepRecord) -> list[tuple[str, str]]:
    """Role and words of the messages that the step's model is sent."""
    prompt = build_prompt(story.state, record)
    return [(one.role, _words(one)) for one in prompt.around(story.state.transcript.messages[: record.view.count])]


def _words(message: Message) -> str:
    words = []
    for part in message.parts:
        match part:
            case Text():
                words.append(part.text)
            case ToolCall():
                words.append(f"calls {part.name}")
            case ToolResult():
                words.append(str(part.output))
            case _:
                raise AssertionError(part)
    return " ".join(words)


BEFORE = [("user", "hi"), ("assistant", "hello")]


def begun() -> Story:
    return Story.new().loaded().whole_turn()


@EVERY
def test_a_declined_message_is_left_out_of_later_requests_and_stays_for_viewers(
    outcome: StepOutput | StepFailure,
) -> None:
    story = begun().turn("something bad")
    record = story.open()
    epoch = story.state.transcript.epoch
    ends(story, outcome)
    assert story.state.transcript.epoch == epoch + 1
    after = story.turn("something good").open()
    assert seen(story, after) == [*BEFORE, ("user", "something good")]
    # The declined step's own prompt is as it was sent.
    assert seen(story, record) == [*BEFORE, ("user", "something bad")]
    assert "something bad" in [_words(one) for one in story.state.transcript.messages]


@EVERY
def test_results_that_were_declined_give_way_to_a_note(outcome: StepOutput | StepFailure) -> None:
    story = begun().turn("look it up").called({"a": 1}, {"a": 2})
    story.result("t2.s1.c1", "something bad").result("t2.s1.c2", "more of it")
    record = story.open()
    ends(story, outcome)
    after = story.turn("and now?").open()
    words = seen(story, after)
    assert words[:4] == [*BEFORE, ("user", "look it up"), ("assistant", "calls add calls add")]
    assert [role for role, _ in words[4:]] == ["tool", "tool", "user"]
    assert all("left out" in text for _, text in words[4:6])
    assert ("tool", "something bad") in seen(story, record)


def test_where_the_next_message_is_declined_too_the_whole_exchange_goes() -> None:
    story = begun().turn("something bad").called({"a": 1}).result("t2.s1.c1")
    story.open()
    ends(story, declined())
    story.turn("and now?").open()
    changes = ends(story, declined())
    (marked,) = [one for one in changes if isinstance(one, ExchangeDeclined)]
    assert [(one.turn_id, one.calls) for one in marked.left_out] == [("t2", ()), ("t3", ())]
    words = seen(story, story.turn("hello again").open())
    assert words[:2] == BEFORE
    # The model is told of the tool, so that it does not call it again for want of knowing.
    assert [role for role, _ in words[2:]] == ["user", "user"]
    assert words[2][1].endswith("Tools that were called then: add.)")
    assert words[3] == ("user", "hello again")


def test_two_declined_messages_cost_no_good_one() -> None:
    story = begun()
    for _ in range(2):
        story.turn("something bad").open()
        ends(story, declined())
    assert seen(story, story.turn("good").open()) == [*BEFORE, ("user", "good")]


def test_it_survives_json_and_a_fork_and_is_gone_with_its_turn() -> None:
    story = begun().turn("something bad")
    story.open()
    ends(story, declined())
    story.whole_turn("good", "fine")
    again = read_state(dump_state(story.state))
    assert again == story.state
    fork = Story(past(story.state, "t3", True))
    assert fork.state.transcript.left_out == story.state.transcript.left_out
    assert seen(fork, fork.turn("on").open()) == [*BEFORE, ("user", "good"), ("assistant", "fine"), ("user", "on")]
    assert past(story.state, "t2", False).transcript.left_out == ()


@pytest.mark.parametrize("why", ["stopped", "older", "otherwise"])
def test_what_is_not_declined_stays(why: str) -> None:
    story = begun().turn("something")
    story.open()
    if why == "stopped":
        story.note(StopRequested())
    changes = ends(
        story, policy(MODEL_INVALID_REQUEST) if why == "otherwise" else declined(), leaves_out=why != "older"
    )
    assert ExchangeDeclined not in map(type, changes)
    assert story.state.transcript.left_out == ()


def test_nothing_is_left_out_of_another_turn() -> None:
    story = begun()
    story.note(ExchangeDeclined(left_out=(LeftOut(turn_id="t9", step_id="t9.s1", epoch=1),)))
    assert seen(story, story.turn("on").open()) == [*BEFORE, ("user", "on")]
