"""Who may let a rewind take calls back: whoever could have allowed these calls. Over the pure core."""

from typing import Any

import pytest

from perdure.workflows.core.approvers import strictest
from perdure.workflows.vocabulary.question_events import ApprovalRequested, ApprovalResolved
from perdure.workflows.vocabulary.questions import By
from tests.support.rewinding import Talk

pytestmark = pytest.mark.pure

ANN, BOB = By(subject="ann", scopes=()), By(subject="bob", scopes=())
FINANCE, OPS = By(subject="fay", scopes=("finance",)), By(subject="olaf", scopes=("ops",))
BOTH = By(subject="bea", scopes=("finance", "ops"))


def paid(pay: dict[str, Any], send: dict[str, Any] | None = None) -> Talk:
    """Ann has had a payment made, which somebody allowed."""
    tools: list[Any] = [
        {"pay": {"side_effects": "once", "undo": "refund", "approval": pay}},
        {"send": {"side_effects": "once", "undo": "refund", "approval": send or {"by": ["ops"]}}},
        "refund",
    ]
    made = Talk(lambda name, args: {"payment_id": "P-1"} if name != "refund" else "ok", tools=tools)
    made.say("pay", "m1", sender="ann")
    made.answers(calls=(("pay", {"amount": 5}),))
    made.answer(True, BOTH)
    made.answers("paid")
    assert [name for name, _, _ in made.ran] == ["pay"]
    return made


def asked(made: Talk) -> ApprovalRequested:
    return next(one for one in reversed(made.events) if isinstance(one, ApprovalRequested) and one.subject == "rewind")


def refunds(made: Talk) -> int:
    return [name for name, _, _ in made.ran].count("refund")


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ([], ()),
        ([("a", "b"), ("a",)], (("a",),)),
        ([("a",), ("b",), ("a",)], (("a",), ("b",))),
        ([("a", "b"), ("b", "c"), ("a", "b", "c")], (("a", "b"), ("b", "c"))),
    ],
)
def test_the_strictest_of_several_groups(given: list[tuple[str, ...]], left: tuple[tuple[str, ...], ...]) -> None:
    assert strictest(given) == left


def test_only_who_could_have_allowed_the_call_lets_it_be_taken_back() -> None:
    made = paid({"by": ["finance"]})
    made.rewind("m1", "do not pay", sender="ann", by=ANN)
    assert (asked(made).roles, asked(made).not_by) == (("finance",), ())
    for somebody in (None, ANN, OPS):
        made.answer(True, somebody)
        assert (len(made.state.questions.open), refunds(made)) == (1, 0)
    made.answer(True, FINANCE)
    assert (made.state.questions.open, refunds(made), made.asks()) == ((), 1, True)
    (settled,) = [one for one in made.events if isinstance(one, ApprovalResolved) and one.call_id == "b2"]
    assert settled.by == FINANCE


def test_whoever_asked_for_the_call_or_for_the_rewind_does_not_answer() -> None:
    made = paid({"not_by": "requester"})
    made.rewind("m1", "do not pay", sender="bob", by=BOB)
    assert set(asked(made).not_by) == {"ann", "bob"}
    for requester in (ANN, BOB):
        made.answer(False, requester)
        assert len(made.state.questions.open) == 1
    made.answer(True, OPS)
    assert refunds(made) == 1


def test_calls_of_several_tools_need_a_role_of_each() -> None:
    made = paid({"by": ["finance"]}, {"by": ["ops"]})
    made.say("send", "m2", sender="ann")
    made.answers(calls=(("send", {"amount": 5}),))
    made.answer(True, OPS)
    made.answers("sent")
    made.rewind("m1", "do not pay", sender="ann", by=ANN)
    assert {asked(made).roles, *asked(made).further_roles} == {("finance",), ("ops",)}
    for somebody in (FINANCE, OPS):
        made.answer(True, somebody)
        assert (len(made.state.questions.open), refunds(made)) == (1, 0)
    made.answer(True, BOTH)
    assert refunds(made) == 2


@pytest.mark.parametrize(("by", "at_once"), [(ANN, False), (OPS, False), (FINANCE, True)])
def test_whoever_says_so_beforehand_has_to_be_one_of_them_or_somebody_else_is_asked(by: By, at_once: bool) -> None:
    made = paid({"by": ["finance"]})
    made.rewind("m1", "do not pay", undo=True, sender=by.subject, by=by)
    assert (refunds(made), len(made.state.questions.open)) == ((1, 0) if at_once else (0, 1))
    if not at_once:
        made.answer(True, FINANCE)
        assert refunds(made) == 1


def test_leaving_calls_as_they_are_needs_nobody() -> None:
    made = paid({"by": ["finance"], "not_by": "requester"})
    made.rewind("m1", "go on", undo=False, sender="ann", by=ANN)
    assert (made.state.questions.open, refunds(made), made.asks()) == ((), 0, True)


def test_going_back_to_a_branch_is_asked_about_alike() -> None:
    made = paid({"by": ["finance"]})
    made.rewind("m1", "something else", undo=False, sender="ann", by=ANN)
    made.answers(calls=(("pay", {"amount": 7}),))
    made.answer(True, FINANCE)
    made.answers("paid")
    made.back("b1", sender="ann", by=ANN)
    assert asked(made).roles == ("finance",)
    made.answer(True, ANN)
    assert (len(made.state.questions.open), refunds(made)) == (1, 0)


def test_rewinds_of_older_versions_ask_nobody_in_particular() -> None:
    """They did not say who asked, and recorded sessions have to go on as they did."""
    made = paid({"by": ["finance"], "not_by": "requester"})
    made.rewind("m1", "do not pay", sender="ann")
    assert (asked(made).roles, asked(made).not_by) == ((), ())
    made.answer(True, ANN)
    assert refunds(made) == 1
