"""Rewinds over the pure core: a conversation goes on from any of its messages, and earlier branches stay."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import JsonValue

from perdure.workflows.core.binding import Allowed
from perdure.workflows.core.fork import past
from perdure.workflows.core.outcomes import ToolEnded
from perdure.workflows.core.rewinds.plan import MOST_STANDING
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.protocol.signals import Close
from perdure.workflows.vocabulary.parts import Text, ToolError
from perdure.workflows.vocabulary.questions import Binding
from perdure.workflows.vocabulary.rewinds import TranscriptRewound
from tests.support.core import AT
from tests.support.rewinding import Talk

pytestmark = pytest.mark.pure


def talk(*turns: tuple[str, str]) -> Talk:
    made = Talk()
    for number, (said, answered) in enumerate(turns, 1):
        made.say(said, f"m{number}")
        made.answers(answered)
    return made


def rewound(made: Talk) -> list[TranscriptRewound]:
    return [event for event in made.events if isinstance(event, TranscriptRewound)]


def texts(made: Talk) -> list[str]:
    return [part.text for message in made.messages() for part in message.parts if isinstance(part, Text)]


def test_a_message_that_is_edited_begins_a_branch() -> None:
    made = talk(("one", "1"), ("two", "2"), ("three", "3"))
    after = made.state.log.seq

    command = made.rewind("m2", "zwei")
    made.answers("II")

    assert texts(made) == ["one", "1", "zwei", "II"]
    assert made.ids() == ["m1", "t1.s1", command, "t4.s1"]
    assert made.kinds(after) == [
        "transcript.rewound",
        "turn.started",
        "message.added",
        "step.started",
        "step.finished",
        "turn.finished",
    ]
    (event,) = rewound(made)
    assert event.model_dump(
        include={"message_id", "branch", "left", "kept", "cause", "turn_id", "undone", "stands"}
    ) == {
        "message_id": "m2",
        "branch": "b2",
        "left": "b1",
        "kept": 2,
        "cause": "rewind",
        "turn_id": None,
    }
    assert [message.id for message in made.seen["t4.s1"]] == ["m1", "t1.s1", command]


def test_a_users_message_without_a_text_is_said_once_more_under_its_id() -> None:
    made = talk(("one", "1"), ("two", "2"))

    made.rewind("m2")
    made.answers("II")

    assert (made.ids(), texts(made)) == (["m1", "t1.s1", "m2", "t3.s1"], ["one", "1", "two", "II"])
    assert made.messages()[2].turn_id == "t3"


def test_an_answer_is_given_anew_without_a_message() -> None:
    made = Talk()
    made.say("add", "m1")
    made.answers("", (("add", {"a": 1}),))
    made.answers("One.")
    after = made.state.log.seq

    made.rewind("t1.s2")
    made.answers("1")

    assert made.ids() == ["m1", "t1.s1", "t1.s1.c1", "t2.s1"]
    assert made.kinds(after) == ["transcript.rewound", "turn.started", "step.started", "step.finished", "turn.finished"]
    assert [event.continues for event in made.events if event.type == "turn.started"] == [None, "t1"]
    assert [name for name, *_ in made.ran] == ["add"]


def test_a_turn_that_runs_is_stopped_first_and_messages_go_on_waiting() -> None:
    made = talk(("one", "1"))
    made.say("two", "m2")
    made.say("three", "m3")
    assert made.asks()

    command = made.rewind("m1", "eins")

    assert made.ids() == [command]
    assert [message.id for message in made.state.inbox.messages] == ["m3"]
    made.answers("I")
    assert made.ids() == [command, "t3.s1", "m3"]
    left = made.branches(branch="b1")
    assert (left.count, [line.messages for line in left.branches]) == (4, [4, 3])


def test_an_earlier_branch_is_gone_back_to_and_goes_on() -> None:
    made = talk(("one", "1"), ("two", "2"))
    made.rewind("m2", "zwei")
    made.answers("II")

    made.back("b1")

    assert texts(made) == ["one", "1", "two", "2"]
    assert (rewound(made)[-1].branch, rewound(made)[-1].cause, rewound(made)[-1].kept) == ("b1", "back", 2)
    made.say("three", "m3")
    assert [message.id for message in made.seen["t4.s1"]] == ["m1", "t1.s1", "m2", "t2.s1", "m3"]
    made.answers("3")
    made.back("b2")
    assert texts(made) == ["one", "1", "zwei", "II"]
    made.back("b1")
    assert texts(made) == ["one", "1", "two", "2", "three", "3"]
    assert [(line.branch, line.messages) for line in made.branches().branches] == [("b1", 6), ("b2", 4)]


def test_a_branch_is_gone_back_to_that_parts_where_nothing_was_said_any_more() -> None:
    talk = Talk()
    talk.say("one", "m1")
    step = talk.answers("answer")
    for _ in range(2):
        talk.rewind(step)
        talk.fails()
        if talk.state.branches.current == "b2":
            talk.back("b1")
    talk.back("b2")
    assert talk.ids() == ["m1"]
    talk.back("b3")
    assert talk.ids() == ["m1"]
    talk.back("b1")
    assert talk.ids() == ["m1", step]


def test_the_places_where_branches_part_have_their_siblings_in_order() -> None:
    made = talk(("one", "1"), ("two", "2"))
    made.rewind("m2", "zwei")
    made.answers("II")
    made.rewind("t3.s1")
    made.answers("Zwei!")
    made.rewind("m1")
    made.answers("eins")

    # The first message is the same, so the branches part at its answer.
    assert [place.model_dump() for place in made.branches().places] == [
        {"position": 1, "message_id": "t5.s1", "siblings": ("b3", "b4"), "current": 1}
    ]
    made.back("b3")
    assert [place.model_dump() for place in made.branches().places] == [
        {"position": 1, "message_id": "t1.s1", "siblings": ("b3", "b4"), "current": 0},
        {"position": 2, "message_id": "x1", "siblings": ("b1", "b3"), "current": 1},
        {"position": 3, "message_id": "t4.s1", "siblings": ("b2", "b3"), "current": 1},
    ]


def test_a_command_that_does_not_fit_changes_nothing() -> None:
    made = talk(("one", "1"))
    before = made.state.log.seq

    made.back("b1")
    made.back("b9")
    command = made.retry()

    assert made.state.log.seq == before
    assert made.branches(command_id=command).taken is None
    assert made.branches().branches[0].messages == 2


def test_a_failed_turn_is_run_on_without_a_second_message() -> None:
    made = Talk()
    made.say("add", "m1")
    made.answers("", (("add", {"a": 1}),))
    made.fails()
    after = made.state.log.seq

    command = made.retry()
    made.answers("One.")

    assert made.ids() == ["m1", "t1.s1", "t1.s1.c1", "t2.s1"]
    assert made.kinds(after) == ["turn.started", "step.started", "step.finished", "turn.finished"]
    assert [name for name, *_ in made.ran] == ["add"]
    taken = made.branches(command_id=command).taken
    assert taken is not None
    assert (taken.branch, taken.turn_id) == ("b1", "t2")
    assert made.branches().retried is None


def test_the_partial_answer_of_a_stopped_turn_makes_room_for_the_next() -> None:
    made = talk(("one", "1"))
    made.say("two", "m2")
    made.stop()
    assert texts(made) == ["one", "1", "two", "par"]
    assert made.branches().retried == "t2"

    made.retry()
    made.answers("2")

    assert texts(made) == ["one", "1", "two", "2"]
    assert [(event.message_id, event.cause) for event in rewound(made)] == [("t2.s1", "retry")]
    assert [message.id for message in made.seen["t3.s1"]] == ["m1", "t1.s1", "m2"]


def test_what_a_provider_declined_is_shown_again_to_whoever_is_asked_once_more() -> None:
    made = Talk()
    made.say("one", "m1")
    made.answers("No.", stop="refusal")

    made.retry()
    assert [message.id for message in made.seen["t2.s1"]] == ["m1"]
    made.answers("No!", stop="refusal")
    made.say("two", "m2")

    assert [message.id for message in made.seen["t3.s1"]] == ["m2"]


PAY: tuple[str, dict[str, JsonValue]] = ("pay", {"amount": 150})


def paid(**options: bool) -> Talk:
    """Rewound to before a payment, another one, and a mail that cannot be taken back."""
    made = talk(("hello", "hi"))
    made.say("pay", "m2")
    made.answers("", (PAY, ("look", {"at": "it"})))
    made.answers("", (("pay", {"amount": 20}), ("send", {"to": "Ada"})))
    made.answers("Paid.")
    made.rewind("m2", "do not pay", **options)
    return made


def test_a_person_is_asked_before_calls_are_taken_back() -> None:
    made = paid()

    (question,) = made.state.questions.open
    assert (question.kind, question.subject, question.call_id, question.name) == ("approval", "rewind", "b2", "rewind")
    assert question.args == {
        "message_id": "m2",
        "undo": [
            {"call_id": "t2.s2.c1", "name": "pay", "args": {"amount": 20}, "by": "refund"},
            {"call_id": "t2.s1.c1", "name": "pay", "args": {"amount": 150}, "by": "refund"},
        ],
        "stands": [{"call_id": "t2.s2.c2", "name": "send", "args": {"to": "Ada"}, "why": "It cannot be taken back."}],
    }
    assert question.prompt == (
        "Going back takes back: pay by refund; pay by refund. It does not take back: send: It cannot be taken back. Go back?"
    )
    assert made.state.status == "waiting"
    assert texts(made)[-1] == "Paid."


def test_calls_are_taken_back_in_reverse_and_the_model_is_told_what_stands() -> None:
    made = paid()
    after = made.state.log.seq

    made.answer(True)
    made.answers("Nothing was paid.")

    assert made.ran[-2:] == [
        ("refund", "t2.s2.c1.undo", {"payment_id": "P-1", "amount": 20}),
        ("refund", "t2.s1.c1.undo", {"payment_id": "P-1", "amount": 150}),
    ]
    assert made.kinds(after) == [
        "approval.resolved",
        "tool.started",
        "tool.finished",
        "tool.started",
        "tool.finished",
        "turn.finished",
        "transcript.rewound",
        "turn.started",
        "message.added",
        "message.added",
        "step.started",
        "step.finished",
        "turn.finished",
    ]
    started = [event for event in made.events if event.type == "tool.started"][-2:]
    assert [event.undoes for event in started] == ["t2.s2.c1", "t2.s1.c1"]
    (event,) = rewound(made)
    assert [one.call_id for one in event.undone] == ["t2.s2.c1", "t2.s1.c1"]
    assert sorted(made.branches(command_id="").undone) == ["t2.s1.c1", "t2.s2.c1"]
    assert [(one.call_id, one.why) for one in event.stands] == [("t2.s2.c2", "It cannot be taken back.")]
    note = made.messages()[2]
    assert (note.own, note.role) == (True, "user")
    assert note.is_note(note.parts[0])
    (value,) = [part.value for part in note.parts if part.type == "data"]
    assert isinstance(value, dict)
    assert value["note"] == (
        "The conversation was taken back to this point. These calls were made and have been taken back: pay (t2.s2.c1), by "
        "refund; pay (t2.s1.c1), by refund. These calls were made in the part that you no longer see, and what they did may "
        'still stand: send with {"to":"Ada"}: It cannot be taken back.'
    )
    assert made.ids()[2:] == [note.id, "x1", "t4.s1"]


def test_nothing_is_rewound_where_a_person_does_not_agree() -> None:
    made = paid()
    before = made.ids()

    made.answer(False)

    assert made.ids() == before
    assert made.kinds()[-3:] == ["approval.resolved", "message.rejected", "turn.finished"]
    assert ("refund" in [name for name, *_ in made.ran], made.state.status) == (False, "idle")
    assert made.branches().rewinding is None
    made.say("and now?", "m3")
    assert [message.id for message in made.seen["t4.s1"]] == [*before, "m3"]


def test_nobody_is_asked_where_whoever_rewinds_has_said_what_shall_be() -> None:
    taken_back = paid(undo=True)
    assert [name for name, *_ in taken_back.ran].count("refund") == 2
    assert "approval.requested" not in taken_back.kinds()

    left = paid(undo=False)
    assert [name for name, *_ in left.ran].count("refund") == 0
    (event,) = rewound(left)
    assert [(one.call_id, one.why) for one in event.stands] == [
        ("t2.s2.c2", "It cannot be taken back."),
        ("t2.s1.c1", "Whoever rewound the conversation wanted it to stand."),
        ("t2.s2.c1", "Whoever rewound the conversation wanted it to stand."),
    ]


def test_what_fails_to_be_taken_back_is_said_and_can_be_tried_again() -> None:
    broken = {"refund"}

    def returns(name: str, args: dict[str, JsonValue]) -> JsonValue | ToolError:
        if name in broken:
            return ToolError(type="closed", message="The till is closed.")
        return {"payment_id": "P-1"} if name == "pay" else "ok"

    made = Talk(returns)
    made.say("pay", "m1")
    made.answers("", (PAY,))
    made.answers("Paid.")
    made.rewind("m1", "no", undo=True)
    made.answers("It is paid all the same.")

    (event,) = rewound(made)
    assert (event.undone, [one.why for one in event.stands]) == (
        (),
        ["refund failed to take it back (closed): The till is closed."],
    )
    broken.clear()
    made.back("b1", undo=True)
    made.rewind("m1", "no!", undo=True)
    made.answers("Nothing was paid.")
    assert [key for name, key, _ in made.ran if name == "refund"] == ["t1.s1.c1.undo", "t1.s1.c1.undo2"]
    made.back("b1", undo=True)
    made.rewind("m1", "no?", undo=True)
    assert [name for name, *_ in made.ran].count("refund") == 2


def test_a_stop_ends_the_taking_back_and_the_model_is_told_what_was() -> None:
    made = paid()
    made.holds.add("refund")
    made.answer(True)
    made.holds.clear()
    # The first one ends, and the turn is stopped before the second.
    key = next(iter(made.open))
    made.driver.settle(ToolEnded(key, ToolOutput(output="ok")))
    made.stop()

    assert [event.reason for event in made.events if event.type == "turn.finished"][-1] == "stopped"
    assert rewound(made) == []
    assert made.messages()[-1].own
    assert made.state.rewinding is None


def test_a_timer_that_was_set_stands_and_is_told() -> None:
    made = Talk()
    made.say("remind me", "m1")
    made.answers("", (("wake_me", {"after": "3d", "note": "look"}),))
    made.answers("I will.")
    made.rewind("m1")

    (event,) = rewound(made)
    assert [one.why for one in event.stands] == ["The timer t1.s1.c1.timer is still set."]
    assert [message.own for message in made.messages()] == [True, False]


@pytest.mark.parametrize("undo", [None, False])
def test_many_calls_that_stand_are_counted_by_tool(undo: bool | None) -> None:
    made = talk(("hello", "Hello."))
    made.say("work", "m2")
    for _ in range(2):
        made.answers("", tuple(("add", {"n": number}) for number in range(40)))
    made.answers("", (("pay", {"amount": 1}), ("send", {"to": "Ada"})))
    made.answers("Done.")

    made.rewind("m2", "do not", undo=undo, more={"add": 1_000, "send": 2, "look": 5, "wake_me": 7, "unknown": 1})
    if undo is None:
        (question,) = made.state.questions.open
        assert question.args is not None
        assert question.args["more"] == 10 + 31 + 1_002
        assert "and further calls: 1030 of add, 3 of send. Go back?" in str(question.prompt)
        made.answer(True)

    (event,) = rewound(made)
    assert len(event.stands) == MOST_STANDING
    assert event.stands_more == {"add": 1_030, "send": 3} | ({"pay": 1} if undo is False else {})
    note = next(message for message in made.messages() if message.own)
    assert "and further calls: 1030 of add, 3 of send" in repr(note)
    assert len(str(event)) < 10_000


def test_what_was_allowed_after_the_place_is_asked_again() -> None:
    made = Talk()
    made.say("one", "m1")
    made.answers("1")
    allowed = tuple(
        Allowed(name="pay", bound=Binding(spec="", policy=""), args_sha256=str(number), at=at)
        for number, at in enumerate((AT, None, made.time))
    )
    made.driver.state = replace(made.state, questions=replace(made.state.questions, allowed=allowed))

    made.rewind("m1")

    assert [one.args_sha256 for one in made.state.questions.allowed] == ["0"]


def test_a_session_that_closes_drops_the_rewind_and_rejects_its_message() -> None:
    made = paid()

    made.driver.receive(Close(id="bye", reason="bye"))
    made.advance()

    assert made.state.closed
    assert made.kinds()[-3:] == ["message.rejected", "turn.finished", "session.closed"]
    assert made.kinds().count("message.rejected") == 1


def test_a_fork_is_not_told_of_the_day_on_which_a_message_was_said_once_more_later() -> None:
    made = talk(("one", "1"), ("two", "2"))
    made.time += timedelta(days=3)
    made.rewind("m2")
    made.answers("II")
    assert "m2" in made.state.dates.later

    found = past(made.state, "t2", True).dates

    assert not found.later
    assert found.known == found.first


def test_a_branch_is_told_the_day_that_only_another_one_was_told() -> None:
    made = Talk()
    made.say("one", "m1")
    # The answer comes after midnight.
    made.time += timedelta(days=1)
    made.answers("1")
    made.say("two", "m2")
    assert list(made.state.dates.later) == ["m2"]
    made.answers("2")

    made.rewind("m2", "zwei")

    assert list(made.state.dates.later) == ["m2", "x1"]
    assert [message.id for message in made.seen["t3.s1"]] == ["m1", "t1.s1", "x1.day", "x1"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_fork_has_the_branch_that_went_on_then(keep: bool) -> None:
    made = talk(("one", "1"), ("two", "2"))
    made.rewind("m2", "zwei")
    made.answers("II")
    made.back("b1")
    made.say("three", "m3")
    made.answers("3")

    found = {turn: past(made.state, turn, keep) for turn in ("t2", "t3", "t4")}

    said = {
        turn: [message.id for message in one.transcript.on(one.transcript.path, 0, one.transcript.count)]
        for turn, one in found.items()
    }
    assert (
        said
        == {
            True: {
                "t2": ["m1", "t1.s1", "m2", "t2.s1"],
                "t3": ["m1", "t1.s1", "x1", "t3.s1"],
                "t4": ["m1", "t1.s1", "m2", "t2.s1", "m3", "t4.s1"],
            },
            False: {
                "t2": ["m1", "t1.s1"],
                "t3": ["m1", "t1.s1"],
                "t4": ["m1", "t1.s1", "m2", "t2.s1"],
            },
        }[keep]
    )
    assert [one.branches.current for one in found.values()] == ["b1", "b2", "b1"]


def test_a_message_that_steers_settles_the_question_of_a_rewind() -> None:
    made = paid()

    made.say("wait", "m9", busy="steer")

    assert made.state.questions.open == ()
    assert rewound(made) == []
    resolved = [event for event in made.events if event.type == "approval.resolved"]
    assert [(event.approved, event.reason) for event in resolved] == [(False, "superseded")]
    assert made.ids()[-1] == "m9"


def test_a_branch_that_is_gone_back_to_is_told_once_what_was_taken_back_since() -> None:
    made = paid(undo=True)
    made.answers("Nothing was paid.")

    made.back("b1")

    (event,) = [one for one in rewound(made) if one.cause == "back"]
    assert [one.call_id for one in event.undone_since] == ["t2.s2.c1", "t2.s1.c1"]
    note = made.messages()[-1]
    assert note.own
    assert "stand no more: pay (t2.s2.c1), by refund; pay (t2.s1.c1), by refund." in str(note.parts)
    made.back("b2")
    made.back("b1")
    assert made.messages()[-1] == note
