"""The date and the time zone of a session, in its prompts. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perdure.workflows.core.actions import CallModel
from perdure.workflows.core.changes import Configured
from perdure.workflows.core.fork import past
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.state.session import dump_state, new_state, read_state
from perdure.workflows.core.step import opened_step
from perdure.workflows.protocol.left_out import LeftOut
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.protocol.steps import Prompt, StepRecord
from perdure.workflows.vocabulary.parts import Text
from perdure.workflows.vocabulary.zones import from_local, local
from tests.support.core import AT, Story, agent, user

pytestmark = pytest.mark.pure

LATE = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


def prompt(
    instructions: str = "Be brief.", *, timezone: str | None = None, at: datetime = LATE, **options: Any
) -> Prompt:
    """Of the first step of a session that began at `at`."""
    story = began(at, timezone).loaded(agent(instructions=instructions, **options)).turn()
    record = story.open().model_copy(update={"turn_at": at, "timezone": timezone})
    return build_prompt(story.state, record)


def began(at: datetime = AT, timezone: str | None = None) -> Story:
    new = NewSession(tenant="acme", session_id="s1", agent="plain", digest="d1", timezone=timezone, dated=True)
    story = Story(new_state(new, at))
    story.event("session.started", agent="plain", digest="d1", inputs={}, at=at)
    return story


def on(story: Story, day: datetime, text: str = "hi") -> Story:
    """A whole turn that starts at `day`."""
    number = story.state.turns + 1
    story.accepted(text, f"m{number}")
    story.event("turn.started", turn_id=f"t{number}", cause="message", at=day)
    added = user(text, f"m{number}").model_copy(update={"turn_id": f"t{number}"})
    story.event("message.added", message=added, at=day)
    story.open()
    return story.answered(Text(text="hello")).finished()


def shown(story: Story) -> list[str]:
    """The texts that the model of the last step was shown."""
    told = build_prompt(story.state, story.state.log.steps[-1])
    seen = told.around(story.state.transcript.messages[: story.state.log.steps[-1].view.count])
    return [part.text for message in seen for part in message.parts if isinstance(part, Text)]


def test_the_model_is_told_the_day() -> None:
    told = prompt()
    line = "Today is Sunday, 2026-03-01 (time zone: UTC), until a later line names another day."
    assert (told.system, told.instructions, told.date) == (f"Be brief.\n\n{line}", "Be brief.", line)


@pytest.mark.parametrize(
    ("timezone", "day"),
    [
        ("Europe/Berlin", "Monday, 2026-03-02 (time zone: Europe/Berlin)"),
        ("America/New_York", "Sunday, 2026-03-01 (time zone: America/New_York)"),
        ("Pacific/Kiritimati", "Monday, 2026-03-02 (time zone: Pacific/Kiritimati)"),
    ],
)
def test_it_is_the_day_where_the_session_is(timezone: str, day: str) -> None:
    assert prompt(timezone=timezone).date.startswith(f"Today is {day}, until ")


def test_another_day_is_told_before_its_first_message() -> None:
    story = began()
    story.loaded()
    on(story, AT, "one")
    on(story, AT + timedelta(hours=1), "two")
    assert shown(story) == ["one", "hello", "two"]
    on(story, AT + timedelta(days=1), "three")
    on(story, AT + timedelta(days=1, hours=2), "four")
    monday = "Today is Monday, 2026-03-02 (time zone: UTC)."
    assert shown(story) == ["one", "hello", "two", "hello", monday, "three", "hello", "four"]


def test_what_was_told_stays_as_it_was() -> None:
    """Or a provider's cache were lost each midnight, and what a model signed of its thinking were bound to another past."""
    story = began()
    story.loaded()
    systems: list[str] = []
    grown: list[str] = []
    for days in range(5):
        on(story, AT + timedelta(days=days), f"day {days}")
        systems.append(build_prompt(story.state, story.state.log.steps[-1]).system)
        before, grown = grown, shown(story)
        assert grown[: len(before)] == before
    assert len(set(systems)) == 1
    # Each step is shown again as it was.
    first = build_prompt(story.state, story.state.log.steps[0])
    assert (first.system, first.dates) == (systems[0], {})


def test_a_day_is_told_also_where_its_first_message_is_left_out() -> None:
    story = began()
    story.loaded()
    on(story, AT, "one")
    on(story, AT + timedelta(days=1), "two")
    told = build_prompt(story.state, story.state.log.steps[-1])
    declined = told.model_copy(update={"left_out": (LeftOut(turn_id="t2", step_id="t2.s1", epoch=0),)})
    seen = [part for message in declined.around(story.state.transcript.messages) for part in message.parts]
    texts = [part.text for part in seen if isinstance(part, Text)]
    assert texts == ["one", "hello", "Today is Monday, 2026-03-02 (time zone: UTC)."]


def test_another_zone_is_another_day() -> None:
    story = began()
    story.loaded()
    on(story, AT)
    story.note(Configured(metadata={"timezone": "Asia/Tokyo"}, timezone="Asia/Tokyo"))
    on(story, AT + timedelta(minutes=1), "there")
    assert shown(story)[-2:] == ["Today is Sunday, 2026-03-01 (time zone: Asia/Tokyo).", "there"]


def test_a_fork_is_told_what_its_past_was_told() -> None:
    story = began()
    story.loaded()
    for days in range(3):
        on(story, AT + timedelta(days=days), f"day {days}")
    kept = past(story.state, "t2", keep_turn=True)
    assert kept.dates.first == story.state.dates.first
    assert list(kept.dates.later) == ["m2"]
    assert read_state(dump_state(kept)).dates == kept.dates


def test_a_definition_may_tell_it_by_itself_or_not_at_all() -> None:
    told = prompt("{{ turn.weekday }} {{ turn.date }} {{ turn.time }}, {{ session.timezone }}", timezone="Asia/Tokyo")
    assert (told.system, told.date) == ("Monday 2026-03-02 08:30, Asia/Tokyo", "")
    assert prompt("{{ turn.started_at }}", timezone="Asia/Kolkata").system == "2026-03-02T05:00:00+05:30"
    assert prompt(context={"date": False}).system == "Be brief."
    # The time of day alone is no date.
    assert prompt("It is {{ turn.time }}.").system.startswith("It is 23:30.\n\nToday is Sunday, 2026-03-01")


def test_a_session_of_an_older_version_is_told_none() -> None:
    story = Story.new()
    story.loaded()
    on(story, AT)
    on(story, AT + timedelta(days=3), "later")
    assert build_prompt(story.state, story.state.log.steps[-1]).system == "Be brief."
    assert shown(story) == ["hi", "hello", "later"]


def test_a_step_keeps_when_its_turn_started() -> None:
    story = Story.new(timezone="Asia/Tokyo").loaded().turn()
    record = _opened(story)
    assert (record.turn_at, record.timezone) == (AT.replace(second=1), "Asia/Tokyo")
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
