"""Sessions can be found by any text, and no text changes the query."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.temporal.sessions.starting import readable, searchable
from perdure.temporal.sessions.visibility import visibility_query


def test_filters_are_joined() -> None:
    assert visibility_query("default", agent="support", status="idle", user="ann") == (
        "WorkflowType = 'SessionWorkflow' AND ExecutionStatus != 'ContinuedAsNew' AND PerdureTenant = 'default' "
        "AND PerdureAgent = 'support' AND PerdureUser = 'ann' AND ExecutionStatus = 'Running' "
        "AND PerdureStatus = 'idle'"
    )


def test_activity_is_a_change_of_status_or_the_start() -> None:
    after = datetime(2026, 3, 6, 12, tzinfo=timezone(timedelta(hours=1)))
    query = visibility_query("default", agent=None, status=None, user=None, active_after=after)

    assert query.endswith("AND (PerdureActive > '2026-03-06T11:00:00Z' OR StartTime > '2026-03-06T11:00:00Z')")


def test_closed_is_whatever_does_not_run() -> None:
    query = visibility_query("default", agent=None, status="closed", user=None)

    assert query.endswith("PerdureTenant = 'default' AND ExecutionStatus != 'Running'")


@pytest.mark.parametrize("user", ["' OR 'a'='a", "a\\", '"', "100%", "%27"])
def test_hostile_text_cannot_leave_its_quotes(user: str) -> None:
    safe = searchable(user)

    assert not set("'\"\\") & set(safe)
    assert readable(safe) == user


@given(st.text())
def test_what_was_stored_is_read(text: str) -> None:
    assert readable(searchable(text)) == text
