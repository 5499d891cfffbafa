from datetime import timedelta
from typing import Any

import pytest

from perdure.workflows.core.plan import (
    Plan,
    PlanEvent,
    Plans,
    as_run,
    changed_args,
    follow,
    open_questions,
    running,
    with_args,
)
from perdure.workflows.vocabulary.events import Events
from perdure.workflows.vocabulary.parts import BlobRef, Question, ToolCall, ToolResult
from tests.support.core import AT, call

FIRST, OTHER = "t1.s1.c1", "t1.s1.c2"
ASKING: Plans = {FIRST: Plan(do="ask", asks="approval"), OTHER: Plan(do="run")}
QUESTION = Question(question_id="q1", kind="approval", call_id=FIRST, name="add", args={"a": 1})
RESULT = ToolResult(call_id=FIRST, name="add", output=1)


def event(kind: str, **fields: Any) -> PlanEvent:
    about = {} if kind == "input.received" else {"call_id": FIRST}
    made: PlanEvent = Events.validate_python({"type": kind, "seq": 1, "at": AT, **about, **fields})  # type: ignore[assignment]
    return made


ASKED = event("approval.requested", question_id="q1", name="add", args={"a": 1})
WANTED = event("input.requested", question_id="q2", name="pick", args={}, prompt="When?", expires_at=AT)
STARTED = event("tool.started", name="add", args={})
FINISHED = event("tool.finished", name="add", result=RESULT, duration_ms=1)


def resolved(approved: bool) -> PlanEvent:
    return event("approval.resolved", question_id="q1", approved=approved)


def after(*events: PlanEvent, plans: Plans = ASKING) -> Plans:
    for one in events:
        plans = follow(plans, one)
    return plans


def test_an_approval_is_asked_and_given() -> None:
    assert after(ASKED)[FIRST] == Plan(do="asked", asks="approval", question=QUESTION)
    assert open_questions(after(ASKED)) == (QUESTION,)
    assert after(ASKED, resolved(True))[FIRST] == Plan(do="run")
    assert after(ASKED, resolved(True), STARTED)[FIRST] == Plan(do="running", started=True)


def test_what_was_denied_never_runs() -> None:
    """Its result comes next; until then it must not look like a call to run."""
    denied = after(ASKED, resolved(False))
    assert denied[FIRST] == Plan(do="asked")
    assert after(STARTED, plans=denied)[FIRST].do == "asked"
    assert open_questions(denied) == ()


def test_an_input_has_begun_when_it_is_asked() -> None:
    wants: Plans = {FIRST: Plan(do="ask", asks="input")}
    asked = after(STARTED, WANTED, plans=wants)
    question = Question(
        question_id="q2", kind="input", call_id=FIRST, name="pick", args={}, prompt="When?", expires_at=AT
    )
    assert asked[FIRST] == Plan(do="asked", asks="input", question=question, started=True)
    given = after(event("input.received", question_id="q2", value=1), plans=asked)
    assert open_questions(given) == ()


def test_a_result_ends_the_plan() -> None:
    assert after(FINISHED) == {OTHER: Plan(do="run")}
    assert running(after(STARTED)) == frozenset()
    assert running(after(STARTED, plans={FIRST: Plan(do="run")})) == {FIRST}


@pytest.mark.parametrize(
    "late",
    [
        event("approval.requested", question_id="q9", name="add", args={}, call_id="t9.s9.c9"),
        event("approval.resolved", question_id="q9", approved=True, call_id="t9.s9.c9"),
        event("tool.started", name="add", args={}, call_id="t9.s9.c9"),
        event("input.received", question_id="q9", value=1),
        event("input.requested", question_id="q9", name="x", args={}, call_id=None),
    ],
    ids=lambda late: str(late.type),
)
def test_what_is_about_no_call_of_ours_changes_nothing(late: PlanEvent) -> None:
    assert after(late) == ASKING


def test_a_person_s_arguments_go_in_place_of_the_model_s() -> None:
    changed = with_args(after(ASKED), "q1", {"a": 7})
    assert changed[FIRST].args == {"a": 7}
    assert with_args(changed, "q2", {"a": 8}) == changed
    folded = call(FIRST, a=1).model_copy(update={"args_raw": "{", "args": {}})
    assert as_run(folded, changed[FIRST]) == call(FIRST, a=7)
    assert as_run(folded, Plan(do="run")) is folded


def test_a_plan_survives_json() -> None:
    expires = event("approval.requested", question_id="q1", name="add", args={}, expires_at=AT + timedelta(days=3))
    for plan in (*after(expires).values(), *after(ASKED, resolved(False)).values()):
        assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_what_a_person_changed_is_told_in_short() -> None:
    assert changed_args(Plan(do="run")) is None
    assert changed_args(Plan(do="run", args={"a": [1, "é"]})) == '{"a":[1,"é"]}'
    long = changed_args(Plan(do="run", args={"a": "x" * 30_000}))
    assert long is not None
    assert len(long) < 8_300
    assert "characters left out" in long
    blob = BlobRef(key="acme/s1/x", size=50_000)
    assert changed_args(Plan(do="run", args={}, args_blob=blob)) == "50000 bytes of JSON, too long to be shown here"


def test_a_call_runs_with_what_a_person_changed() -> None:
    blob, other = BlobRef(key="acme/s1/x", size=50_000), BlobRef(key="acme/s1/y", size=60_000)
    folded = ToolCall(call_id="c1", name="add", args={}, blob=blob, misfit="no")
    assert as_run(folded, Plan(do="run")) == folded
    assert as_run(folded, Plan(do="run", args={"a": 1})) == ToolCall(call_id="c1", name="add", args={"a": 1})
    assert as_run(folded, Plan(do="run", args={}, args_blob=other)).blob == other
