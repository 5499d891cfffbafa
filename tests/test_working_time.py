"""A turn whose working time is used up: what works for it ends, and the limit's question or end follows. Pure."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from perdure.workflows.core.actions import (
    Action,
    CallModel,
    EndCalls,
    EndModelCall,
    FinishTurn,
    PauseTurn,
    RunTools,
    Wait,
)
from perdure.workflows.core.answers import step_state
from perdure.workflows.core.begin import Begun, begin
from perdure.workflows.core.calls.results import OUT_OF_TIME, STOPPED
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import ModelEnded, Outcome, TimePassed, ToolEnded
from perdure.workflows.core.receive import receive
from perdure.workflows.core.settle import settle
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.agent import Limits
from perdure.workflows.protocol.activities import Partial, StepOutput, ToolOutput
from perdure.workflows.protocol.signals import BEHAVIOR, Answer, Stop
from perdure.workflows.vocabulary.parts import Part, StopReason, Text, Timing, ToolCall, ToolError, ToolResult, Usage
from tests.support.core import AT, Story, agent, call

pytestmark = pytest.mark.pure

_TICK = timedelta(microseconds=1)


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


class Work:
    """A turn that may work for ten seconds."""

    def __init__(self, *, behavior: int = BEHAVIOR, **limits: Any) -> None:
        fields = {"turn": {"working_time": "10s"}} | limits
        loaded = agent(limits=Limits.model_validate(fields))
        self.story = Story.new(behavior=behavior).loaded(loaded).turn()

    @property
    def next(self) -> Action:
        return next_action(self.story.state)

    @property
    def end(self) -> FinishTurn:
        action = self.next
        assert isinstance(action, FinishTurn)
        return action

    def begin(self, seconds: float) -> Begun:
        action = self.next
        assert not isinstance(action, Wait)
        begun = begin(self.story.state, action, at(seconds))  # type: ignore[arg-type]
        self.story.take(begun.changes)
        return begun

    def settle(self, outcome: Outcome, seconds: float) -> bool:
        """Whether anything changed."""
        changes = settle(self.story.state, outcome, at(seconds))
        self.story.take(changes)
        return bool(changes)

    def answers(self, seconds: float, *parts: Part, stop: StopReason = "end") -> None:
        step = self.story.state.turn.step  # type: ignore[union-attr]
        assert step is not None
        usage, timing = Usage(input_tokens=10, output_tokens=5), Timing(total_ms=1)
        output = StepOutput(
            model=step.model,
            parts=parts,
            usage=usage,
            cost_usd=0.1,
            timing=timing,
            stop=stop,
            attempt=1,
            request_sha256="0" * 64,
        )
        self.settle(ModelEnded(step.step_id, output), seconds)

    def calls(self, seconds: float, count: int = 2) -> None:
        """The model has called tools, which run since then."""
        self.begin(0)
        self.answers(seconds, *(call(f"t1.s1.c{n}", n=n) for n in range(count)), stop="tool_calls")
        self.begin(seconds)
        assert isinstance(self.next, RunTools)
        self.begin(seconds)

    def decide(self, **answer: Any) -> None:
        (question,) = self.story.state.questions.open
        command = Answer.model_validate({"id": "a1", "question_id": question.question_id} | answer)
        self.story.take(receive(self.story.state, command, at(100_000)))

    @property
    def last(self) -> Any:
        return self.story.state.transcript.messages[-1]


def test_a_model_call_ends_with_what_it_has_said_and_a_person_is_asked() -> None:
    work = Work()
    work.begin(0)
    assert work.next == Wait(frozenset(["t1.s1"]), ends_at=at(10) + _TICK)
    assert not work.settle(TimePassed(), 9)
    assert step_state(work.story.state, "t1.s1") == "running"

    work.settle(TimePassed(), 11)
    assert step_state(work.story.state, "t1.s1") == "stopping"
    assert isinstance(work.next, EndModelCall)
    assert work.begin(11).ends == ("t1.s1",)
    # Nothing is due any more.
    assert work.next == Wait(frozenset(["t1.s1"]))
    assert not work.settle(TimePassed(), 12)
    work.answers(12, Text(text="Once upon"), stop="stopped")

    assert (work.last.parts, work.last.stopped) == ((Text(text="Once upon"),), True)
    action = work.next
    assert isinstance(action, PauseTurn)
    assert (action.short.limit, action.short.cap, action.short.spent) == ("working_time", 10, 12)


def test_it_goes_on_where_it_was_cut_once_somebody_allows_it() -> None:
    work = Work()
    work.begin(0)
    work.settle(TimePassed(), 11)
    work.begin(11)
    work.answers(11, Text(text="Once upon"), stop="stopped")
    work.begin(11)
    assert work.next == Wait(questions=("t1.s2.budget",))
    work.decide(approved=True)

    action = work.next
    assert isinstance(action, CallModel)
    assert action.nudge == "time"
    work.begin(100_000)
    # As long again, and the days in which a person was asked do not count.
    assert work.next == Wait(frozenset(["t1.s2"]), ends_at=at(100_010) + _TICK)
    work.answers(100_001, Text(text="a time."))
    assert work.end == FinishTurn("done")


@pytest.mark.parametrize("limits", [{"on_limit": "stop"}, {}])
def test_it_ends_where_nobody_is_asked_or_somebody_declines(limits: Any) -> None:
    work = Work(**limits)
    work.begin(0)
    work.settle(TimePassed(), 11)
    work.begin(11)
    work.answers(11, Text(text="Once upon"), stop="stopped")
    if not limits:
        work.begin(11)
        work.decide(approved=False)

    assert (work.end.reason, work.end.error and work.end.error.type) == ("budget", "working_time")


def test_an_answer_that_was_whole_before_it_heard_of_it_counts() -> None:
    work = Work()
    work.begin(0)
    work.settle(TimePassed(), 11)
    work.begin(11)
    work.answers(11, Text(text="Done."))
    assert work.end == FinishTurn("done")


def test_a_failure_after_that_is_none_and_calls_of_a_cut_answer_do_not_run() -> None:
    work = Work()
    work.begin(0)
    work.settle(TimePassed(), 11)
    work.begin(11)
    made: ToolCall = call("t1.s1.c1")
    partial = Partial(attempt=1, lost=0, streaming=True, parts=(Text(text="Let me"), made))
    failure = StepFailure(ToolError(type="model_unavailable", message="gone"), partial)
    work.settle(ModelEnded("t1.s1", failure), 11)
    work.begin(11)
    work.decide(approved=True)
    work.begin(100_000)
    work.begin(100_000)

    (result,) = work.last.parts
    assert isinstance(result, ToolResult)
    assert result.is_error
    told = "not run: the answer was cut, because the turn's working time was used up."
    assert told in ToolError.model_validate(result.output).message
    assert isinstance(work.next, CallModel)


def test_tools_end_and_their_results_say_why() -> None:
    work = Work()
    work.calls(4)
    assert work.next == Wait(frozenset(["t1.s1.c0", "t1.s1.c1"]), ends_at=at(10) + _TICK)
    work.settle(TimePassed(), 11)
    assert isinstance(work.next, EndCalls)
    assert work.begin(11).ends == ("t1.s1.c0", "t1.s1.c1")
    work.settle(ToolEnded("t1.s1.c0", STOPPED), 12)
    assert work.next == Wait(frozenset(["t1.s1.c1"]), until=at(16))
    # What does not hear of it is given up.
    work.settle(TimePassed(), 16)

    results = [message.parts[0] for message in work.story.state.transcript.messages[-2:]]
    told = OUT_OF_TIME.model_dump()
    assert [(one.call_id, one.output) for one in results if isinstance(one, ToolResult)] == [
        ("t1.s1.c0", told),
        ("t1.s1.c1", told),
    ]
    assert isinstance(work.next, PauseTurn)


def test_calls_that_wait_their_turn_wait_for_the_decision() -> None:
    work = Work(session={"parallel_calls": 1})
    work.calls(4)
    work.settle(TimePassed(), 11)
    work.begin(11)
    work.settle(ToolEnded("t1.s1.c0", STOPPED), 12)
    assert isinstance(work.next, PauseTurn)
    work.begin(12)
    work.decide(approved=True)
    action = work.next
    assert isinstance(action, RunTools)
    assert [one.call_id for one in action.calls] == ["t1.s1.c1"]


def test_calls_that_wait_their_turn_are_given_up_where_nobody_is_asked() -> None:
    work = Work(session={"parallel_calls": 1}, on_limit="stop")
    work.calls(4)
    work.settle(TimePassed(), 11)
    work.begin(11)
    work.settle(ToolEnded("t1.s1.c0", STOPPED), 12)
    work.begin(12)
    assert work.end.reason == "budget"


def test_a_stop_meanwhile_stops_the_turn() -> None:
    work = Work()
    work.begin(0)
    work.settle(TimePassed(), 11)
    work.begin(11)
    work.story.take(receive(work.story.state, Stop(id="s1"), at(11)))
    assert work.next == Wait(frozenset(["t1.s1"]))
    work.answers(12, Text(text="Once"), stop="stopped")
    assert work.end == FinishTurn("stopped")


def test_sessions_of_older_behavior_look_at_the_time_only_between_steps() -> None:
    work = Work(behavior=1)
    work.begin(0)
    assert work.next == Wait(frozenset(["t1.s1"]))
    assert not work.settle(TimePassed(), 11)
    work.answers(12, call("t1.s1.c1"), stop="tool_calls")
    assert isinstance(work.next, PauseTurn)


def test_a_turn_without_a_limit_is_never_over() -> None:
    work = Work(turn={})
    work.calls(4)
    assert work.next == Wait(frozenset(["t1.s1.c0", "t1.s1.c1"]))
    assert not work.settle(TimePassed(), 1_000_000)
    work.settle(ToolEnded("t1.s1.c0", ToolOutput(output=1)), 1_000_000)
    assert work.next == Wait(frozenset(["t1.s1.c1"]))
