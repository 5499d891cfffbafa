"""Rewinds, retries and undoing in real sessions, by the test kit: kills, another worker, further runs."""

import asyncio
from typing import Any

import pytest

from perdure.temporal.app.testing.kit import Perdure, assistant, call, result, user
from perdure.temporal.sessions.errors import (
    BranchNotFound,
    IdConflict,
    InvalidRequest,
    MessageNotFound,
    NothingToRetry,
    NotRewindable,
    OtherBranch,
    RewindOpen,
    SessionError,
)
from perdure.temporal.sessions.requests import RetryTurn, RewindSession

pytestmark = pytest.mark.server

PAY: Any = ("pay", {"amount": 150})


def rewound(events: Any) -> list[Any]:
    return [event for event in events if event.type == "transcript.rewound"]


async def test_an_edited_message_an_answer_anew_and_the_way_back(perdure: Perdure) -> None:
    perdure.model.says("1")
    perdure.model.says("2")
    perdure.model.says("II")
    session = await perdure.session("payer", continue_as_new_after=20)
    await session.say("one")
    await session.say("two")

    assert (await session.rewind(text="zwei")).text == "II"
    assert await session.transcript() == [user("one"), assistant("1"), user("zwei"), assistant("II")]
    assert perdure.model.asked[-1].transcript == [user("one"), assistant("1"), user("zwei")]

    perdure.model.says("zwei!")
    assert (await session.rewind("t3.s1")).text == "zwei!"
    await session.back("b1")
    perdure.model.says("3")
    assert (await session.say("three")).text == "3"
    assert await session.transcript() == [
        user("one"),
        assistant("1"),
        user("two"),
        assistant("2"),
        user("three"),
        assistant("3"),
    ]
    page = await session.branches()
    assert [(line.branch, line.messages) for line in page.branches] == [("b1", 6), ("b2", 4), ("b3", 4)]
    assert len(await session.runs()) > 1


async def test_by_default_a_rewind_goes_back_to_the_last_message_of_its_own_branch(perdure: Perdure) -> None:
    for answer in ("1", "I", "l"):
        perdure.model.says(answer)
    session = await perdure.session("payer")
    await session.say("one")
    await session.rewind(text="eins")
    await session.back("b1")

    await session.rewind(text="uno")

    assert await session.transcript() == [user("uno"), assistant("l")]


async def test_calls_are_taken_back_each_once_though_the_worker_dies_in_the_middle(perdure: Perdure) -> None:
    taken_back = perdure.tool("take_back", returns="ok")
    perdure.model.says("", calls=[PAY, ("post", {"to": "Ada"})])
    perdure.model.says("", calls=[("pay", {"amount": 20})])
    perdure.model.says("Paid.")
    perdure.model.says("Nothing is paid.")
    session = await perdure.session("payer")
    await session.say("pay")

    turn = await session.rewind(text="do not pay")
    assert turn.waiting
    assert turn.questions[0].prompt == (
        "Going back takes back: pay by take_back; pay by take_back. It does not take back: post: It cannot be taken back. "
        "Go back?"
    )
    await perdure.later(days=3)
    perdure.kill_worker(at="tool.started", tool="take_back")
    turn = await session.approve("rewind", by="ada")

    assert turn.text == "Nothing is paid."
    assert taken_back.calls == [{"payment_id": "P-20"}, {"payment_id": "P-150"}]
    finished = [event for event in await session.events() if event.type == "tool.finished"][-2:]
    assert [(event.call_id, event.undoes) for event in finished] == [
        ("t1.s2.c1.undo", "t1.s2.c1"),
        ("t1.s1.c1.undo", "t1.s1.c1"),
    ]
    (event,) = rewound(await session.events())
    assert [one.call_id for one in event.undone] == ["t1.s2.c1", "t1.s1.c1"]
    # The model is told what still stands.
    assert "post" in repr(perdure.model.asked[-1].transcript[0])


async def test_a_denied_rewind_leaves_all_as_it_was(perdure: Perdure) -> None:
    taken_back = perdure.tool("take_back", returns="ok")
    perdure.model.says("", calls=[PAY])
    perdure.model.says("Paid.")
    session = await perdure.session("payer")
    await session.say("pay")
    before = await session.transcript()
    opened = session._opened

    assert (await session.rewind(text="do not pay")).waiting
    with pytest.raises(RewindOpen):
        await opened.rewind(RewindSession(branch="b1"))
    turn = await session.deny("rewind", reason="It has to be paid.")

    assert (turn.reason, taken_back.calls) == ("done", [])
    assert await session.transcript() == before
    assert rewound(await session.events()) == []


async def test_a_failed_turn_is_run_on_and_calls_keep_their_results(perdure: Perdure) -> None:
    added = perdure.tool("add", returns=3)
    perdure.model.says("", calls=[("add", {"a": 1, "b": 2})])
    perdure.model.fails(401)
    perdure.model.says("Three.")
    session = await perdure.session("payer")
    assert (await session.say("1 + 2?")).reason == "failed"

    turn = await session.retry()

    assert (turn.text, len(added.calls)) == ("Three.", 1)
    assert await session.transcript() == [
        user("1 + 2?"),
        assistant(call("add", a=1, b=2)),
        result("add", 3),
        assistant("Three."),
    ]
    with pytest.raises(NothingToRetry, match="t2 ended well"):
        await session.retry()


async def test_a_turn_that_streams_is_stopped_first(perdure: Perdure) -> None:
    gate = asyncio.Event()
    perdure.model.says("one two three", gate=gate)
    perdure.model.says("uno")
    session = await perdure.session("payer")
    message = await session.send("count")
    await session.streamed("one")

    turn = await session.rewind(message, "conta")

    assert turn.text == "uno"
    assert await session.transcript() == [user("conta"), assistant("uno")]
    gate.set()


async def test_what_cannot_be_is_refused_with_words(perdure: Perdure) -> None:
    perdure.model.says("", calls=[("add", {"a": 1, "b": 2})])
    perdure.model.says("Three.")
    perdure.model.says("Drei.")
    session = await perdure.session("payer")
    await session.say("1 + 2?")
    opened = session._opened

    refused: list[tuple[Any, type[SessionError], str]] = [
        (RewindSession(message_id="nobody"), MessageNotFound, "no such message"),
        (RewindSession(message_id="t1.s1.c1"), NotRewindable, "is the result of a tool"),
        (RewindSession(message_id="t1.s2", text="x"), InvalidRequest, "only counts for a message of a user"),
        (RewindSession(branch="b7"), BranchNotFound, "no such branch"),
        (RewindSession(branch="b1"), NotRewindable, "b1 is the branch that goes on already"),
        (RewindSession(message_id="t1.s2", model="huge"), InvalidRequest, "its models are: main, other"),
        (RetryTurn(turn_id="t1"), NothingToRetry, "t1 ended well"),
        (RetryTurn(turn_id="t9"), NothingToRetry, "Only the last turn can be run on, and that is t1"),
    ]
    for wanted, kind, words in refused:
        with pytest.raises(kind, match=words):
            await (opened.retry(wanted) if isinstance(wanted, RetryTurn) else opened.rewind(wanted))

    first = RewindSession(message_id="t1.s2", rewind_id="r1")
    taken = await opened.rewind(first)
    assert await opened.rewind(first) == taken
    with pytest.raises(IdConflict):
        await opened.rewind(RewindSession(message_id="t1.s1", rewind_id="r1"))
    await session.until("turn.finished", 2)
    with pytest.raises(OtherBranch, match="on the branch b1"):
        await opened.rewind(RewindSession(message_id="t1.s2"))
    assert len((await session.branches()).branches) == 2


async def test_a_cut_deep_in_what_is_sealed(perdure: Perdure) -> None:
    taken_back = perdure.tool("take_back", returns="ok")
    perdure.model.says("Hello.")
    perdure.model.says("", calls=[PAY])
    perdure.model.says("Paid.")
    session = await perdure.session("payer")
    await session.say("hello")
    paid = await session.send("pay")
    await session.turn(paid)
    for number in range(6):
        perdure.model.says(f"{number} " * 5_000)
        await session.say(f"tell {number}")
    held = await session.snapshot()
    assert held.sealed
    assert held.start > 4

    perdure.model.says("Not paid.")
    turn = await session.rewind(paid, "do not pay", undo=True)

    assert turn.text == "Not paid."
    assert taken_back.calls == [{"payment_id": "P-150"}]
    said = perdure.model.asked[-1].transcript
    assert [said[0], said[1], said[3]] == [user("hello"), assistant("Hello."), user("do not pay")]
    (event,) = rewound(await session.events())
    assert (event.kept, event.message_id, [one.call_id for one in event.undone]) == (2, paid, ["t2.s1.c1"])

    await session.back("b1")
    perdure.model.says("Still here.")
    assert (await session.say("are you there?")).text == "Still here."
    said = perdure.model.asked[-1].transcript
    assert [said[0], said[2], said[-1]] == [user("hello"), user("pay"), user("are you there?")]
    # What was paid on this branch was given back on the other.
    assert "These calls above have been taken back since, and stand no more: pay (t2.s1.c1)" in repr(said[-2])
    page = await session.branches()
    assert [(line.branch, line.messages) for line in page.branches] == [("b1", 21), ("b2", 5)]


async def test_a_note_that_is_sealed_stays_the_sessions_own_when_it_is_said_again(perdure: Perdure) -> None:
    perdure.model.says("", calls=[("wake_me", {"after": "1d", "note": "look"})])
    perdure.model.says("I will.")
    perdure.model.says("Looked.")
    session = await perdure.session("assistant")
    await session.say("Remind me.")
    await perdure.later(days=2)
    (note,) = [event.message for event in await session.events() if event.type == "message.added" and event.message.own]
    for number in range(6):
        perdure.model.says(f"{number} " * 5_000)
        await session.say(f"tell {number}")
    held = await session.snapshot()
    assert held.start > 5

    perdure.model.says("Looked again.")
    assert (await session.rewind(note.id)).text == "Looked again."

    again = [event.message for event in await session.events() if event.type == "message.added"][-1]
    assert (again.id, again.parts, again.own) == (note.id, note.parts, True)
