from typing import Any

import pytest

from tests.core import Story, agent, call
from workflows.approvals import declined, denied, expired, plan_calls
from workflows.definition import Limits, TurnLimits
from workflows.notes import (
    CallsPlanned,
    QuestionSettled,
)
from workflows.plan import Plan
from workflows.types import BlobRef, ToolCall

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
    return plan_calls(story(approval, **fields).state, (wanted,))[ID]


@pytest.mark.parametrize(
    ("approval", "amount", "expected"),
    [
        ("never", 150, RUN),
        (None, 150, RUN),
        ("always", 1, ASK),
        ({}, 1, ASK),
        (HUNDRED, 150, ASK),
        (HUNDRED, 100, RUN),
        # What cannot be decided is decided by a person.
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
    """The step before cost 0.25."""
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
        # A Python function looks by itself.
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


def test_what_was_allowed_for_the_session_is_not_asked_again() -> None:
    begun = story("always")
    begun.note(CallsPlanned(plans=plan_calls(begun.state, (call(ID),))))
    begun.event("approval.requested", question_id="q1", call_id=ID, name="add", args={})
    begun.note(QuestionSettled(question_id="q1", answer_id="a1", allow="add"))
    assert plan_calls(begun.state, (call("t1.s1.c2"),)) == {"t1.s1.c2": RUN}


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
