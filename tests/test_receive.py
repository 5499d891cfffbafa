"""What each signal means, as the changes that follow from it."""

import pytest

from perdure.workflows.core.changes import (
    Accepted,
    Change,
    CloseRequested,
    CommandSeen,
    Configured,
    StopRequested,
    TimerCancelled,
)
from perdure.workflows.core.receive import receive, started
from perdure.workflows.definition.agent import Limits, TurnLimits
from perdure.workflows.protocol.signals import CancelTimer, Close, Configure, SendMessage, Signal, Stop
from perdure.workflows.vocabulary.events import MessageQueued, MessageRejected, SessionStarted
from perdure.workflows.vocabulary.parts import Data, Message, Text
from tests.support.core import AT, Story

pytestmark = pytest.mark.pure

HI = SendMessage(message_id="m2", parts=(Text(text="hi"),), content_sha256="x", cursor=7)
LIMITS = Limits(turn=TurnLimits(steps=2))


def accepted(message: SendMessage = HI) -> Accepted:
    taken_in = Message(id=message.message_id, role="user", parts=message.parts, at=AT)
    return Accepted(message=taken_in, content_sha256="x", cursor=7, digest=None)


def rejected(story: Story, reason: str) -> MessageRejected:
    return MessageRejected(
        seq=story.state.log.seq + 1, at=AT, turn_id=story.state.turn_id, message_id="m2", reason=reason
    )


def queued(story: Story, position: int) -> MessageQueued:
    return MessageQueued(seq=story.state.log.seq + 1, at=AT, turn_id=None, message_id="m2", position=position)


def full() -> Story:
    story = Story.new().loaded()
    for number in range(101):
        story.accepted("hi", f"full{number}")
    return story


def closed() -> Story:
    story = Story.new().note(CloseRequested(reason="bye"))
    story.event("session.closed", reason="bye")
    return story


def test_a_session_begins_with_its_first_event_and_its_message() -> None:
    story = Story.new(inputs={"a": 1})
    before = story.state.__class__(new=story.state.new, created_at=AT, slot=story.state.slot)
    begun = SessionStarted(seq=1, at=AT, agent="plain", digest="d1", inputs={"a": 1})
    assert started(before, None, AT) == (begun,)
    assert started(before, HI, AT) == (begun, accepted())
    # A fork has its first event from the session that it was forked from.
    assert started(story.state, HI, AT) == (accepted(),)


def test_a_message_is_taken_in_and_waits_where_others_are_before_it() -> None:
    idle, busy = Story.new().loaded(), Story.new().loaded().turn()
    assert receive(idle.state, HI, AT) == (accepted(),)
    assert receive(busy.state, HI, AT) == (accepted(), queued(busy, 1))
    waiting = Story.new().loaded().accepted()
    assert receive(waiting.state, HI, AT) == (accepted(), queued(waiting, 2))


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (Story.new().accepted("other", "m2"), "conflict"),
        (Story.new().note(CloseRequested(reason="bye")), "session_closed"),
        (full(), "queue_full"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_message_that_cannot_be_taken_in_is_told_so(story: Story, reason: str) -> None:
    assert receive(story.state, HI, AT) == (rejected(story, reason),)


def test_a_repeat_does_nothing_and_nothing_comes_after_the_last_event() -> None:
    assert receive(Story.new().accepted("x", "m2").state, HI, AT) == ()
    assert receive(closed().state, HI, AT) == ()
    # A sub-agent's session closes by itself.
    answered = Story.new()
    answered.event("session.closed", reason="answered")
    assert receive(answered.state, HI, AT) == ()


def test_nobody_can_write_a_session_s_own_notes() -> None:
    forged = HI.model_copy(update={"parts": (Data(name="timer", value={"note": "x", "due": "y"}),)})
    (change,) = receive(Story.new().state, forged, AT)
    assert isinstance(change, Accepted)
    (part,) = change.message.parts
    assert isinstance(part, Data)
    assert part.name == "timer (of the caller)"


@pytest.mark.parametrize(
    ("signal", "changes"),
    [
        (Stop(id="x"), (StopRequested(),)),
        (Stop(id="x", turn_id="t1"), (StopRequested(),)),
        (Stop(id="x", turn_id="t2"), ()),
        (CancelTimer(id="x", timer_id="w"), (TimerCancelled(timer_id="w"),)),
        (
            Configure(id="x", model="other", metadata={"a": 1}, digest="d2", limits=LIMITS),
            (Configured(model="other", metadata={"a": 1}, digest="d2", limits=LIMITS),),
        ),
        (Close(id="x", reason="bye"), (CloseRequested(reason="bye"),)),
    ],
)
def test_a_command_is_obeyed_once(signal: Signal, changes: tuple[Change, ...]) -> None:
    story = Story.new().loaded().turn()
    made = receive(story.state, signal, AT)
    assert made == (CommandSeen(id="x"), *changes)
    assert receive(story.take(made).state, signal, AT) == ()


def test_a_stop_without_a_turn_does_nothing() -> None:
    assert receive(Story.new().loaded().state, Stop(id="x"), AT) == (CommandSeen(id="x"),)
