"""Steps that go on with the next model of their route, in the core alone."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.workflows.core.actions import Action, AskNextModel, CallModel, EndStep, Exit, FinishTurn, Rest, Wait
from perdure.workflows.core.begin import begin
from perdure.workflows.core.changes import ModelGivenUp, StopRequested
from perdure.workflows.core.effects import AskModel, awaited
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import ModelEnded
from perdure.workflows.core.passing_on import FAILURES
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.settle import settle
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.agent import AgentDefinition, Limits, LoadedAgent, Price, TurnLimits
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.definition.route import every_model, route
from perdure.workflows.protocol.activities import Partial, StepOutput, call_of
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.events import ModelSwitched, StepFinished, StepStarted, TurnFinished
from perdure.workflows.vocabulary.parts import Text, Timing, ToolCall, ToolError, Usage
from tests.support.core import AT, Story

pytestmark = pytest.mark.pure

MODELS: dict[str, Any] = {
    "main": {
        "use": "demo/one",
        "fallback": ["other", {"use": "demo/three", "on": ["refusal"]}, {"role": "four", "on": ["content_filter"]}],
    },
    "other": {"use": "demo/two"},
    "four": {"use": "demo/four"},
}
ORDER = ("demo/one", "demo/two", "demo/three", "demo/four")
WORST = Usage(input_tokens=10, output_tokens=3)


def agent(*, price: Price | None = Price(input=1, output=1), **fields: Any) -> LoadedAgent:
    given_fields = {"name": "plain", "models": MODELS, "model": "main", "instructions": "Be brief."}
    definition = AgentDefinition.model_validate(given_fields | fields)
    prices = {} if price is None else {hop.key: price for hop in every_model(definition.models)}
    return LoadedAgent(digest="d1", definition=definition, prices=prices)


def output(stop: str = "end", *parts: Any, attempt: int = 1, cost: float = 0.5) -> StepOutput:
    return StepOutput.model_validate(
        {
            "parts": parts or (Text(text="hi"),),
            "model": "as the provider says",
            "usage": WORST,
            "cost_usd": cost,
            "timing": Timing(total_ms=1),
            "stop": stop,
            "attempt": attempt,
            "request_sha256": "x",
        }
    )


def failure(kind: str = errors.MODEL_OVERLOADED, attempt: int = 3, cost: float = 0.25) -> StepFailure:
    spent = Spent(usage=WORST, cost_usd=cost)
    return StepFailure(
        ToolError(type=kind, message=f"It failed: {kind}."),
        Partial(attempt=attempt, lost=0, streaming=False, spent=spent),
    )


class Route:
    """A turn that is driven by hand: each outcome is given in turn, and the session continues as new between any two."""

    def __init__(self, loaded: LoadedAgent | None = None) -> None:
        self.story = Story.new().loaded(loaded or agent()).turn()
        self.asked: list[AskModel] = []
        self.advance()

    def advance(self) -> Action:
        while not isinstance(action := next_action(self.story.state), Wait | Rest | Exit | FinishTurn):
            begun = begin(self.story.state, action, AT + timedelta(seconds=self.story.state.log.seq))
            assert begun.changes
            self.story.take(begun.changes)
            for effect in begun.effects:
                assert isinstance(effect, AskModel)
                assert effect.key in awaited(self.story.state)
                self.asked.append(effect)
            self.story.state = read_state(dump_state(self.story.state))
        return action

    def ended(self, outcome: StepOutput | StepFailure) -> None:
        """Takes the outcome in; nothing is done about it yet."""
        ended = ModelEnded(self.asked[-1].key, outcome)
        self.story.take(settle(self.story.state, ended, AT + timedelta(seconds=self.story.state.log.seq)))

    def then(self, outcome: StepOutput | StepFailure) -> Action:
        self.ended(outcome)
        return self.advance()

    def events(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.story.state.log.events if isinstance(event, kind)]

    @property
    def models(self) -> list[str]:
        return [effect.record.model for effect in self.asked]


def test_a_route_follows_the_roles_that_stand_in() -> None:
    models = {
        "a": {"use": "demo/a", "fallback": ["b", {"use": "demo/x"}]},
        "b": {"use": "demo/b", "fallback": ["c"]},
        "c": {"use": "demo/c"},
    }
    definition = AgentDefinition.model_validate({"name": "n", "models": models, "model": "a", "instructions": ""})
    assert [hop.key for hop in route(definition.models, "a")] == ["a", "b", "c", "a/2"]
    assert [hop.key for hop in route(definition.models, "c")] == ["c"]
    assert AgentDefinition.model_validate(definition.model_dump(mode="json")) == definition


@pytest.mark.parametrize("kind", sorted(FAILURES))
def test_a_failed_model_is_followed_by_the_next_one_in_the_same_step(kind: str) -> None:
    turn = Route()
    view = turn.asked[0].record.view
    turn.ended(failure(kind))
    assert awaited(turn.story.state) == frozenset()
    assert next_action(turn.story.state) == AskNextModel("t1.s1")
    assert isinstance(turn.advance(), Wait)
    assert turn.models == ["demo/one", "demo/two"]
    (switched,) = turn.events(ModelSwitched)
    assert (switched.step_id, switched.from_, switched.to) == ("t1.s1", "demo/one", "demo/two")
    assert switched.reason == FAILURES[kind]
    record = turn.asked[1].record
    assert record.view == view
    assert build_prompt(turn.story.state, record).model.use == "demo/two"
    assert call_of(record).attempts_before == 3
    assert isinstance(turn.then(output()), FinishTurn)
    (finished,) = turn.events(StepFinished)
    assert (finished.model, finished.attempt, finished.stop) == ("demo/two", 4, "end")
    assert finished.cost_usd == pytest.approx(0.75)
    assert finished.usage == WORST + WORST
    assert len(turn.events(StepStarted)) == 1


@pytest.mark.parametrize("kind", [errors.MODEL_INVALID_REQUEST, errors.MODEL_CONTEXT_LENGTH, errors.UNKNOWN_STEP])
def test_what_another_model_would_not_mend_ends_the_step(kind: str) -> None:
    turn = Route()
    action = turn.then(failure(kind))
    assert isinstance(action, FinishTurn)
    assert (turn.models, action.reason) == (["demo/one"], "failed")
    assert action.error is not None
    assert action.error.type == kind


@pytest.mark.parametrize(
    ("declined", "model"),
    [
        (output("refusal"), "demo/three"),
        (output("content_filter"), "demo/four"),
        (failure(errors.MODEL_CONTENT_POLICY), "demo/four"),
    ],
)
def test_a_declined_answer_goes_to_the_entry_that_says_so(declined: StepOutput | StepFailure, model: str) -> None:
    turn = Route()
    assert isinstance(turn.then(declined), Wait)
    assert turn.models == ["demo/one", model]
    turn.then(output())
    (finished,) = turn.events(StepFinished)
    assert finished.message.parts == (Text(text="hi"),)


def test_a_declined_answer_stands_where_no_entry_says_so() -> None:
    turn = Route(agent(models={"main": {"use": "demo/one", "fallback": ["other"]}, "other": {"use": "demo/two"}}))
    action = turn.then(output("refusal"))
    assert isinstance(action, FinishTurn)
    assert turn.models == ["demo/one"]


def test_when_all_fail_the_error_names_each() -> None:
    turn = Route()
    for _ in ORDER[:-1]:
        assert isinstance(turn.then(failure()), Wait)
    action = turn.then(failure(errors.MODEL_AUTH, attempt=1))
    assert isinstance(action, FinishTurn)
    assert action.error is not None
    assert action.error.type == errors.MODEL_AUTH
    assert action.error.retryable
    assert all(f"{model}: It failed" in action.error.message for model in ORDER)
    (finished,) = turn.events(StepFinished)
    assert (finished.attempt, finished.stop, finished.cost_usd) == (10, "error", pytest.approx(1.0))


def test_the_turn_s_next_step_goes_on_with_the_model_that_answered_and_the_next_turn_does_not() -> None:
    turn = Route()
    turn.then(failure())
    call = ToolCall(call_id="t1.s1.c1", name="nope", args={})
    assert isinstance(turn.then(output("tool_calls", call)), Wait)
    assert turn.models == ["demo/one", "demo/two", "demo/two"]
    assert turn.asked[-1].record.hop == 1
    turn.then(output())
    turn.story.finished().turn("again")
    turn.advance()
    assert turn.models[-1] == "demo/one"
    switches = [(one.from_, one.to, one.reason) for one in turn.events(ModelSwitched)]
    assert switches == [("demo/one", "demo/two", "overloaded"), ("demo/two", "demo/one", "definition")]


def test_a_stop_between_two_models_ends_the_step() -> None:
    turn = Route()
    turn.ended(failure())
    turn.story.note(StopRequested())
    assert next_action(turn.story.state) == EndStep("t1.s1")
    assert turn.advance() == FinishTurn("stopped")
    (finished,) = turn.events(StepFinished)
    assert (finished.stop, finished.cost_usd, turn.models) == ("stopped", 0.25, ["demo/one"])


def test_a_model_that_fails_while_the_turn_is_stopped_is_the_last() -> None:
    turn = Route()
    turn.story.note(StopRequested())
    assert turn.then(failure()) == FinishTurn("stopped")
    assert turn.models == ["demo/one"]


def test_a_next_model_that_the_cap_does_not_bear_is_not_asked() -> None:
    turn = Route(agent(limits=Limits(turn=TurnLimits(cost_usd=0.2))))
    action = turn.then(failure(cost=0.1999))
    assert isinstance(action, FinishTurn)
    assert action.error is not None
    assert (action.reason, action.error.type) == ("budget", errors.BUDGET_EXCEEDED)
    assert turn.models == ["demo/one"]
    assert len(turn.events(StepFinished)) == 1


def test_a_late_outcome_of_a_model_that_was_given_up_changes_nothing() -> None:
    turn = Route()
    turn.ended(failure())
    assert settle(turn.story.state, ModelEnded("t1.s0", output()), AT) == ()


OUTCOMES = st.sampled_from(
    [
        *(failure(kind) for kind in sorted(FAILURES)),
        failure(errors.MODEL_INVALID_REQUEST),
        failure(errors.MODEL_CONTENT_POLICY),
        output(),
        output("refusal"),
        output("content_filter"),
        output("max_tokens"),
    ]
)


@given(st.lists(OUTCOMES, min_size=1, max_size=8), st.integers(-1, 8))
def test_any_order_of_failures_ends_in_one_step_finished_for_each_step(outcomes: list[Any], stop_at: int) -> None:
    turn = Route()
    action: Action = Wait()
    spent = 0.0
    for number, outcome in enumerate([*outcomes, *[failure(errors.MODEL_INVALID_REQUEST)] * 2]):
        before = turn.asked[-1].record
        turn.ended(outcome)
        spent += 0.5 if isinstance(outcome, StepOutput) else 0.25
        if number == stop_at:
            turn.story.note(StopRequested())
        action = turn.advance()
        if isinstance(action, FinishTurn):
            break
        after = turn.asked[-1].record
        # Within a step, viewers drop what has a lower number than what they have seen.
        same = after.step_id == before.step_id
        assert (call_of(after).attempts_before >= before.attempts_before + 1) if same else not after.tried
        assert not same or after.hop > before.hop
    assert isinstance(action, FinishTurn)
    begin_finish = begin(turn.story.state, action, AT)
    turn.story.take(begin_finish.changes)
    started = [event.step_id for event in turn.events(StepStarted)]
    finished = [event.step_id for event in turn.events(StepFinished)]
    assert started == finished
    assert len(set(finished)) == len(finished)
    (ended,) = turn.events(TurnFinished)
    assert ended.cost_usd == pytest.approx(spent)
    switched = [event.from_ for event in turn.events(ModelSwitched)]
    assert len(turn.asked) == len(started) + len(switched)
    assert not isinstance(next_action(turn.story.state), CallModel)
    assert ModelGivenUp not in map(type, begin_finish.changes)
