"""Timers that an agent sets for itself: days pass on the virtual clock, and it does what it announced."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from perdure.temporal.app.testing.kit import Perdure, result
from perdure.workflows.core.session_tools import read_wake_up
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import AgentUpdated
from perdure.workflows.vocabulary.parts import ToolError
from tests.support.session_lab import message

pytestmark = pytest.mark.server

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("args", "due"),
    [
        ({"after": "3d"}, NOW + timedelta(days=3)),
        ({"after": "90m"}, NOW + timedelta(minutes=90)),
        ({"at": "2026-03-07T09:00:00+01:00"}, datetime(2026, 3, 7, 8, tzinfo=UTC)),
        ({"at": "2026-03-07T09:00"}, datetime(2026, 3, 7, 9, tzinfo=UTC)),
    ],
)
def test_when_it_wakes_up(args: dict[str, JsonValue], due: datetime) -> None:
    assert read_wake_up({**args, "note": "look"}, NOW) == (due, "look")


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2026-03-07T09:00", datetime(2026, 3, 7, 8, tzinfo=UTC)),
        ("2026-07-07T09:00", datetime(2026, 7, 7, 7, tzinfo=UTC)),
        ("2026-03-07T09:00:00Z", datetime(2026, 3, 7, 9, tzinfo=UTC)),
        ("2026-03-07", datetime(2026, 3, 6, 23, tzinfo=UTC)),
    ],
)
def test_a_time_without_an_offset_is_of_the_session_s_zone(at: str, due: datetime) -> None:
    assert read_wake_up({"at": at, "note": "look"}, NOW, "Europe/Berlin") == (due, "look")


def test_a_time_that_is_over_is_told_on_the_session_s_clock() -> None:
    error = read_wake_up({"at": "2026-03-06T12:30", "note": "look"}, NOW, "Europe/Berlin")
    assert isinstance(error, ToolError)
    assert error.message == ("at: 2026-03-06T12:30:00+01:00 is not in the future; now it is 2026-03-06T13:00:00+01:00")
    early = read_wake_up({"at": "0001-01-01T00:00", "note": "look"}, NOW, "America/New_York")
    assert isinstance(early, ToolError)


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ({"note": "x"}, "at, after: give exactly one"),
        ({"note": "x", "at": "2026-03-07", "after": "1d"}, "at, after: give exactly one"),
        ({"note": " ", "after": "1d"}, "note: is required"),
        ({"after": "1d"}, "note: is required"),
        ({"note": "x" * 3000, "after": "1d"}, "note: has 3000 characters"),
        ({"note": "x", "after": "soon"}, "after: a duration is a number and a unit"),
        ({"note": "x", "after": 3}, "after: a duration is a number and a unit"),
        ({"note": "x", "after": "99999999d"}, "after: is further away than any clock"),
        ({"note": "x", "after": "4000d"}, "after: is more than ten years away"),
        ({"note": "x", "at": "Friday"}, "at: is not an RFC 3339 time"),
        ({"note": "x", "at": 5}, "at: is an RFC 3339 time"),
        ({"note": "x", "at": "2026-03-06T12:00:00Z"}, "at: 2026-03-06T12:00:00+00:00 is not in the future"),
        ({"note": "x", "at": "9999-12-31T23:59:00-23:00"}, "at: is further away than any clock"),
        ({"note": "x", "after": "0s"}, "after: 2026-03-06T12:00:00+00:00 is not in the future"),
        ({"note": "x", "after": "1d", "when": 1}, "when: is not an argument"),
    ],
)
def test_what_is_wrong_is_named(args: dict[str, JsonValue], named: str) -> None:
    error = read_wake_up(args, NOW)
    assert isinstance(error, ToolError)
    assert error.type == "invalid_arguments"
    assert error.message.startswith(named), error.message


def wake(after: str, note: str) -> tuple[str, dict[str, Any]]:
    return "wake_me", {"after": after, "note": note}


async def test_it_wakes_up_on_time_and_only_once(perdure: Perdure) -> None:
    perdure.model.says("I will look on Friday.", calls=[wake("3d", "look at the parcel")])
    perdure.model.says("See you on Friday.")
    perdure.model.says("The parcel is there.")
    session = await perdure.session("assistant")
    assert (await session.say("Remind me of the parcel")).text == "See you on Friday."

    await perdure.later(days=2)
    assert "timer.fired" not in [event.type for event in await session.events()]
    await perdure.later(days=2)

    kinds = [event.type for event in await session.events()]
    assert kinds[kinds.index("timer.fired") :] == [
        "timer.fired",
        "turn.started",
        "message.added",
        "step.started",
        "step.finished",
        "turn.finished",
    ]
    assert "look at the parcel" in str(perdure.model.asked[-1])
    await perdure.later(days=30)
    assert [event.type for event in await session.events()] == kinds


async def test_it_is_told_which_clock_counted(perdure: Perdure) -> None:
    at = (await perdure.now() + timedelta(days=2)).strftime("%Y-%m-%dT09:00")
    perdure.model.says("", calls=[("wake_me", {"at": at, "note": "look"})])
    perdure.model.says("Set.")
    session = await perdure.session("assistant", metadata={"timezone": "Asia/Kolkata"})
    await session.say("Remind me at nine.")

    told = {"timer_id": "t1.s1.c1.timer", "at": f"{at}:00+05:30", "timezone": "Asia/Kolkata"}
    assert result("wake_me", told) in await session.transcript()
    assert "(time zone: Asia/Kolkata)" in perdure.model.asked[0].date


async def test_a_cancelled_timer_does_not_fire(perdure: Perdure) -> None:
    perdure.model.says("", calls=[wake("1d", "first"), wake("2d", "second")])
    perdure.model.says("Set.")
    perdure.model.says(
        "", calls=[("cancel_wake_up", {"timer_id": "t1.s1.c1.timer"}), ("cancel_wake_up", {"timer_id": "x"})]
    )
    perdure.model.says("Cancelled.")
    perdure.model.says("The second.")
    session = await perdure.session("assistant")
    await session.say("wake me twice")
    await session.say("not the first time")
    await perdure.later(days=3)

    fired = [event.timer_id for event in await session.events() if event.type == "timer.fired"]
    assert fired == ["t1.s1.c2.timer"]


async def test_it_wakes_up_as_its_agent_is_by_then(perdure: Perdure) -> None:
    """The session knows an older definition of its agent than the current one, as after an edit of the file."""
    perdure.model.says("", calls=[wake("3d", "look")])
    perdure.model.says("I will look.")
    perdure.model.says("Looked.")
    session = await perdure.session("support")
    other = (await perdure.session("assistant")).new.digest
    await session.handle.signal(SessionWorkflow.send_message, message("Look later.", "m1", digest=other))
    await session.turn("m1")
    await perdure.later(days=4)

    events = await session.events()
    kinds = [event.type for event in events]
    assert kinds[kinds.index("turn.finished") + 1 :][:3] == ["agent.updated", "timer.fired", "turn.started"]
    updated = [event for event in events if isinstance(event, AgentUpdated)][-1]
    assert (updated.old, updated.new) == (other, session.new.digest)
    assert "find_order" in str(perdure.model.asked[-1].tools) and "wake_me" not in perdure.model.asked[-1].tools
