from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perdure.temporal.app.commands.session_rows import age, session_rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSION: dict[str, Any] = {
    "session_id": "7f9c24e5-c3f1-4a0c-9b7b-3c6c1e2d3f4a",
    "agent": "a-very-long-name-of-an-agent",
    "status": "waiting",
    "user": "ann@example.com",
    "created_at": "2026-02-27T11:00:00Z",
    "cost_usd": 0.01234,
    "title": "What does a parcel of three kilograms to Germany cost, and when would it be there? " * 3,
    "demo": True,
}


def test_80_columns_hold_every_line_and_the_whole_id() -> None:
    quiet = {**SESSION, "session_id": "s1", "user": None, "cost_usd": 0.0, "title": "", "demo": False}
    heading, *lines = [row.plain for row in session_rows([SESSION, quiet], NOW, 80)]
    assert heading.split() == ["session", "status", "agent", "age", "cost"]
    assert [len(line) <= 80 for line in (heading, *lines)] == [True] * 5
    assert lines[0].split() == [SESSION["session_id"], "waiting", "a-very-long-nam…", "2", "d", "$0.0123"]
    assert lines[1].startswith("  What does a parcel")
    assert lines[1].endswith("…, ann@example.com (demo)")
    assert lines[2].split() == ["s1", "waiting", "a-very-long-nam…", "2", "d"]
    assert lines[3] == "  (no title)"


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (timedelta(seconds=-1), "now"),
        (timedelta(seconds=59), "now"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=12), "12 d"),
    ],
)
def test_an_age_has_one_unit(passed: timedelta, shown: str) -> None:
    assert age(passed) == shown
