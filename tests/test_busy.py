"""Messages that come while a session works, by policy: where they wait, what they settle, and when they are in a turn."""

from typing import Any

import pytest

from perdure.workflows.core.actions import (
    CallModel,
    EndModelCall,
    FinishTurn,
    Join,
    LeaveUnasked,
    StartTurn,
    TellBelow,
)
from perdure.workflows.core.begin import begin
from perdure.workflows.core.calls.call import Asking, Ready, RunChild, Running
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.receive import receive
from perdure.workflows.definition.agent import Limits, TurnLimits
from perdure.workflows.protocol.activities import OpenedAgent
from perdure.workflows.protocol.signals import EditMessage, SendMessage, Signal, Stop, Supersede, WithdrawMessage
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import (
    Event,
    EventBase,
    MessageAdded,
    MessageQueued,
    MessageRejected,
    ToolFinished,
)
from perdure.workflows.vocabulary.parts import Text
from tests.support.core import AT, Story, agent, call

pytestmark = pytest.mark.pure


def said(message_id: str, busy: Busy | None = None, text: str = "hi") -> SendMessage:
    return SendMessage(message_id=message_id, parts=(Text(text=text),), content_sha256=text, cursor=0, busy=busy)


def take(story: Story, *signals: Signal) -> list[Event]:
    """The events that follow from these signals, which the story then has behind it."""
    found: list[Event] = []
    for signal in signals:
        changes = receive(story.state, signal, AT)
        story.take(changes)
        found += [change for change in changes if isinstance(change, EventBase)]
    return found


def act(story: Story, kind: type[Any]) -> list[Event]:
    """The events of the next action, which is of this kind."""
    action = next_action(story.state)
    assert isinstance(action, kind), action
    changes = begin(story.state, action, AT).changes
    story.take(changes)
    return [change for change in changes if isinstance(change, EventBase)]


def waiting(story: Story) -> list[str]:
    return [message.id for message in story.state.inbox.messages]


def in_turn(**definition: Any) -> Story:
    return Story.new().loaded(agent(**definition)).turn()


def asked(**definition: Any) -> Story:
    """A turn whose one call waits for an approval."""
    story = (
        in_turn(tools=[{"add": {"approval": "always"}}], **definition).called({"a": 1}).staged(c1=Asking("approval"))
    )
    story.event("approval.requested", question_id="q1", call_id="t1.s1.c1", name="add", args={"a": 1})
    return story


# Where a message waits.


def test_messages_that_interrupt_go_first_then_those_that_steer_each_in_order() -> None:
    story = in_turn()
    story.open()
    take(story, said("q1"), said("s1", "steer"), said("q2", "queue"), said("s2", "steer"))
    assert waiting(story) == ["s1", "s2", "q1", "q2"]
    events = take(story, said("i1", "interrupt"), said("i2", "interrupt"))
    assert waiting(story) == ["i1", "i2", "s1", "s2", "q1", "q2"]
    assert [(one.message_id, one.position, one.busy) for one in events if isinstance(one, MessageQueued)] == [
        ("i1", 1, "interrupt"),
        ("i2", 2, "interrupt"),
    ]


def test_nothing_goes_before_a_message_whose_turn_is_about_to_begin() -> None:
    story = Story.new()
    take(story, said("m1"), said("m2", "steer"), said("m3", "queue"))
    assert waiting(story) == ["m1", "m2", "m3"]
    story.loaded()
    act(story, StartTurn)
    (joined,) = act(story, Join)
    assert isinstance(joined, MessageAdded)
    assert (joined.message.id, joined.turn_id, joined.message.turn_id) == ("m2", "t1", "t1")


def test_a_message_interrupts_the_turn_that_is_about_to_begin() -> None:
    story = Story.new()
    take(story, said("m1"), said("m2", "interrupt"))
    story.loaded()
    act(story, StartTurn)
    assert next_action(story.state) == FinishTurn("interrupted")
    act(story, FinishTurn)
    (_, added) = act(story, StartTurn)
    assert isinstance(added, MessageAdded)
    assert (added.message.id, waiting(story)) == ("m2", [])
    assert isinstance(next_action(story.state), CallModel)


def test_a_message_that_finds_the_session_at_rest_has_its_turn_whatever_it_says() -> None:
    for busy in ("queue", "steer", "interrupt", "reject"):
        story = Story.new().loaded(agent(busy=busy))
        assert take(story, said("m1", busy)) == []
        assert isinstance(next_action(story.state), StartTurn)
        assert (story.state.inbox.ahead, story.state.inbox.steering) == ({}, ())


@pytest.mark.parametrize("waits", [True, False])
def test_a_message_that_is_not_to_wait_is_rejected(waits: bool) -> None:
    story = Story.new().loaded().accepted() if waits else in_turn()
    (rejected,) = take(story, said("m9", "reject"))
    assert isinstance(rejected, MessageRejected)
    assert (rejected.message_id, rejected.reason) == ("m9", "busy")
    # It was not taken, so it can be sent again once the session rests.
    assert "m9" not in story.state.inbox.seen


def test_the_definition_says_what_a_message_does_not() -> None:
    story = in_turn(busy="reject")
    assert [event.type for event in take(story, said("m8"))] == ["message.rejected"]
    assert [event.type for event in take(story, said("m9", "queue"))] == ["message.queued"]


def test_the_same_message_with_another_policy_is_a_repeat() -> None:
    story = in_turn()
    take(story, said("m9", "queue"))
    assert take(story, said("m9", "interrupt")) == []
    assert (story.state.turn is not None and story.state.turn.stopping, waiting(story)) == (False, ["m9"])


# Steering.


def test_a_steered_message_joins_once_the_calls_have_their_results() -> None:
    story = in_turn().called({"a": 1}, {"a": 2})
    take(story, said("s1", "steer"), said("s2", "steer"))
    story.result("t1.s1.c1")
    assert not isinstance(next_action(story.state), Join)
    story.result("t1.s1.c2")
    assert [one.message.id for one in act(story, Join) if isinstance(one, MessageAdded)] == ["s1", "s2"]
    roles = [message.role for message in story.state.transcript.messages]
    assert roles == ["user", "assistant", "tool", "tool", "user", "user"]
    assert isinstance(next_action(story.state), CallModel)


def test_a_steered_message_is_answered_also_after_the_last_answer() -> None:
    story = in_turn()
    story.open()
    take(story, said("s1", "steer"))
    story.answered(Text(text="Done."))
    act(story, Join)
    action = next_action(story.state)
    assert isinstance(action, CallModel)
    assert action.step_id == "t1.s2"


@pytest.mark.parametrize(
    ("limits", "stop", "reason"),
    [
        (TurnLimits(steps=1), "end", "done"),
        (TurnLimits(), "refusal", "failed"),
        (TurnLimits(cost_usd=0.25), "end", "done"),
    ],
)
def test_a_message_that_cannot_join_has_a_turn_of_its_own(limits: TurnLimits, stop: Any, reason: str) -> None:
    story = in_turn(limits=Limits(turn=limits))
    take(story, said("q1"))
    story.open()
    take(story, said("s1", "steer"), said("s2", "steer"))
    story.answered(Text(text="Done."), stop=stop)
    finished, *queued = act(story, FinishTurn)
    assert (finished.type, finished.turn_id, getattr(finished, "reason", "")) == ("turn.finished", "t1", reason)
    assert [(one.message_id, one.position, one.busy) for one in queued if isinstance(one, MessageQueued)] == [
        ("s1", 1, None),
        ("s2", 2, None),
    ]
    assert waiting(story) == ["s1", "s2", "q1"]
    act(story, StartTurn)
    # In order: what steers the next turn comes behind what waits since the one before.
    take(story, said("s3", "steer"))
    assert waiting(story) == ["s2", "s3", "q1"]
    assert story.state.inbox.steering == ("s3",)


def test_a_stop_does_not_lose_a_steered_message() -> None:
    story = in_turn()
    story.open()
    take(story, said("s1", "steer"), Stop(id="x"))
    act(story, EndModelCall)
    story.answered(Text(text="On"), stop="stopped")
    assert next_action(story.state) == FinishTurn("stopped")
    act(story, FinishTurn)
    act(story, StartTurn)
    assert waiting(story) == []


# Interrupting.


def test_an_interrupted_turn_says_so_and_its_message_is_next() -> None:
    story = in_turn()
    story.open()
    take(story, said("q1"), said("i1", "interrupt"))
    act(story, EndModelCall)
    story.answered(Text(text="Once"), stop="stopped")
    assert next_action(story.state) == FinishTurn("interrupted")
    act(story, FinishTurn)
    added = act(story, StartTurn)[1]
    assert isinstance(added, MessageAdded)
    assert added.message.id == "i1"


def test_a_turn_that_was_stopped_before_stays_stopped() -> None:
    story = in_turn()
    take(story, Stop(id="x"), said("i1", "interrupt"))
    assert next_action(story.state) == FinishTurn("stopped")


# Questions.


@pytest.mark.parametrize("busy", ["steer", "interrupt"])
def test_an_open_question_is_superseded(busy: Busy) -> None:
    story = asked()
    events = take(story, said("m9", busy))
    kinds = [event.type for event in events]
    assert kinds == ["message.queued", "approval.resolved", "tool.started", "tool.finished"]
    resolved, result = events[1], events[3]
    assert (getattr(resolved, "approved", None), getattr(resolved, "reason", "")) == (False, "superseded")
    assert isinstance(result, ToolFinished)
    assert result.result.is_error
    assert "another message" in str(result.result.output)
    assert story.state.status == "working"
    assert isinstance(next_action(story.state), Join if busy == "steer" else FinishTurn)


def test_a_question_of_another_kind_is_superseded_alike() -> None:
    story = in_turn(tools=[{"client": {"name": "add", "description": "x"}}]).called({}).staged(c1=Asking("input"))
    story.event("input.requested", question_id="q1", call_id="t1.s1.c1", name="add", args={})
    events = take(story, said("m9", "steer"))
    assert [event.type for event in events] == ["message.queued", "input.received", "tool.started", "tool.finished"]
    assert (getattr(events[1], "value", 0), getattr(events[1], "reason", "")) == (None, "superseded")


def test_a_message_that_queues_leaves_the_question_open() -> None:
    story = asked()
    assert [event.type for event in take(story, said("m9", "queue"))] == ["message.queued"]
    assert story.state.status == "waiting"


def test_nobody_is_asked_while_a_message_waits_to_steer() -> None:
    story = in_turn(tools=[{"add": {"approval": "always"}}])
    story.open()
    take(story, said("s1", "steer"))
    story.answered(*_calls("t1.s1"), stop="tool_calls").staged(c1=Asking("approval"))
    assert [event.type for event in act(story, LeaveUnasked)] == ["tool.started", "tool.finished"]
    act(story, Join)


def _calls(step: str) -> Any:
    return (call(f"{step}.c1", a=1),)


# Sub-agents.

OPENED = OpenedAgent(inputs={}, parts=(Text(text="Count."),), content_sha256="x", demo=True)


def with_child() -> Story:
    loaded = agent(tools=[{"agent": {"name": "add"}}]).model_copy(update={"agents": {"add": "d5"}})
    story = Story.new().loaded(loaded).turn().called({"message": "a"})
    return story.staged(c1=Ready(RunChild(OPENED, None))).staged(c1=Running(RunChild(OPENED, None), AT))


def test_a_sub_agent_is_told_once_that_nobody_will_answer_it() -> None:
    story = with_child()
    take(story, said("s1", "steer"))
    action = next_action(story.state)
    assert isinstance(action, TellBelow)
    begun = begin(story.state, action, AT)
    assert begun.tells == ("t1.s1.c1",)
    story.take(begun.changes)
    take(story, said("s2", "steer"))
    assert not isinstance(next_action(story.state), TellBelow)


def test_a_sub_agent_of_an_interrupted_turn_is_told_before_it_ends() -> None:
    story = with_child()
    take(story, said("i1", "interrupt"))
    act(story, TellBelow)
    assert type(next_action(story.state)).__name__ == "EndCalls"


def test_a_session_that_was_told_so_asks_nobody_any_more() -> None:
    story = asked()
    events = take(story, Supersede(id="x"))
    assert [event.type for event in events] == ["approval.resolved", "tool.started", "tool.finished"]
    story.open()
    story.answered(*_calls("t1.s2"), stop="tool_calls").staged(c1=Asking("approval"))
    act(story, LeaveUnasked)


# Changing what waits.


def test_a_message_that_waits_can_be_edited() -> None:
    story = in_turn()
    take(story, said("q1"), said("q2"))
    (told,) = take(story, EditMessage(id="x", message_id="q2", parts=(Text(text="other"),)))
    assert isinstance(told, MessageQueued)
    assert (told.position, told.message and told.message.parts) == (2, (Text(text="other"),))
    assert story.state.inbox.edited == {"q2": "x"}
    # What is sent again is still a repeat.
    assert take(story, said("q2")) == []


def test_a_message_that_waits_can_be_withdrawn() -> None:
    story = in_turn()
    take(story, said("q1"), said("s1", "steer"))
    (rejected,) = take(story, WithdrawMessage(id="x", message_id="s1"))
    assert isinstance(rejected, MessageRejected)
    assert (rejected.reason, waiting(story), story.state.inbox.steering) == ("withdrawn", ["q1"], ())
    assert (story.state.inbox.withdrawn, take(story, said("s1"))) == (("s1",), [])


def test_what_comes_too_late_changes_nothing() -> None:
    story = in_turn()
    edit = EditMessage(id="x", message_id="m1", parts=(Text(text="other"),))
    assert take(story, edit, WithdrawMessage(id="y", message_id="m1")) == []
    assert (story.state.inbox.edited, story.state.inbox.withdrawn) == ({}, ())
