"""A call as a state machine: its table, its diagram, and its state after events."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.workflows.core.calls.call import (
    Adopt,
    Answered,
    Asked,
    Asking,
    Begin,
    Call,
    Ending,
    Given,
    Here,
    Ready,
    Refused,
    Running,
    Stage,
    StageName,
    Undecided,
)
from perdure.workflows.core.calls.results import changed_args
from perdure.workflows.core.calls.table import TRANSITIONS, drawing
from perdure.workflows.core.changes import CallChanged, QuestionSettled
from perdure.workflows.core.fold import apply
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.protocol.activities import OpenedAgent
from perdure.workflows.vocabulary.parts import BlobRef, ToolCall
from perdure.workflows.vocabulary.questions import Question
from tests.support.core import AT, Story, call, failed

pytestmark = pytest.mark.pure

README = Path(__file__).parent.parent / "workflows" / "core" / "calls" / "README.md"
FIRST, OTHER = "t1.s1.c1", "t1.s1.c2"
STAGES: dict[StageName, Stage] = {
    "undecided": Undecided(),
    "ready": Ready(),
    "refused": Refused(failed()),
    "here": Here(),
    "asking": Asking("approval"),
    "asked": Asked("approval", "q1"),
    "answered": Answered("approval"),
    "running": Running(Begin(), AT),
    "ending": Ending(Begin(), AT, AT),
}
QUESTION = Question(question_id="q1", kind="approval", call_id=FIRST, name="add", args={"a": 1})


def calling(first: Stage = STAGES["undecided"]) -> Story:
    """A step with two calls, the first of which is put into this stage directly."""
    story = Story.new().loaded().turn().called({"a": 1}, {"a": 2})
    turn = story.state.turn
    assert turn is not None
    one, other = turn.calls
    story.state = replace(story.state, turn=replace(turn, calls=(replace(one, stage=first), other)))
    return story


def asked() -> Story:
    story = calling(Asking("approval"))
    story.event("approval.requested", question_id="q1", call_id=FIRST, name="add", args={"a": 1})
    return story


def first(story: Story) -> Call:
    return story.calls[0]


def test_the_picture_is_the_table_s() -> None:
    assert f"```mermaid\n{drawing()}\n```" in README.read_text()


def test_every_stage_has_its_line() -> None:
    assert set(TRANSITIONS) == set(STAGES) == set(get_args(StageName))
    assert {stage.at for stage in STAGES.values()} == set(STAGES)


@pytest.mark.parametrize("before", STAGES)
@pytest.mark.parametrize("after", STAGES)
def test_only_what_the_table_says_can_follow(before: StageName, after: StageName) -> None:
    story = calling(STAGES[before])
    change = CallChanged(call=replace(first(story), stage=STAGES[after]))
    if after == before or after in TRANSITIONS[before]:
        moved = apply(story.state, change).turn
        assert moved is not None
        assert moved.calls == (change.call, story.calls[1])
    else:
        with pytest.raises(ValueError, match="does not fit"):
            apply(story.state, change)


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_whatever_its_stage_its_result_ends_a_call(stage: Stage) -> None:
    story = calling(stage)
    result = {"type": "tool_result", "call_id": FIRST, "name": "add", "output": 1}
    story.event("tool.finished", call_id=FIRST, name="add", result=result, duration_ms=1)
    assert [one.call_id for one in story.calls] == [OTHER]


def test_an_approval_is_asked_and_given() -> None:
    story = asked()
    assert (first(story).stage, story.state.questions.open) == (Asked("approval", "q1"), (QUESTION,))
    story.note(QuestionSettled(question_id="q1", answer_id="a1"))
    assert (first(story).stage, story.state.questions.open) == (Answered("approval"), ())
    story.event("approval.resolved", question_id="q1", call_id=FIRST, approved=True)
    assert first(story) == Call(call(FIRST, a=1), Ready())
    at = story.event("tool.started", call_id=FIRST, name="add", args={}).at
    assert first(story) == Call(call(FIRST, a=1), Running(Begin(), at), started=True)


def test_what_was_denied_never_runs() -> None:
    """Its result comes next; until then it must not look like a call to run."""
    story = asked().note(QuestionSettled(question_id="q1"))
    story.event("approval.resolved", question_id="q1", call_id=FIRST, approved=False)
    story.event("tool.started", call_id=FIRST, name="add", args={})
    assert first(story) == Call(call(FIRST, a=1), Answered("approval"), started=True)


def test_an_input_has_begun_when_it_is_asked() -> None:
    story = calling(Asking("input"))
    story.event("tool.started", call_id=FIRST, name="pick", args={})
    story.event("input.requested", question_id="q2", call_id=FIRST, name="pick", args={}, prompt="When?", expires_at=AT)
    question = Question(
        question_id="q2",
        kind="input",
        form="result",
        call_id=FIRST,
        name="pick",
        args={},
        prompt="When?",
        expires_at=AT,
    )
    assert (first(story).stage, first(story).started) == (Asked("input", "q2"), True)
    assert story.state.questions.open == (question,)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("approval.requested", {"question_id": "q9", "name": "add", "args": {}, "call_id": "t9.s9.c9"}),
        ("approval.resolved", {"question_id": "q9", "approved": True, "call_id": "t9.s9.c9"}),
        ("tool.started", {"name": "add", "args": {}, "call_id": "t9.s9.c9"}),
        ("input.received", {"question_id": "q9", "value": 1}),
        ("input.requested", {"question_id": "q9", "name": "x", "args": {}, "call_id": None}),
    ],
)
def test_what_is_about_no_call_of_ours_changes_nothing(kind: str, fields: dict[str, object]) -> None:
    story = calling()
    before = story.state
    story.event(kind, **fields)
    assert replace(story.state, log=before.log) == before


def test_a_person_s_arguments_go_in_place_of_the_model_s() -> None:
    given = Given({"a": 7})
    story = asked().note(QuestionSettled(question_id="q2", given=given))
    assert first(story).given is None
    story.note(QuestionSettled(question_id="q1", given=given))
    assert first(story).given == given
    assert first(story).as_run == call(FIRST, a=7)


def test_a_call_runs_with_what_a_person_changed() -> None:
    blob, other = BlobRef(key="acme/s1/x", size=50_000), BlobRef(key="acme/s1/y", size=60_000)
    folded = ToolCall(call_id="c1", name="add", args={}, blob=blob, misfit="no")
    assert Call(folded).as_run is folded
    assert Call(folded, given=Given({"a": 1})).as_run == ToolCall(call_id="c1", name="add", args={"a": 1})
    assert Call(folded, given=Given({}, other)).as_run.blob == other


def test_what_a_person_changed_is_told_in_short() -> None:
    assert changed_args(None) is None
    assert changed_args(Given({"a": [1, "é"]})) == '{"a":[1,"é"]}'
    long = changed_args(Given({"a": "x" * 30_000}))
    assert long is not None
    assert len(long) < 8_300
    assert "characters left out" in long
    blob = BlobRef(key="acme/s1/x", size=50_000)
    assert changed_args(Given({}, blob)) == "50000 bytes of JSON, too long to be shown here"


OPENED = OpenedAgent(inputs={"a": 1e300}, parts=(), content_sha256="x", demo=False)
WORK = st.sampled_from([Begin(), Adopt(OPENED)])


@given(
    stage=st.one_of(
        st.sampled_from(list(STAGES.values())),
        st.builds(Ready, WORK, st.sampled_from([None, AT])),
        st.builds(Running, WORK, st.just(AT), st.sampled_from([None, AT + timedelta(days=3)]), st.booleans()),
    )
)
def test_a_call_survives_json(stage: Stage) -> None:
    state = calling(stage).state
    assert read_state(dump_state(state)) == state
