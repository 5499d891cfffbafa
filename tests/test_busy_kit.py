"""Messages that come while a session works, in the test kit: replayed, over days, and over the death of a worker."""

import asyncio

import pytest

from perdure.temporal.app.testing.kit import Perdure, Session, assistant, call, failure, result, user
from perdure.temporal.sessions.errors import MessageNotFound, MessageNotQueued, MessageWithdrawn
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import Event

pytestmark = pytest.mark.server


def reasons(events: list[Event]) -> list[str]:
    """How the turns ended."""
    return [event.reason for event in events if event.type == "turn.finished"]


async def streaming(perdure: Perdure, text: str = "Once upon a time") -> Session:
    perdure.model.hangs(text)
    session = await perdure.session("desk")
    await session.send("a story")
    await session.streamed(text)
    return session


async def test_a_steer_during_a_tool(perdure: Perdure) -> None:
    """It is told after the results of both calls, and several keep their order."""
    gate = asyncio.Event()

    async def add(a: int, b: int) -> int:
        if a == 2:
            await gate.wait()
        return a + b

    perdure.tool("add", add)
    perdure.model.says(calls=[("add", {"a": 1, "b": 1}), ("add", {"a": 2, "b": 2})])
    perdure.model.says("Two and four, and I mind the rest.")
    session = await perdure.session("desk")
    await session.send("add")
    await session.until("tool.finished")
    first = await session.steer("also this")
    await session.steer("and that")
    assert list((await session.queued()).values()) == ["also this", "and that"]
    gate.set()

    turn = await session.turn(first)

    assert (turn.reason, turn.text) == ("done", "Two and four, and I mind the rest.")
    assert await session.transcript() == [
        user("add"),
        assistant(call("add", a=1, b=1), call("add", a=2, b=2)),
        result("add", 2),
        result("add", 4),
        user("also this"),
        user("and that"),
        assistant("Two and four, and I mind the rest."),
    ]
    assert [event.turn_id for event in await session.events() if event.type == "message.added"] == ["t1"] * 3


async def test_an_interrupt_in_the_middle_of_an_answer_and_the_worker_dies(perdure: Perdure) -> None:
    session = await streaming(perdure)
    perdure.model.says("Another one, then.")
    perdure.model.says("And thanks to you.")
    thanks = await session.send("thanks")

    message = await session.send("no, another one", busy="interrupt")
    await perdure.restart_worker()

    assert (await session.turn(message)).text == "Another one, then."
    assert (await session.turn(thanks)).text == "And thanks to you."
    assert reasons(await session.events()) == ["interrupted", "done", "done"]
    said = [line for line in await session.transcript() if line != assistant("Once upon a time", stopped=True)]
    assert said == [
        user("a story"),
        user("no, another one"),
        assistant("Another one, then."),
        user("thanks"),
        assistant("And thanks to you."),
    ]


async def test_the_partial_answer_of_an_interrupted_turn_is_kept(perdure: Perdure) -> None:
    session = await streaming(perdure)
    perdure.model.says("Another one, then.")

    turn = await session.interrupt("no, another one")

    assert turn.text == "Another one, then."
    assert (await session.transcript())[:3] == [
        user("a story"),
        assistant("Once upon a time", stopped=True),
        user("no, another one"),
    ]


@pytest.mark.parametrize("busy", ["steer", "interrupt"])
async def test_an_approval_is_superseded(perdure: Perdure, busy: Busy) -> None:
    book = perdure.tool("book", returns="booked")
    perdure.model.says("Let me book.", calls=[("book", {"size": 3})])
    perdure.model.says("The other account, then.")
    session = await perdure.session("desk")
    assert (await session.say("book three")).waiting
    await perdure.later(days=6)

    message = await session.send("wait, the other account", busy=busy)
    turn = await session.turn(message)

    assert (turn.reason, turn.text, book.calls) == ("done", "The other account, then.", [])
    (resolved,) = [event for event in await session.events() if event.type == "approval.resolved"]
    assert (resolved.approved, resolved.reason) == (False, "superseded")
    assert await session.transcript() == [
        user("book three"),
        assistant("Let me book.", call("book", size=3)),
        failure("book", "denied"),
        user("wait, the other account"),
        assistant("The other account, then."),
    ]
    assert await session.questions() == ()
    ends = reasons(await session.events())
    assert ends == (["done"] if busy == "steer" else ["interrupted", "done"])


async def test_what_waits_is_seen_edited_and_withdrawn(perdure: Perdure) -> None:
    session = await streaming(perdure)
    perdure.model.says("Here it is.")
    first, second = await session.send("one"), await session.send("two")
    await session.edit(second, "two, please")
    await session.withdraw(first)
    assert await session.queued() == {second: "two, please"}
    for change, error in (
        (session.withdraw(second + "x"), MessageNotFound),
        (session.edit(first, "one"), MessageWithdrawn),
    ):
        with pytest.raises(error):
            await change

    await session.stop()

    assert (await session.turn(second)).text == "Here it is."
    assert (await session.transcript())[2:] == [user("two, please"), assistant("Here it is.")]
    with pytest.raises(MessageNotQueued):
        await session.withdraw(second)


async def test_a_session_that_rests_for_long_closes_itself(perdure: Perdure) -> None:
    """Counted from what happened last, also in a run that came later, and on a worker that did."""
    session = await perdure.session("desk", continue_as_new_after=20)
    for number in range(3):
        perdure.model.says(f"{number}")
        await session.say("hi")
        await perdure.later(days=80)
    await perdure.restart_worker()
    assert "session.closed" not in [event.type for event in await session.events()]

    await perdure.later(days=11)

    (closed,) = [event for event in await session.events() if event.type == "session.closed"]
    assert closed.reason == "idle_timeout"
    assert len(await session.runs()) > 1


async def test_a_session_that_waits_does_not_rest(perdure: Perdure) -> None:
    perdure.tool("book", returns="booked")
    perdure.model.says(calls=[("wake_me", {"after": "200d", "note": "look"})])
    perdure.model.says("I will look.")
    perdure.model.says(calls=[("book", {"size": 3})])
    session = await perdure.session("desk")
    await session.say("look in half a year")
    # Its timer keeps it open; then the question does.
    await perdure.later(days=201)
    assert (await session.turn()).waiting
    await perdure.later(days=200)
    assert "session.closed" not in [event.type for event in await session.events()]
    perdure.model.says("Booked.")
    await session.approve()
    await perdure.later(days=91)
    assert (await session.events())[-1].type == "session.closed"
