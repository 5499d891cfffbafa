"""Turns at a limit, as pure functions of the state: what is asked, what an answer makes of it, and when nobody is asked."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perdure.workflows.core.actions import CallModel, DrawLeases, FinishTurn, PauseTurn, PlanCalls, Rest, Wait
from perdure.workflows.core.begin import begin
from perdure.workflows.core.budget import input_tokens
from perdure.workflows.core.effects import AskPurses
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import ModelEnded, PursesAnswered
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.raising import read_raise
from perdure.workflows.core.receive import receive
from perdure.workflows.core.settle import settle
from perdure.workflows.core.spending import left, share
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.agent import Limits, Price
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.activities import Partial
from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.protocol.purses import Drawn, LeasesDrawn, Refusal
from perdure.workflows.protocol.signals import BEHAVIOR, Answer, Configure, Parent, Stop
from perdure.workflows.protocol.steps import Left
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.budget_events import BudgetRaised
from perdure.workflows.vocabulary.events import ModelSwitched, TurnFinished
from perdure.workflows.vocabulary.parts import Text, ToolError, Usage
from perdure.workflows.vocabulary.question_events import InputReceived
from perdure.workflows.vocabulary.questions import By, Shortfall
from tests.support.core import AT, Story, agent

pytestmark = pytest.mark.pure

#: A thousand tokens of output cost a dollar.
PRICE = Price(input=0, output=1000)


def story(*, price: Price | None = PRICE, parent: Parent | None = None, tools: Any = ("add",), **limits: Any) -> Story:
    """A turn of a session that asks at its limits."""
    loaded = agent(price=price, limits=Limits.model_validate(limits), tools=tools)
    return Story.new(behavior=1, parent=parent).loaded(loaded).turn()


def out_of_credit(step: str) -> ModelEnded:
    error = ToolError(type=errors.MODEL_QUOTA, message="The account's credit is used up.")
    return ModelEnded(step, StepFailure(error, Partial(attempt=1, lost=0, streaming=False)))


def paused(at: Story) -> Story:
    action = next_action(at.state)
    assert isinstance(action, PauseTurn)
    return at.take(begin(at.state, action, AT).changes)


def answered(at: Story, **answer: Any) -> list[Any]:
    """The changes that an answer to the open question makes."""
    (question,) = at.state.questions.open
    fields = {
        "id": f"{question.question_id}.answer",
        "question_id": question.question_id,
        "by": By(subject="ada"),
    } | answer
    changes = receive(at.state, Answer.model_validate(fields), AT)
    at.take(changes)
    return [change for change in changes if isinstance(change, BudgetRaised | InputReceived)]


@pytest.mark.parametrize(("cap", "words"), [(0.001, "$0.001."), (0.2, "$0.20."), (0, "$0.00.")])
def test_a_small_cap_is_told_as_it_is(cap: float, words: str) -> None:
    asks = paused(story(turn={"cost_usd": cap})).state.questions.open[0].prompt
    assert asks is not None
    assert f"the turn's cap of {words}" in asks


def test_a_turn_asks_at_its_cap_and_waits() -> None:
    at = paused(story(turn={"cost_usd": 0.1}))
    (question,) = at.state.questions.open
    assert (question.question_id, question.kind, question.subject) == ("t1.s1.budget", "budget", "budget")
    assert question.budget == Shortfall(
        scope="turn", limit="cost_usd", cap=0.1, spent=0, needs=1, spent_usd=0, needs_usd=1
    )
    assert question.prompt is not None
    assert "up to $1.0000; with $0.0000 spent, that would exceed the turn's cap of $0.10" in question.prompt
    assert (at.state.status, question.expires_at) == ("waiting", None)
    assert next_action(at.state) == Wait(questions=("t1.s1.budget",))


def test_what_is_allowed_holds_for_this_turn_alone() -> None:
    at = paused(story(turn={"cost_usd": 0.1}))
    (raised,) = answered(at, approved=True)
    assert (raised.scope, raised.limit, raised.value, raised.this_turn) == ("turn", "cost_usd", 1, True)
    assert raised.by == By(subject="ada")
    assert isinstance(next_action(at.state), CallModel)
    at.open()
    at.answered(Text(text="x"), cost=0.2).finished().turn()
    assert isinstance(next_action(at.state), PauseTurn)


def test_a_cap_that_is_set_holds_from_then_on() -> None:
    at = paused(story(session={"cost_usd": 0.1}))
    (raised,) = answered(at, result={"cost_usd": 5})
    assert (raised.scope, raised.value, raised.this_turn) == ("session", 5, False)
    assert at.state.effective_limits.session.cost_usd == 5
    at.open()
    at.answered(Text(text="x"), cost=0.2).finished().turn()
    assert isinstance(next_action(at.state), CallModel)


def test_a_decline_ends_the_turn_and_is_seen() -> None:
    at = paused(story(turn={"cost_usd": 0.1}))
    (told,) = answered(at, approved=False, reason="too dear")
    assert (told.value, told.reason, told.by) == ({"approved": False}, "too dear", By(subject="ada"))
    action = next_action(at.state)
    assert isinstance(action, FinishTurn)
    assert action.error is not None
    assert (action.reason, action.error.type) == ("budget", "budget_exceeded")
    assert action.error.message.endswith("Whoever was asked declined: too dear")


def test_only_the_first_answer_counts() -> None:
    at = paused(story(turn={"cost_usd": 0.1}))
    answered(at, approved=True)
    late = Answer(id="a2", question_id="t1.s1.budget", approved=False)
    assert [type(change).__name__ for change in receive(at.state, late, AT)] == ["CommandSeen"]


def test_a_cap_below_a_cent_is_told() -> None:
    (question,) = paused(story(turn={"cost_usd": 0.0015})).state.questions.open
    assert question.prompt is not None
    assert "the turn's cap of $0.0015." in question.prompt


@pytest.mark.parametrize("limits", [{"on_limit": "stop"}, {"on_limit": {"cheaper": "other"}}])
def test_what_is_settled_without_a_raise_tells_of_none(limits: Any) -> None:
    at = story(turn={"cost_usd": 0.1})
    loaded = at.state.slot.loaded
    assert loaded is not None
    dear = loaded.model_copy(update={"prices": {"main": PRICE, "other": Price(input=0, output=10)}})
    at = paused(Story.new(behavior=1).loaded(dear).turn())
    changed = Limits.model_validate({"turn": {"cost_usd": 0.1}} | limits)
    command = Configure(id="c1", limits=changed, by=By(subject="ada"))
    changes = receive(at.state, command, AT)
    assert not [change for change in changes if isinstance(change, BudgetRaised)]
    (told,) = [change for change in changes if isinstance(change, InputReceived)]
    assert (told.value, told.reason, told.by) == (None, "settled", By(subject="ada"))
    assert not at.take(changes).state.questions.open


def test_a_cheaper_model_that_has_the_first_word_is_told() -> None:
    at = story(turn={"cost_usd": 0.1}, on_limit={"cheaper": "other"})
    loaded = at.state.slot.loaded
    assert loaded is not None
    dear = loaded.model_copy(update={"prices": {"main": PRICE, "other": Price(input=0, output=10)}})
    at = Story.new(behavior=1).loaded(dear).turn()
    action = next_action(at.state)
    assert isinstance(action, CallModel)
    (switched,) = [change for change in begin(at.state, action, AT).changes if isinstance(change, ModelSwitched)]
    assert (switched.from_, switched.to, switched.reason) == ("demo/main", "demo/other", "budget")


@pytest.mark.parametrize("result", [{"cost_usd": 0}, {"cost_usd": "much"}, {"tokens": 5}, 5, [], {"cost_usd": True}])
def test_an_answer_that_sets_no_cap_leaves_the_question_open(result: Any) -> None:
    at = paused(story(turn={"cost_usd": 0.1}))
    assert answered(at, result=result) == []
    assert at.state.questions.open


def configure(at: Story, **limits: Any) -> list[Any]:
    command = Configure(id="c1", limits=Limits.model_validate(limits), by=By(subject="ada"))
    changes = receive(at.state, command, AT)
    at.take(changes)
    return [change for change in changes if isinstance(change, BudgetRaised)]


def test_limits_that_are_raised_settle_the_question() -> None:
    at = paused(story(turn={"cost_usd": 0.1}))
    assert configure(at, turn={"cost_usd": 0.15}) == []
    at.state = replace(at.state, inbox=replace(at.state.inbox, command_ids=()))
    (raised,) = configure(at, turn={"cost_usd": 2.0})
    assert (raised.value, raised.this_turn, raised.by) == (2, False, By(subject="ada"))
    assert at.state.questions.open == ()
    assert isinstance(next_action(at.state), CallModel)


def test_a_stop_takes_the_question_back() -> None:
    at = paused(story(turn={"cost_usd": 0.1}))
    changes = receive(at.state, Stop(id="x"), AT)
    (told,) = [change for change in changes if isinstance(change, InputReceived)]
    assert (told.value, told.reason) == (None, "stopped")
    assert next_action(at.take(changes).state) == FinishTurn("stopped")


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({"on_limit": "stop"}, {}),
        ({}, {"parent": Parent(session_id="p", call_id="t1.s1.c1", depth=1, cap_usd=0.1)}),
    ],
)
def test_where_nobody_is_asked_the_turn_ends(fields: Any, more: Any) -> None:
    own: dict[str, Any] = {} if more else {"turn": {"cost_usd": 0.1}}
    action = next_action(story(**own, **fields, **more).state)
    assert isinstance(action, FinishTurn)
    assert (action.reason, action.error and action.error.type) == ("budget", "budget_exceeded")


def test_sessions_of_older_versions_ask_nothing() -> None:
    loaded = agent(price=PRICE, limits=Limits.model_validate({"turn": {"cost_usd": 0.5}}))
    assert isinstance(next_action(Story.new().loaded(loaded).turn().state), FinishTurn)


def test_a_sub_agent_asks_for_limits_of_its_own() -> None:
    parent = Parent(session_id="p", call_id="t1.s1.c1", depth=1, cap_usd=50)
    assert isinstance(next_action(story(parent=parent, session={"cost_usd": 0.1}).state), PauseTurn)


@pytest.mark.parametrize(("cap", "bound"), [(1.0, None), (0.999, 999), (0.5, 500), (0.256, 256), (0.255, 0)])
def test_the_answer_is_bounded_before_anybody_is_asked(cap: float, bound: int | None) -> None:
    """A model of 1,000 tokens at most: a quarter of that, and at least 256."""
    at = story(turn={"cost_usd": cap})
    action = next_action(at.state)
    if bound == 0:
        assert isinstance(action, PauseTurn)
        return
    assert isinstance(action, CallModel)
    assert action.bound == bound
    at.take(begin(at.state, action, AT).changes)
    record = at.state.log.steps[-1]
    assert record.bound == bound
    assert build_prompt(at.state, record).model.max_output_tokens == (bound or 1000)


def test_an_answer_that_was_cut_for_a_limit_says_so() -> None:
    at = story(turn={"cost_usd": 0.5})
    at.take(begin(at.state, next_action(at.state), AT).changes)  # type: ignore[arg-type]
    at.answered(Text(text="and so"), stop="max_tokens", cost=0.5)
    action = next_action(at.state)
    assert isinstance(action, FinishTurn)
    assert action.error is not None
    assert (action.reason, action.error.type) == ("budget", "answer_cut")
    assert "cut at 500 tokens" in action.error.message


def test_a_cheaper_model_goes_on_with_the_turn() -> None:
    at = story(turn={"cost_usd": 0.1}, on_limit={"cheaper": "other"})
    loaded = at.state.slot.loaded
    assert loaded is not None
    dear = loaded.model_copy(update={"prices": {"main": PRICE, "other": Price(input=0, output=10)}})
    at = Story.new(behavior=1).loaded(dear).turn()
    at.open()
    at.answered(Text(text="x"), stop="pause", cost=0.05)
    action = next_action(at.state)
    assert isinstance(action, CallModel)
    assert (action.role, action.cheaper, action.bound) == ("other", True, None)
    changes = begin(at.state, action, AT).changes
    switched = [change for change in changes if getattr(change, "type", "") == "model.switched"]
    assert [(one.to, one.reason) for one in switched] == [("demo/other", "budget")]  # type: ignore[union-attr]
    at.take(changes).answered(Text(text="x"), stop="pause", cost=0.01)
    action = next_action(at.state)
    assert isinstance(action, CallModel)
    assert (action.role, action.cheaper) == ("other", False)


def test_where_even_the_cheaper_model_does_not_fit_it_is_asked() -> None:
    assert isinstance(next_action(story(turn={"cost_usd": 0.1}, on_limit={"cheaper": "other"}).state), PauseTurn)


@pytest.mark.parametrize("on_limit", ["ask", "stop", {"cheaper": "other"}])
def test_a_price_that_is_unknown_fails_at_once(on_limit: Any) -> None:
    action = next_action(story(price=None, turn={"cost_usd": 9.0}, on_limit=on_limit).state)
    assert isinstance(action, FinishTurn)
    assert (action.reason, action.error and action.error.type) == ("failed", "price_unknown")


def test_tokens_are_capped_also_without_a_price() -> None:
    at = story(price=None, session={"tokens": 1300})
    action = next_action(at.state)
    assert isinstance(action, CallModel)
    assert action.bound == 1300 - input_tokens(at.state)
    paused_at = paused(story(price=None, session={"tokens": 300}))
    (question,) = paused_at.state.questions.open
    assert question.budget is not None
    assert (question.budget.limit, question.budget.cap) == ("tokens", 300)
    (raised,) = answered(paused_at, result={"tokens": 90_000})
    assert paused_at.state.effective_limits.session.tokens == 90_000
    assert raised.value == 90_000


def test_tool_calls_over_the_cap_are_asked_about_before_any_of_them_runs() -> None:
    at = story(turn={"tool_calls": 1}).called({"a": 1}, {"a": 2})
    at = paused(at)
    (question,) = at.state.questions.open
    assert question.question_id == "t1.s1.budget"
    assert question.prompt is not None
    assert question.prompt.startswith(
        "2 more tool calls are wanted; with 0 made, that would exceed the turn's cap of 1 "
    )
    answered(at, approved=True)
    action = next_action(at.state)
    assert isinstance(action, PlanCalls)
    at.take(begin(at.state, action, AT).changes)
    assert [call.stage.at for call in at.calls] == ["ready", "ready"]
    assert at.state.books.tool_calls == 2


def test_tool_calls_over_the_cap_do_not_run_where_nobody_is_asked() -> None:
    at = story(turn={"tool_calls": 1}, on_limit="stop").called({"a": 1}, {"a": 2})
    at.take(begin(at.state, next_action(at.state), AT).changes)  # type: ignore[arg-type]
    first, second = at.calls
    assert (first.stage.at, second.stage.at) == ("ready", "refused")
    assert second.stage.error.type == "budget_exceeded"  # type: ignore[union-attr]


def test_working_time_is_that_of_models_and_tools() -> None:
    at = story(turn={"working_time": "10s"})
    action = next_action(at.state)
    assert isinstance(action, CallModel)
    at.take(begin(at.state, action, AT).changes)
    at.take(settle(at.state, out_of_credit("t1.s1"), AT + timedelta(seconds=6)))
    assert at.state.turn is not None
    assert at.state.turn.clock.worked == 6
    # Days in which it waits for a person do not count.
    at = paused(at)
    answered(at, approved=True)
    action = next_action(at.state)
    assert isinstance(action, CallModel)
    later = AT + timedelta(days=3)
    at.take(begin(at.state, action, later).changes)
    at.take(settle(at.state, out_of_credit("t1.s2"), later + timedelta(seconds=5)))
    answered(paused(at), approved=True)
    at = paused(at)
    (question,) = at.state.questions.open
    assert question.prompt is not None
    assert "have worked for 11s in this turn, which reaches the turn's cap of 10s." in question.prompt
    (raised,) = answered(at, result={"working_time": "5m"})
    assert at.state.effective_limits.turn.working_time == timedelta(minutes=5)
    assert raised.value == 300


@pytest.mark.parametrize("answer", [None, LeasesDrawn(drawn={"user": Drawn(number=2, granted=Amounts(), until=AT)})])
def test_a_session_that_was_declined_leaves_the_purse_that_it_waits_for(answer: LeasesDrawn | None) -> None:
    at = refused_by_purse(BEHAVIOR)
    answered(at, approved=False)
    action = next_action(at.state)
    assert isinstance(action, FinishTurn)
    at.take(begin(at.state, action, AT).changes)
    action = next_action(at.state)
    assert action == DrawLeases(Amounts())
    begun = begin(at.state, action, AT)
    at.take(begun.changes)
    (effect,) = begun.effects
    assert isinstance(effect, AskPurses)
    assert (effect.request.draws["user"].number, effect.request.draws["user"].needs) == (2, Amounts())
    assert isinstance(next_action(at.state), Rest)
    # Also where the purse could not be reached: it tells a session that it believes to wait, and that does no harm.
    at.take(settle(at.state, PursesAnswered(answer), AT))
    assert isinstance(next_action(at.state), Rest)


def test_sessions_of_older_behavior_stay_on_the_list_until_their_next_request() -> None:
    at = refused_by_purse(1)
    answered(at, approved=False)
    at.take(begin(at.state, next_action(at.state), AT).changes)  # type: ignore[arg-type]
    assert isinstance(next_action(at.state), Rest)


def refused_by_purse(behavior: int) -> Story:
    """A turn that asks, because the purse of its user has nothing left."""
    at = Story.new(behavior=behavior, purses={"user": ()}).loaded(agent(price=PRICE)).turn()
    action = next_action(at.state)
    assert isinstance(action, DrawLeases)
    at.take(begin(at.state, action, AT).changes)
    refusal = Refusal(limit="day.cost_usd", cap=1, spent=1, leased=0, needs=1)
    drawn = Drawn(number=1, granted=Amounts(), until=AT, refused=refusal)
    at.take(settle(at.state, PursesAnswered(LeasesDrawn(drawn={"user": drawn})), AT))
    return paused(at)


def test_a_provider_s_quota_is_asked_about_and_the_step_is_tried_again() -> None:
    at = story()
    for number in (1, 2):
        action = next_action(at.state)
        assert isinstance(action, CallModel)
        assert action.step_id == f"t1.s{number}"
        at.take(begin(at.state, action, AT).changes)
        at.take(settle(at.state, out_of_credit(action.step_id), AT))
        at = paused(at)
        (question,) = at.state.questions.open
        assert question.budget is not None
        assert (question.budget.scope, question.budget.limit) == ("tenant", "provider")
        assert question.prompt is not None
        assert question.prompt.startswith("The account's credit is used up.")
        if number == 1:
            answered(at, approved=True)
    answered(at, approved=False)
    action = next_action(at.state)
    assert isinstance(action, FinishTurn)
    assert (action.reason, action.error and action.error.type) == ("failed", "model_quota")


def out_of_quota(behavior: int) -> Story:
    loaded = agent(price=PRICE)
    at = Story.new(behavior=behavior).loaded(loaded).turn()
    at.take(begin(at.state, next_action(at.state), AT).changes)  # type: ignore[arg-type]
    at.take(settle(at.state, out_of_credit("t1.s1"), AT))
    return paused(at)


def test_another_model_settles_the_question_about_a_quota() -> None:
    at = out_of_quota(BEHAVIOR)
    # Neither does its own model, nor anything else that is set.
    for same in (Configure(id="same", model="main"), Configure(id="metadata", metadata={"a": 1})):
        at.take(receive(at.state, same, AT))
        assert len(at.state.questions.open) == 1
    changes = receive(at.state, Configure(id="c1", model="other", by=By(subject="ada")), AT)
    at.take(changes)

    assert at.state.questions.open == ()
    (settled,) = [change for change in changes if isinstance(change, InputReceived)]
    assert (settled.question_id, settled.reason, settled.by) == ("t1.s2.budget", "settled", By(subject="ada"))
    action = next_action(at.state)
    assert isinstance(action, CallModel)
    assert action.role == "other"
    changes = begin(at.state, action, AT).changes
    (switched,) = [change for change in changes if isinstance(change, ModelSwitched)]
    assert (switched.from_, switched.to) == ("demo/main", "demo/other")


def test_a_session_of_older_behavior_goes_on_asking_about_a_quota() -> None:
    at = out_of_quota(1)
    at.take(receive(at.state, Configure(id="c1", model="other"), AT))
    assert len(at.state.questions.open) == 1


def test_an_attempt_for_which_nothing_is_left_leads_back_to_the_limits() -> None:
    at = story(turn={"cost_usd": 1.5})
    at.take(begin(at.state, next_action(at.state), AT).changes)  # type: ignore[arg-type]
    assert at.state.log.steps[-1].left == Left(usd=1.5)
    lost = Spent(usage=Usage(output_tokens=800), cost_usd=0.8)
    partial = Partial(attempt=2, lost=0, streaming=False, before=lost)
    failed = StepFailure(ToolError(type=errors.BUDGET_EXCEEDED, message="Nothing is left."), partial)
    at.take(settle(at.state, ModelEnded("t1.s1", failed), AT))
    action = next_action(at.state)
    assert isinstance(action, CallModel)
    assert (action.step_id, action.bound) == ("t1.s2", 700)
    assert at.state.books.known_usd == 0.8


def test_sub_agents_have_a_share_of_each_cap() -> None:
    at = story(turn={"cost_usd": 1.0, "tokens": 1000}, session={"tool_calls": 9})
    assert share(at.state, 0.5) == (0.5, 500, 4)
    assert share(story().state, 0.5) == (None, None, None)
    assert left(story().state, "t1.s1") is None


@pytest.mark.parametrize(
    ("short", "result", "wrong"),
    [
        (
            Shortfall(scope="turn", limit="cost_usd", cap=1, spent=0.9, needs=0.2),
            {"cost_usd": 0.5},
            ("cost_usd", "$0.9000"),
        ),
        (Shortfall(scope="turn", limit="tokens", cap=9, spent=9, needs=2), {"tokens": 1.5}, ("tokens", "whole number")),
        (
            Shortfall(scope="turn", limit="working_time", cap=9, spent=9, needs=2),
            {"working_time": "x"},
            ("working_time", "30s"),
        ),
        (
            Shortfall(scope="turn", limit="working_time", cap=9, spent=9, needs=2),
            {"working_time": 1e300},
            ("working_time", "at most 365d"),
        ),
        (Shortfall(scope="turn", limit="tokens", cap=9, spent=9, needs=2), {"cost_usd": 1}, ("cost_usd", "set tokens")),
        (Shortfall(scope="turn", limit="tokens", cap=9, spent=2, needs=8), {"tokens": 9}, ("tokens", "cap that was")),
        (Shortfall(scope="turn", limit="tokens", cap=2e6), {"tokens": 1}, ("tokens", "reached: 2,000,000")),
        (Shortfall(scope="turn", limit="tokens", cap=9), {"tokens": 10**400}, ("tokens", "at most 1,000,000")),
        (Shortfall(scope="turn", limit="cost_usd", cap=9), {"cost_usd": 10**400}, ("cost_usd", "too large")),
        (Shortfall(scope="user", limit="day.cost_usd", cap=9), {"day.cost_usd": 1}, ("", "/v1/budgets/user/")),
        (Shortfall(scope="tenant", limit="provider"), {"cost_usd": 1}, ("", "the quota is the provider's")),
    ],
)
def test_a_wrong_cap_is_named(short: Shortfall, result: Any, wrong: tuple[str, str]) -> None:
    found = read_raise(short, result)
    assert isinstance(found, tuple)
    assert found[0] == wrong[0]
    assert wrong[1] in found[1]


def test_a_turn_that_was_declined_is_over() -> None:
    at = paused(story(turn={"cost_usd": 0.1}))
    answered(at, approved=False)
    changes = begin(at.state, next_action(at.state), AT).changes  # type: ignore[arg-type]
    assert [change.reason for change in changes if isinstance(change, TurnFinished)] == ["budget"]


def test_a_provider_s_words_end_before_what_is_asked() -> None:
    at = story()
    at.open()
    error = ToolError(type=errors.MODEL_QUOTA, message="Payment required")
    at.take(settle(at.state, ModelEnded("t1.s1", StepFailure(error, Partial(attempt=1, lost=0, streaming=False))), AT))
    (question,) = paused(at).state.questions.open
    assert question.prompt is not None
    assert question.prompt.startswith("Payment required. Approve to try")
