"""The order of the chat page's list of sessions, under Node."""

import os
from typing import Any

import pytest

from tests.support.view_story import Node, open_node

GROUPS = """
import { groups } from './pages/chat/sidebar_groups.js';
const byId = new Map(input.entries.map((entry) => [entry.session_id, entry]));
const found = groups(byId, input.open, new Date(input.now));
output(found.map(({ label, entries }) => [label, entries.map(({ session_id: id, status }) => `${id} ${status}`)]));
"""
MATCHES = """
import { matches } from './pages/chat/sidebar_groups.js';
output(input.words.filter((words) => matches(input.entry, words)));
"""
#: Shortly after midnight where the person is, and before it in UTC.
NOW = "2026-03-06T23:10:00Z"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def entry(name: str, active_at: str, status: str = "idle", **more: Any) -> dict[str, Any]:
    return {"session_id": name, "status": status, "created_at": "2026-01-01T00:00:00Z", "active_at": active_at, **more}


def test_sessions_are_grouped_by_the_days_of_the_person(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", "Europe/Berlin")
    entries = [
        entry("month", "2026-01-31T12:00:00Z"),
        entry("weeks", "2026-02-20T12:00:00Z"),
        entry("yesterday", "2026-03-06T22:59:00Z"),
        entry("today", "2026-03-06T23:01:00Z"),
        entry("days", "2026-03-05T22:59:00Z"),
        entry("at work", "2026-03-01T12:00:00Z", "working"),
        entry("older", "2026-03-06T10:00:00Z"),
        entry("asks", "2026-01-02T12:00:00Z", "waiting"),
    ]
    assert node(GROUPS, {"entries": entries, "open": None, "now": NOW}) == [
        ["Needs you", ["asks waiting"]],
        ["Today", ["at work working", "today idle"]],
        ["Yesterday", ["yesterday idle", "older idle"]],
        ["Previous 7 days", ["days idle"]],
        ["Previous 30 days", ["weeks idle"]],
        ["January 2026", ["month idle"]],
    ]


def test_a_sub_agent_is_part_of_its_caller_and_listed_below_it_while_it_is_open(node: Node) -> None:
    entries = [
        entry("caller", "2026-03-06T10:00:00Z", "working"),
        entry("below", "2026-03-06T11:00:00Z", "waiting", parent="caller"),
        entry("lost", "2026-03-06T11:00:00Z", "waiting", parent="not listed"),
    ]
    alone = node(GROUPS, {"entries": entries, "open": None, "now": NOW})
    assert alone == [["Needs you", ["caller waiting"]]]
    opened = node(GROUPS, {"entries": entries, "open": "below", "now": NOW})
    assert opened == [["Needs you", ["caller waiting", "below waiting"]]]
    assert node(GROUPS, {"entries": entries, "open": "lost", "now": NOW})[0][1] == ["caller waiting", "lost waiting"]


def test_a_search_looks_at_titles_and_agents_without_case_and_accents(node: Node) -> None:
    given = {"title": "Où est ma commande?", "named": "Late Parcel", "agent": "support"}
    words = ["parcel", "ou est", "SUPPORT late", "  commande ", "invoice", "parcel invoice"]
    assert node(MATCHES, {"entry": given, "words": words}) == ["parcel", "ou est", "SUPPORT late", "  commande "]
