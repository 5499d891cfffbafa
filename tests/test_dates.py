"""The date and the time zone of a session, in its prompts. Pure."""

from datetime import UTC, datetime
from typing import Any

import pytest

from perdure.workflows.core.actions import CallModel
from perdure.workflows.core.dates import from_local, local
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.step import opened_step
from perdure.workflows.protocol.steps import Prompt, StepRecord
from tests.support.core import AT, Story, agent

pytestmark = pytest.mark.pure

LATE = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


def prompt(
    instructions: str = "Be brief.", *, timezone: str | None = None, at: datetime = LATE, **options: Any
) -> Prompt:
    story = Story.new().loaded(agent(instructions=instructions, **options)).turn()
    record = story.open().model_copy(update={"turn_at": at, "timezone": timezone})
    return build_prompt(story.state, record)


def test_the_model_is_told_the_day() -> None:
    told = prompt()
    assert told.system == "Be brief.\n\nToday is Sunday, 2026-03-01 (time zone: UTC)."
    assert (told.instructions, told.date) == ("Be brief.", "Today is Sunday, 2026-03-01 (time zone: UTC).")


@pytest.mark.parametrize(
    ("timezone", "day"),
    [
        ("Europe/Berlin", "Monday, 2026-03-02 (time zone: Europe/Berlin)"),
        ("America/New_York", "Sunday, 2026-03-01 (time zone: America/New_York)"),
        ("Pacific/Kiritimati", "Monday, 2026-03-02 (time zone: Pacific/Kiritimati)"),
    ],
)
def test_it_is_the_day_where_the_session_is(timezone: str, day: str) -> None:
    assert prompt(timezone=timezone).date == f"Today is {day}."


def test_it_is_the_same_text_all_day() -> None:
    """Or a provider's cache of all that comes after would be lost with every turn."""
    hours = {prompt(at=datetime(2026, 3, 1, hour, 59, tzinfo=UTC)).system for hour in range(24)}
    assert len(hours) == 1


def test_a_definition_may_tell_it_by_itself_or_not_at_all() -> None:
    told = prompt("{{ turn.weekday }} {{ turn.date }} {{ turn.time }}, {{ session.timezone }}", timezone="Asia/Tokyo")
    assert (told.system, told.date) == ("Monday 2026-03-02 08:30, Asia/Tokyo", "")
    assert prompt("{{ turn.started_at }}", timezone="Asia/Kolkata").system == "2026-03-02T05:00:00+05:30"
    assert prompt(context={"date": False}).system == "Be brief."
    # The time of day alone is no date.
    assert prompt("It is {{ turn.time }}.").system == "It is 23:30.\n\nToday is Sunday, 2026-03-01 (time zone: UTC)."


def test_a_step_of_an_older_version_is_told_none() -> None:
    story = Story.new().loaded().turn()
    assert build_prompt(story.state, story.open()).system == "Be brief."


def test_a_step_keeps_the_date_that_it_was_told() -> None:
    story = Story.new(timezone="Asia/Tokyo").loaded().turn()
    record = _opened(story)
    turn_start = AT.replace(second=1)
    assert (record.turn_at, record.timezone) == (turn_start, "Asia/Tokyo")
    assert StepRecord.model_validate_json(record.model_dump_json()) == record


def test_the_steps_of_a_turn_are_told_the_same() -> None:
    story = Story.new().loaded().turn()
    first = _opened(story)
    story.called({"a": 1}).result("t1.s1.c1")
    assert _opened(story).turn_at == first.turn_at
    story.open()
    story.answered().finished()
    story.turn()
    assert _opened(story).turn_at != first.turn_at


def _opened(story: Story) -> StepRecord:
    turn = story.state.turn
    assert turn is not None
    action = CallModel(step_id=f"{turn.turn_id}.s{turn.steps + 1}", role="main", reserved_usd=None, nudge=None)
    return opened_step(story.state, action)


def test_a_clock_may_show_a_time_twice_or_never() -> None:
    berlin = "Europe/Berlin"
    # The first of the two 02:30 of the night when summer time ends, and 03:30 for the one that is left out in spring.
    assert from_local(datetime(2026, 10, 25, 2, 30), berlin) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert from_local(datetime(2026, 3, 29, 2, 30), berlin) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_zone_that_this_worker_does_not_know_is_utc() -> None:
    assert local(LATE, "Mars/Olympus") == LATE
    assert local(datetime.min.replace(tzinfo=UTC), "America/New_York").year == 1
