"""Who asked for a call may not allow it, wherever the call is made: in the session, below it, or in a fork of it."""

from datetime import timedelta
from typing import Any

import pytest

from perdure.workflows.core.approvers import MOST_REQUESTERS, Requested, excluded
from perdure.workflows.core.calls.agents import run_session
from perdure.workflows.core.calls.call import Call, RunChild
from perdure.workflows.core.fork import past
from perdure.workflows.core.receive import receive, started
from perdure.workflows.core.state.session import SessionState, dump_state, new_state, read_state
from perdure.workflows.definition.tools.options import Approval
from perdure.workflows.protocol.activities import OpenedAgent
from perdure.workflows.protocol.signals import BEHAVIOR, NewSession, SendMessage
from perdure.workflows.vocabulary.parts import Text, ToolCall
from tests.support.core import AT, Story

pytestmark = pytest.mark.pure

FOUR_EYES = Approval.model_validate({"not_by": "requester"})
OPENED = OpenedAgent(inputs={}, parts=(Text(text="Pay."),), content_sha256="x", demo=True)


def asked(*subjects: str, **new: Any) -> Story:
    story = Story.new(**new).loaded()
    for number, subject in enumerate(subjects):
        message = SendMessage(
            message_id=f"a{number}", parts=(Text(text="pay"),), content_sha256="x", cursor=0, sender=subject
        )
        story.take(receive(story.state, message, AT))
    return story


def below(state: SessionState) -> SessionState:
    """The session of a sub-agent, as it is once it has begun."""
    call = Call(ToolCall(call_id="t1.s1.c1", name="payer", args={}))
    new = NewSession.model_validate_json(run_session(state, call, RunChild(OPENED, None)).new.model_dump_json())
    child = new_state(new, AT + timedelta(seconds=1))
    for change in started(child, new.message, AT):
        child = Story(child).take((change,)).state
    return child


def test_everybody_who_asked_a_session_is_excluded_in_all_sessions_below_it() -> None:
    state = asked("ann", "bob", user="carl").state
    for _ in range(3):
        state = below(state)
        assert excluded(state, FOUR_EYES) == ("carl", "ann", "bob")
        assert excluded(state, Approval()) == ()
    assert excluded(below(asked().state), FOUR_EYES) == ()


def test_who_is_asked_below_adds_to_those_above_and_no_more_are_kept_than_anywhere() -> None:
    crowd = tuple(f"u{number}" for number in range(MOST_REQUESTERS))
    child = Story(below(asked(*crowd).state)).note(Requested(subject="dan")).state
    assert excluded(child, FOUR_EYES) == (*crowd[1:], "dan")


def test_what_a_session_says_of_its_caller_is_as_it_was_where_nobody_asked() -> None:
    call = Call(ToolCall(call_id="t1.s1.c1", name="payer", args={}))
    nobody, ann = (run_session(asked(*who).state, call, RunChild(OPENED, None)).new for who in ((), ("ann",)))
    assert nobody.parent is not None
    assert "requesters" not in nobody.parent.model_dump()
    assert ann.parent is not None
    assert ann.parent.model_dump()["requesters"] == ("ann",)


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("user:42", "user:user:42"),
        ("key:abc", "user:key:abc"),
        ("session:q", "user:session:q"),
        ("local", "user:local"),
        ("carl", "carl"),
        ("keys", "keys"),
    ],
)
def test_the_user_is_excluded_under_the_name_by_which_they_answer(user: str, subject: str) -> None:
    story = asked(user=user, behavior=BEHAVIOR)
    assert excluded(story.state, FOUR_EYES) == excluded(below(story.state), FOUR_EYES) == (subject,)
    assert past(story.whole_turn().state, "t1", keep_turn=True).requesters == (subject,)


def test_sessions_of_older_behavior_go_on_as_they_began() -> None:
    assert excluded(asked("ann", user="user:42", behavior=2).state, FOUR_EYES) == ("user:42", "ann")


def test_a_fork_goes_on_with_words_of_those_who_asked_before_it() -> None:
    story = asked(user="carl").note(Requested(subject="key:1"), Requested(subject="ann"))
    story.whole_turn("pay", "whom?")
    fork = read_state(dump_state(past(story.state, "t1", keep_turn=True)))
    assert fork.requesters == ("carl", "key:1", "ann")
