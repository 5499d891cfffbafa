"""What asks, waits and is folded in the pages' view, under Node: limits, queued messages, compactions."""

from typing import Any

import pytest

from tests.support.view_story import REDUCE, USAGE, Node, Story, last, open_node, session_snapshot

PAUSED: dict[str, Any] = {
    "question_id": "t1.budget",
    "scope": "session",
    "limit": "cost_usd",
    "cap": 1.0,
    "spent": 0.9,
    "needs": 0.2,
    "spent_usd": 0.9,
    "needs_usd": 0.2,
    "prompt": "Allow it?",
}
BY = {"subject": "ada", "scopes": []}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def paused() -> Story:
    return Story().opening().fact("budget.paused", **PAUSED)


def question(view: dict[str, Any]) -> dict[str, Any]:
    (found,) = view["turns"][0]["questions"]
    return {key: found[key] for key in ("state", "cap", "raised", "by") if key in found}


def test_a_limit_asks_until_it_is_raised_or_the_turn_ends(node: Node) -> None:
    asks = last(node, paused())
    assert (asks["status"], question(asks)) == ("waiting", {"state": "open", "cap": 1.0})

    elsewhere = paused().fact("budget.raised", scope="session", limit="tokens", value=9, turn_id=None)
    assert last(node, elsewhere)["status"] == "waiting"

    more = paused().fact("budget.raised", question_id="t1.budget", scope="session", limit="cost_usd", value=2.0, by=BY)
    raised = last(node, more)
    limit = {"scope": "session", "limit": "cost_usd", "value": 2.0}
    assert (raised["status"], question(raised)) == (
        "working",
        {"state": "raised", "cap": 1.0, "raised": limit, "by": BY},
    )
    other = last(node, paused().fact("input.received", question_id="t1.budget", value=None, reason="settled", by=BY))
    assert (other["status"], question(other)) == ("working", {"state": "answered", "cap": 1.0, "by": BY})
    assert question(last(node, paused().end("budget")))["state"] == "declined"
    assert question(last(node, paused().end("interrupted")))["state"] == "superseded"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"limit": "cost_usd", "value": 2.0}, "This session’s cost limit raised to $2.00 by ada"),
        ({"limit": "cost_usd", "value": None}, "This session’s cost limit lifted by ada: there is no cap any more"),
        ({"limit": "cost_usd", "value": 1.1, "this_turn": True}, "Allowed for this turn by ada"),
        ({"limit": "provider", "value": None, "this_turn": True}, "Allowed for this turn by ada"),
        ({"limit": "provider", "value": None}, "Allowed for this turn by ada"),
    ],
)
def test_what_became_of_a_limit_is_told_as_it_is(node: Node, event: dict[str, Any], words: str) -> None:
    story = paused().fact("budget.raised", question_id="t1.budget", scope="session", by=BY, **event)
    script = """
    import { becameOf } from './pages/shared/outcomes.js';
    output(becameOf(input.reduce(reduce, emptyView()).turns[0].questions[0]));
    """
    assert node(script, story.events) == words


def test_a_snapshot_holds_what_a_limit_asks(node: Node) -> None:
    short = {key: value for key, value in PAUSED.items() if key not in ("question_id", "prompt")}
    asked = {"question_id": "t1.budget", "kind": "budget", "subject": "budget", "prompt": "Allow it?", "budget": short}
    snapshot = session_snapshot(9, status="waiting", turn_id="t1", questions=[asked])
    view = node(REDUCE, [snapshot])[-1]
    assert (question(view), view["turns"][0]["tools"]) == ({"state": "open", "cap": 1.0}, {})


def test_messages_that_wait_are_in_the_session_s_order_and_change(node: Node) -> None:
    def said(words: str) -> dict[str, Any]:
        return {"id": "m3", "role": "user", "parts": [{"type": "text", "text": words}]}

    story = Story().opening().fact("message.queued", message_id="m2", position=1)
    story.fact("message.queued", message_id="m3", position=1, busy="steer")
    assert [(one["id"], one.get("busy")) for one in last(node, story)["queued"]] == [("m3", "steer"), ("m2", None)]
    story.fact("message.queued", message_id="m3", position=1, message=said("Other words"))
    edited = last(node, story)["queued"]
    assert [one["id"] for one in edited] == ["m3", "m2"]
    assert (edited[0].get("busy"), edited[0]["message"]) == (None, said("Other words"))
    story.fact("message.rejected", message_id="m2", reason="withdrawn")
    assert [one["id"] for one in last(node, story)["queued"]] == ["m3"]


def test_a_compaction_stands_before_the_turn_that_it_serves_and_costs(node: Node) -> None:
    folded: dict[str, Any] = {
        **{"from_seq": 1, "to_seq": 4, "tokens_before": 900, "tokens_after": 90, "how": "summarized"},
        **{"summary": "So far.", "usage": USAGE, "cost_usd": 0.25, "turn_id": None},
    }
    beside = last(node, Story().opening().fact("context.compacted", **folded))
    assert [(one["after"], one["summary"]) for one in beside["folds"]] == [(None, "So far.")]
    assert (beside["cost_usd"], beside["turns"][0]["cost_usd"]) == (0.25, 0)
    after = last(node, Story().opening().end().fact("context.compacted", **folded))
    assert [one["after"] for one in after["folds"]] == ["t1"]


def test_who_declined_at_a_limit_is_known(node: Node) -> None:
    declined = paused().fact(
        "input.received", question_id="t1.budget", value={"approved": False}, reason="too dear", by=BY
    )
    expected = {"state": "declined", "cap": 1.0, "by": BY}
    assert question(last(node, declined)) == expected
    assert question(last(node, declined.end("budget"))) == expected
