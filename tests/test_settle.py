"""What each outcome of an effect means, as the changes that follow from it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perdure.workflows.core.actions import EndCalls, RunTools, Wait
from perdure.workflows.core.agent_changes import AgentFailed, AgentLoaded, AgentRenewed, ToolsChanged, ToolsKnown
from perdure.workflows.core.begin import begin
from perdure.workflows.core.calls.call import Asking, Ending, FallBack, PutAway, Ready, RunChild, Running
from perdure.workflows.core.calls.results import STOPPED, UNKNOWN
from perdure.workflows.core.changes import CallChanged, Change, Changes, StopRequested, TimerDue, TurnBroken, stamp
from perdure.workflows.core.effects import Effect, OpenAgent, RunActivity, RunSession, StoreAnswer, awaited
from perdure.workflows.core.limit_changes import SetAside
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import (
    AgentOpened,
    DefinitionFound,
    DefinitionLoaded,
    ModelEnded,
    SessionEnded,
    TimePassed,
    ToolEnded,
    ToolsCompared,
)
from perdure.workflows.core.settle import settle
from perdure.workflows.core.step import StepFailure, finished_step
from perdure.workflows.core.sub_answer import SubAnswer, too_late
from perdure.workflows.definition.agent import Limits, SessionLimits, TurnLimits
from perdure.workflows.protocol.activities import OpenedAgent, Partial, StepOutput, ToolOutput
from perdure.workflows.vocabulary.events import AgentUpdated, ToolFinished
from perdure.workflows.vocabulary.parts import Text, Timing, ToolError, Usage
from perdure.workflows.vocabulary.questions import Binding
from tests.support.core import AT, Story, agent, failed

pytestmark = pytest.mark.pure

ID = "t1.s1.c1"
LATER = AT + timedelta(seconds=90)
PARTIAL = Partial(attempt=1, lost=0, streaming=False)
THREE = ToolOutput(output=3)


def output(**fields: Any) -> StepOutput:
    known: dict[str, Any] = {
        "parts": (Text(text="hi"),),
        "model": "demo",
        "usage": Usage(),
        "cost_usd": 0.25,
        "timing": Timing(total_ms=1),
        "stop": "end",
        "attempt": 1,
        "request_sha256": "x",
    }
    return StepOutput(**known | fields)


def settled(story: Story, outcome: Any, now: Any = LATER) -> Changes:
    """What follows, which the story then has behind it."""
    changes = settle(story.state, outcome, now)
    story.take(changes)
    return changes


def run(story: Story) -> tuple[Effect, ...]:
    """Carries out the action that runs calls; its effects."""
    action = next_action(story.state)
    assert isinstance(action, RunTools)
    begun = begin(story.state, action, AT)
    story.take(begun.changes)
    assert {effect.key for effect in begun.effects} <= awaited(story.state)
    return begun.effects


def running(tool: Any = "add", **definition: Any) -> Story:
    """A call of the tool `add` that runs since `AT`."""
    story = Story.new().loaded(agent(tools=[tool, "other"], **definition)).turn().called({"a": 1}).staged(c1=Ready())
    (effect,) = run(story)
    assert isinstance(effect, RunActivity)
    return story


def results(changes: Changes) -> list[Any]:
    return [change.result.output for change in changes if isinstance(change, ToolFinished)]


def stages(changes: Changes) -> list[Any]:
    return [change.call.stage for change in changes if isinstance(change, CallChanged)]


# Model calls.


@pytest.mark.parametrize(
    ("outcome", "stopping", "more"),
    [
        (output(), False, ()),
        (output(tools_digest="other"), False, (ToolsChanged(),)),
        # The provider's stream was closed for a stop that this run has not seen.
        (output(stop="stopped"), False, (StopRequested(),)),
        (output(stop="stopped"), True, ()),
        (StepFailure(failed(), PARTIAL), False, (TurnBroken(error=failed()),)),
        (StepFailure(failed(), PARTIAL), True, ()),
    ],
)
def test_a_model_call_ends(outcome: StepOutput | StepFailure, stopping: bool, more: tuple[Change, ...]) -> None:
    story = Story.new().loaded().turn()
    record = story.open()
    if stopping:
        story.note(StopRequested())
    ended = finished_step(record, outcome, stopping, stamp(story.state, AT))
    assert settled(story, ModelEnded("t1.s1", outcome), AT) == (ended, *more)
    assert settled(story, ModelEnded("t1.s1", outcome), AT) == ()


# The agent.


def test_a_definition_is_loaded_or_not() -> None:
    story = Story.new()
    assert settled(story, DefinitionLoaded(agent("d1"))) == (AgentLoaded(agent=agent("d1")),)
    updated = AgentUpdated(seq=2, at=LATER, old="d1", new="d2")
    assert settled(story, DefinitionLoaded(agent("d2"))) == (AgentLoaded(agent=agent("d2")), updated)
    assert settled(story, DefinitionLoaded(failed())) == (AgentFailed(error=failed()),)


def test_what_was_looked_up_is_known() -> None:
    assert settle(Story.new().state, DefinitionFound("d9"), AT) == (AgentRenewed(digest="d9"),)
    story = Story.new().loaded().turn()
    assert settled(story, ToolsCompared(True)) == (ToolsKnown(changed=True),)
    assert story.state.slot.stale


# Tools.


def test_a_tool_s_result_is_its_call_s() -> None:
    story = running()
    (finished,) = settled(story, ToolEnded(ID, THREE))
    assert isinstance(finished, ToolFinished)
    assert (finished.result.output, finished.duration_ms, finished.attempts) == (3, 90_000, 1)
    # What comes later is of a call that is over.
    assert settled(story, ToolEnded(ID, THREE)) == ()


def test_a_tool_that_failed_falls_back_and_both_failures_are_told() -> None:
    story = running({"add": {"fallback": "other"}})
    assert stages(settled(story, ToolEnded(ID, failed()))) == [Ready(FallBack(failed()), AT)]
    (effect,) = run(story)
    assert isinstance(effect, RunActivity)
    assert (effect.use.name, effect.activity_id) == ("other", f"{ID}.fallback")
    (finished,) = settled(story, ToolEnded(ID, failed("worse", "It is gone.")))
    assert isinstance(finished, ToolFinished)
    assert (finished.result.output, finished.duration_ms) == (
        failed(message="It broke. The fallback other failed, too: It is gone.").model_dump(),
        90_000,
    )


@pytest.mark.parametrize(
    ("on_unknown", "changes"),
    [("tell", [ToolFinished]), ("ask", [CallChanged]), ("stop", [TurnBroken, ToolFinished])],
)
def test_a_call_whose_outcome_is_unknown(on_unknown: str, changes: list[type[Any]]) -> None:
    story = running({"add": {"side_effects": "once", "on_unknown": on_unknown}})
    assert [type(change) for change in settled(story, ToolEnded(ID, UNKNOWN))] == changes


def test_a_tool_that_changed_is_asked_about_once() -> None:
    story = running({"add": {"approval": "always"}})
    (call,) = story.calls
    story.note(CallChanged(call=replace(call, bound=Binding(spec="s", policy="p"))))
    changed = failed("tool_changed")
    found = settled(story, ToolEnded(ID, changed))
    assert [type(change) for change in found] == [ToolsChanged, CallChanged]
    assert stages(found) == [Asking("approval")]
    (call,) = story.calls
    assert (call.changed, call.again) == (True, "tool_changed")
    story.note(CallChanged(call=replace(call, stage=Ready())))
    run(story)
    assert [type(change) for change in settled(story, ToolEnded(ID, changed))] == [ToolsChanged, ToolFinished]


def test_what_is_being_stopped_leads_to_nothing_more() -> None:
    story = running({"add": {"fallback": "other"}}).note(StopRequested())
    assert results(settled(story, ToolEnded(ID, failed()))) == [failed().model_dump()]


# Time.


def ending(tool: Any = "add") -> Story:
    story = running(tool).note(StopRequested())
    action = next_action(story.state)
    assert isinstance(action, EndCalls)
    begun = begin(story.state, action, AT)
    assert begun.ends == (ID,)
    story.take(begun.changes)
    assert next_action(story.state) == Wait(frozenset([ID]), until=AT + timedelta(seconds=5))
    return story


@pytest.mark.parametrize(("tool", "error"), [("add", STOPPED), ({"add": {"side_effects": "once"}}, UNKNOWN)])
def test_a_call_that_does_not_end_is_given_up(tool: Any, error: ToolError) -> None:
    story = ending(tool)
    assert settled(story, TimePassed(), AT) == ()
    assert results(settled(story, TimePassed())) == [error.model_dump()]
    assert awaited(story.state) == frozenset()


def test_a_call_that_ends_in_time_has_its_last_word() -> None:
    assert results(settled(ending(), ToolEnded(ID, THREE))) == [3]


def test_timers_are_due_when_the_session_rests() -> None:
    story = Story.new().loaded()
    story.event("timer.set", timer_id="w", due=LATER, note="look")
    assert settled(story, TimePassed(), AT) == ()
    assert settled(story, TimePassed()) == (TimerDue(timer_id="w"),)
    assert settled(story, TimePassed()) == ()


# Sub-agents.

OPENED = OpenedAgent(inputs={}, parts=(Text(text="Count."),), content_sha256="x", demo=True)


def asking(**options: Any) -> Story:
    """Two calls of a sub-agent are being opened, with a dollar for the session."""
    limits = Limits(session=SessionLimits(cost_usd=1.25), turn=TurnLimits())
    tools = [{"agent": {"name": "add", **options}}]
    loaded = agent(tools=tools, limits=limits).model_copy(update={"agents": {"add": "d5"}})
    story = Story.new().loaded(loaded).turn().called({"message": "a"}, {"message": "b"}).staged(c1=Ready(), c2=Ready())
    assert [type(effect) for effect in run(story)] == [OpenAgent, OpenAgent]
    return story


def begun(**options: Any) -> Story:
    story = asking(**options)
    settled(story, AgentOpened(ID, OPENED))
    (effect,) = run(story)
    assert isinstance(effect, RunSession)
    assert effect.new.parent is not None
    assert (effect.new.session_id, effect.new.parent.cap_usd) == (f"s1~{ID}", 0.5)
    return story


def answer(reason: Any = "done", text: str = "Three.", cost: float = 0.125) -> SubAnswer:
    return SubAnswer(reason=reason, parts=(Text(text=text),), usage=Usage(input_tokens=7), cost_usd=cost)


def test_what_a_sub_agent_may_spend_is_set_aside_in_the_books() -> None:
    story = asking()
    assert settled(story, AgentOpened(ID, OPENED))[0] == SetAside(call_id=ID, usd=0.5)
    # Half of what is left then.
    other = settled(story, AgentOpened("t1.s1.c2", OPENED))
    assert other[0] == SetAside(call_id="t1.s1.c2", usd=0.25)
    assert stages(other) == [Ready(RunChild(OPENED, 0.25), AT)]
    assert story.state.books.set_aside == {ID: 0.5, "t1.s1.c2": 0.25}


def test_its_answer_is_the_result_and_what_it_spent_is_its_callers() -> None:
    story = begun()
    (finished,) = settled(story, SessionEnded(ID, answer()))
    assert isinstance(finished, ToolFinished)
    assert finished.result.output == {"text": "Three.", "session_id": f"s1~{ID}"}
    assert (finished.usage, finished.cost_usd) == (Usage(input_tokens=7), 0.125)
    assert (story.state.books.set_aside, story.state.books.known_usd) == ({}, 0.375)


def test_a_long_answer_is_put_away_first() -> None:
    story = begun()
    long = answer(text="x" * 50_000)
    assert stages(settled(story, SessionEnded(ID, long))) == [Ready(PutAway(long.parts), AT)]
    (effect,) = run(story)
    assert isinstance(effect, StoreAnswer)
    (finished,) = settled(story, ToolEnded(ID, ToolOutput(output="short", attempt=None)))
    assert isinstance(finished, ToolFinished)
    assert (finished.result.output, finished.cost_usd) == ("short", 0.125)


def test_a_session_that_never_began_has_spent_nothing() -> None:
    (finished,) = settled(begun(), SessionEnded(ID, failed(), began=False))
    assert isinstance(finished, ToolFinished)
    assert (finished.result.output, finished.usage) == (failed().model_dump(), None)


def test_a_sub_agent_that_is_too_slow_is_told_to_end_and_then_given_up() -> None:
    story = begun(timeout="1m")
    assert next_action(story.state) == Wait(frozenset([ID, "t1.s1.c2"]), until=AT + timedelta(minutes=1))
    (overdue,) = stages(settled(story, TimePassed()))
    assert isinstance(overdue, Running)
    assert overdue.overdue
    action = next_action(story.state)
    assert isinstance(action, EndCalls)
    story.take(begin(story.state, action, LATER).changes)
    # Each level of sessions that there may be below has five seconds.
    until = LATER + timedelta(seconds=15)
    assert [call.stage for call in story.calls if isinstance(call.stage, Ending)] == [
        Ending(overdue.work, AT, until, late=True)
    ]
    (finished,) = settled(story, TimePassed(), until)
    assert isinstance(finished, ToolFinished)
    assert finished.result.output == too_late("add").model_dump()
    # What it has spent is not known, so what was set aside for it counts.
    assert finished.cost_usd == 0.5
