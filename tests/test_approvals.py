from typing import Any

import pytest

from perdure.workflows.core.approvals import declined, denied, expired, plan_calls
from perdure.workflows.core.binding import Allowed, args_sha256
from perdure.workflows.core.plan import Plan
from perdure.workflows.core.private_changes import QuestionSettled
from perdure.workflows.definition.agent import Limits, TurnLimits
from perdure.workflows.vocabulary.parts import BlobRef, ToolCall, ToolSpec
from tests.support.core import Story, agent, call

RUN, ASK = Plan(do="run"), Plan(do="ask", asks="approval")
ID = "t1.s1.c1"
HUNDRED = {"when": "{{ args.amount > 100 }}"}


def story(approval: Any, *, limit: int = 64, **fields: Any) -> Story:
    tools = [{"add": {"approval": approval}}, {"client": {"name": "pick", "description": "x"}}]
    loaded = agent(tools=tools, limits=Limits(turn=TurnLimits(calls_per_step=limit)))
    begun = Story.new(**fields).loaded(loaded).turn()
    begun.open()
    return begun.answered(call(ID))


def plan(approval: Any, wanted: ToolCall, **fields: Any) -> Plan:
    """The call's plan, with `bound` cleared."""
    return plan_calls(story(approval, **fields).state, (wanted,))[ID].model_copy(update={"bound": None})


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
def test_a_call_asks_as_its_policy_says(approval: Any, amount: Any, expected: Plan) -> None:
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
def test_a_condition_sees_inputs_user_and_spend(when: str, expected: Plan) -> None:
    """The preceding step cost 0.25."""
    assert plan({"when": when}, call(ID), user="boss", inputs={"level": "gold"}) == expected


def test_a_call_that_cannot_run_is_not_asked_about() -> None:
    assert plan("always", ToolCall(call_id=ID, name="add", args={}, args_raw="{")) == RUN
    assert plan("always", ToolCall(call_id=ID, name="nowhere", args={})) == RUN


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
    found = plan_calls(begun.answered(wrong).state, (wrong,))[ID]
    told = found.refused.model_dump() if found.refused else None
    error = {"type": "invalid_arguments", "message": "pick was not called, because …", "retryable": False}
    assert (told, found.do) == ((error, "run") if refused else (None, "here" if name == "wake_me" else "ask"))


def test_a_client_s_call_is_a_question() -> None:
    assert plan("never", ToolCall(call_id=ID, name="pick", args={})) == Plan(do="ask", asks="input")


def allowed(approval: Any = "always", **fields: Any) -> Story:
    """A person has allowed the unchanged tool for the rest of the session."""
    begun = story(approval)
    bound = plan_calls(begun.state, (call(ID),))[ID].bound
    begun.note(QuestionSettled(question_id="q1", answer_id="a1", allow=Allowed(name="add", bound=bound, **fields)))
    return begun


def renewed(begun: Story, *, description: str = "Adds.", **options: Any) -> Plan:
    """The plan of another call after the tool, or its options, changed."""
    old = begun.state.loaded
    assert old is not None
    tools = [{"add": {"approval": "always", **options}}]
    spec = ToolSpec(name="add", description=description, input={"type": "object"})
    begun.loaded(agent("d2", tools=tools).model_copy(update={"tools": (spec,)}))
    return plan_calls(begun.state, (call("t1.s1.c2"),))["t1.s1.c2"]


def test_what_was_allowed_for_the_session_is_not_asked_again() -> None:
    found = plan_calls(allowed().state, (call("t1.s1.c2"),))["t1.s1.c2"]
    assert (found.do, found.bound is not None) == ("run", True)


def test_what_was_allowed_as_another_tool_is_asked_again_with_the_reason() -> None:
    begun = allowed()
    found = renewed(begun, description="Adds, and sends the sum to everybody.")
    assert (found.do, found.again) == ("ask", "tool_changed")
    # Even if the old tool is back: the person does not know what was in between.
    begun.loaded(story("always").state.loaded)
    assert plan_calls(begun.state, (call("t1.s1.c3"),))["t1.s1.c3"].do == "ask"


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
    bound = plan_calls(begun.state, (call(ID),))[ID].bound
    begun.note(QuestionSettled(question_id="q1", allow=Allowed(name="add", bound=bound)))
    assert renewed(begun, timeout="5s").do == "run"
    assert renewed(begun, **options).do == "ask"
    assert begun.state.allowed == ()


def test_what_was_allowed_with_the_same_arguments_is_asked_with_others() -> None:
    begun = allowed(args_sha256=args_sha256({"b": [1], "a": "x"}))

    def do(**fields: Any) -> str:
        wanted = call(ID, a="x", b=[1]).model_copy(update=fields)
        return plan_calls(begun.state, (wanted,))[ID].do

    assert do() == "run"
    assert do(args={"a": "x", "b": [True]}) == "ask"
    assert do(args={"a": "x"}) == "ask"
    # The validated arguments are unknown, or were never computed.
    assert do(checked=None) == "ask"
    assert do(blob=BlobRef(key="acme/s1/x", size=1)) == "ask"


@pytest.mark.parametrize(
    ("checked", "misfit", "expected"),
    [
        ("tool", None, "run"),
        # The worker that called the model lacked the tool, and a schema cannot know what the tool's types do to
        # arguments.
        ("schema", None, "ask"),
        (None, None, "ask"),
        ("schema", "a: is wrong", "ask"),
        ("tool", "a: is wrong", "run"),
    ],
)
def test_a_condition_believes_only_the_tool_itself(checked: Any, misfit: str | None, expected: str) -> None:
    wanted = call(ID, amount=1).model_copy(update={"checked": checked, "misfit": misfit})
    found = plan(HUNDRED, wanted)
    assert (found.do, found.refused is not None) == (expected, (checked, misfit) == ("tool", "a: is wrong"))
    # A policy without a condition, or no policy at all, does not depend on the arguments.
    if misfit is None:
        assert (plan("always", wanted), plan("never", wanted)) == (ASK, RUN)


def test_a_step_asks_for_so_many_calls() -> None:
    plans = plan_calls(story("always", limit=2).state, tuple(call(f"t1.s1.c{n}") for n in (1, 2, 3)))
    assert [one.do for one in plans.values()] == ["ask", "ask", "run"]
    refused = plans["t1.s1.c3"].refused
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
