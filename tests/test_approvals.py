from typing import Any

import pytest

from perdure.workflows.core.binding import Allowed, args_sha256
from perdure.workflows.core.calls.call import Asking, Call, Ready, Stage
from perdure.workflows.core.calls.results import declined, denied, expired
from perdure.workflows.core.changes import QuestionSettled
from perdure.workflows.definition.agent import Limits, TurnLimits
from perdure.workflows.vocabulary.parts import BlobRef, ToolCall, ToolSpec
from tests.support.core import Story, agent, call, decided, refusal

pytestmark = pytest.mark.pure

RUN, ASK = Ready(), Asking("approval")
ID = "t1.s1.c1"
HUNDRED = {"when": "{{ args.amount > 100 }}"}


def story(approval: Any, *, limit: int = 64, **fields: Any) -> Story:
    tools = [{"add": {"approval": approval}}, {"client": {"name": "pick", "description": "x"}}]
    loaded = agent(tools=tools, limits=Limits(turn=TurnLimits(calls_per_step=limit)))
    begun = Story.new(**fields).loaded(loaded).turn()
    begun.open()
    return begun.answered(call(ID))


def plan(approval: Any, wanted: ToolCall, **fields: Any) -> Stage:
    return decided(story(approval, **fields).state, wanted)[ID].stage


@pytest.mark.parametrize(
    ("approval", "amount", "expected"),
    [
        ("never", 150, RUN),
        (None, 150, RUN),
        ("always", 1, ASK),
        ({}, 1, ASK),
        (HUNDRED, 150, ASK),
        (HUNDRED, 100, RUN),
        # If the condition cannot be evaluated, a person decides.
        (HUNDRED, "150", ASK),
        (HUNDRED, None, ASK),
        (HUNDRED, [1], ASK),
        ({"when": "{{ args.sum > 100 }}"}, 1, ASK),
        ({"when": "{{ args.amount }}"}, 1, ASK),
        ({"when": "{{ 1 / 0 }}"}, 1, ASK),
    ],
)
def test_a_call_asks_as_its_policy_says(approval: Any, amount: Any, expected: Stage) -> None:
    assert plan(approval, call(ID, amount=amount)) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{{ user.id != 'boss' }}", RUN),
        ("{{ user.id == 'boss' }}", ASK),
        ("{{ level == 'gold' }}", ASK),
        ("{{ turn.number > 1 }}", RUN),
        ("{{ session.cost_usd > 0.2 }}", ASK),
        ("{{ turn.cost_usd > 0.3 }}", RUN),
    ],
)
def test_a_condition_sees_inputs_user_and_spend(when: str, expected: Stage) -> None:
    """The preceding step cost 0.25."""
    assert plan({"when": when}, call(ID), user="boss", inputs={"level": "gold"}) == expected


def test_a_call_that_cannot_run_is_not_asked_about() -> None:
    for wanted, kind in (
        (ToolCall(call_id=ID, name="add", args={}, args_raw="{"), "invalid_arguments"),
        (ToolCall(call_id=ID, name="nowhere", args={}), "unknown_tool"),
    ):
        error = refusal(decided(story("always").state, wanted)[ID])
        assert error is not None
        assert error.type == kind


def test_arguments_that_are_too_long_to_be_looked_at_are_looked_at_by_a_person() -> None:
    folded = ToolCall(call_id=ID, name="add", args={}, blob=BlobRef(key="acme/s1/x", size=1))
    assert plan({"when": "{{ false }}"}, folded) == ASK
    assert plan("never", folded) == RUN


@pytest.mark.parametrize(
    ("tool", "refused"),
    [
        ({"client": {"name": "pick", "description": "x"}}, True),
        ({"agent": {"name": "pick"}}, True),
        ({"pick": {"task_queue": "q", "description": "x", "input": {"type": "object"}, "approval": "always"}}, True),
        ("wake_me", False),
        # A Python function validates its arguments itself.
        ({"pick": {"approval": "always"}}, False),
    ],
)
def test_nobody_is_asked_about_arguments_that_do_not_fit(tool: Any, refused: bool) -> None:
    begun = Story.new().loaded(agent(tools=[tool])).turn()
    begun.open()
    name = tool if isinstance(tool, str) else "pick"
    wrong = ToolCall(call_id=ID, name=name, args={}, misfit="pick was not called, because …")
    found = decided(begun.answered(wrong).state, wrong)[ID]
    why = refusal(found)
    told = why.model_dump() if why else None
    error = {"type": "invalid_arguments", "message": "pick was not called, because …", "retryable": False}
    assert (told, found.stage.at) == (
        (error, "refused") if refused else (None, "here" if name == "wake_me" else "asking")
    )


def test_a_client_s_call_is_a_question() -> None:
    assert plan("never", ToolCall(call_id=ID, name="pick", args={})) == Asking("input")


def allowed(approval: Any = "always", **fields: Any) -> Story:
    """A person has allowed the unchanged tool for the rest of the session."""
    begun = story(approval)
    bound = decided(begun.state, call(ID))[ID].bound
    assert bound is not None
    begun.note(QuestionSettled(question_id="q1", answer_id="a1", allow=Allowed(name="add", bound=bound, **fields)))
    return begun


def renewed(begun: Story, *, description: str = "Adds.", **options: Any) -> Call:
    """Another call after the tool, or its options, changed."""
    old = begun.state.slot.loaded
    assert old is not None
    tools = [{"add": {"approval": "always", **options}}]
    spec = ToolSpec(name="add", description=description, input={"type": "object"})
    begun.loaded(agent("d2", tools=tools).model_copy(update={"tools": (spec,)}))
    return decided(begun.state, call("t1.s1.c2"))["t1.s1.c2"]


def test_what_was_allowed_for_the_session_is_not_asked_again() -> None:
    found = decided(allowed().state, call("t1.s1.c2"))["t1.s1.c2"]
    assert (found.stage, found.bound is not None) == (RUN, True)


def test_what_was_allowed_as_another_tool_is_asked_again_with_the_reason() -> None:
    begun = allowed()
    found = renewed(begun, description="Adds, and sends the sum to everybody.")
    assert (found.stage, found.again) == (ASK, "tool_changed")
    # Even if the old tool is back: the person does not know what was in between.
    begun.loaded(story("always").state.slot.loaded)
    assert decided(begun.state, call("t1.s1.c3"))["t1.s1.c3"].stage == ASK


@pytest.mark.parametrize(
    "options",
    [
        {"approval": {"when": "{{ true }}"}},
        {"approval": {"remember": "never"}},
        {"approval": {"expires": "1h"}},
        {"side_effects": "once"},
        {"side_effects": "none"},
    ],
)
def test_another_policy_ends_what_was_allowed(options: dict[str, Any]) -> None:
    begun = story("always")
    renewed(begun)
    bound = decided(begun.state, call(ID))[ID].bound
    assert bound is not None
    begun.note(QuestionSettled(question_id="q1", allow=Allowed(name="add", bound=bound)))
    assert renewed(begun, timeout="5s").stage == RUN
    assert renewed(begun, **options).stage == ASK
    assert begun.state.questions.allowed == ()


def test_what_was_allowed_with_the_same_arguments_is_asked_with_others() -> None:
    begun = allowed(args_sha256=args_sha256({"b": [1], "a": "x"}))

    def do(**fields: Any) -> str:
        wanted = call(ID, a="x", b=[1]).model_copy(update=fields)
        return decided(begun.state, wanted)[ID].stage.at

    assert do() == "ready"
    assert do(args={"a": "x", "b": [True]}) == "asking"
    assert do(args={"a": "x"}) == "asking"
    # The validated arguments are unknown, or were never computed.
    assert do(checked=None) == "asking"
    assert do(blob=BlobRef(key="acme/s1/x", size=1)) == "asking"


@pytest.mark.parametrize(
    ("checked", "misfit", "expected"),
    [
        ("tool", None, "ready"),
        # The worker that called the model lacked the tool, and a schema cannot know what the tool's types do to
        # arguments.
        ("schema", None, "asking"),
        (None, None, "asking"),
        ("schema", "a: is wrong", "asking"),
        ("tool", "a: is wrong", "refused"),
    ],
)
def test_a_condition_believes_only_the_tool_itself(checked: Any, misfit: str | None, expected: str) -> None:
    wanted = call(ID, amount=1).model_copy(update={"checked": checked, "misfit": misfit})
    found = plan(HUNDRED, wanted)
    assert found.at == expected
    # A policy without a condition, or no policy at all, does not depend on the arguments.
    if misfit is None:
        assert (plan("always", wanted), plan("never", wanted)) == (ASK, RUN)


def test_a_step_asks_for_so_many_calls() -> None:
    plans = decided(story("always", limit=2).state, *(call(f"t1.s1.c{n}") for n in (1, 2, 3)))
    assert [one.stage.at for one in plans.values()] == ["asking", "asking", "refused"]
    refused = refusal(plans["t1.s1.c3"])
    assert refused is not None
    assert (refused.type, refused.message) == (
        "too_many_calls",
        "One step may ask for 2 calls, and this was number 3: it did not run. Ask again.",
    )


def test_the_model_is_told_plainly() -> None:
    assert denied("too much").message == (
        "A person did not allow this call, and it did not run. The reason given: too much"
    )
    assert (denied(None).type, declined(None).type, expired("answer").type) == ("denied", "denied", "expired")
    assert "no result" in declined("busy").message
    assert expired("approval").message == "No approval came in time, so this call has no result."
