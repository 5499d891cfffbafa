"""Branches in the pages' view, under Node: what is shown after a rewind, on the way back, and once a turn is run on."""

from typing import Any

import pytest

from tests.support.view_story import REDUCE, Node, Story, open_node, text, texts


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def turn(story: Story, number: int, said: str, answered: str, reason: str = "done") -> Story:
    turn_id = f"t{number}"
    user = {"id": f"m{number}", "role": "user", "parts": [text(said)], "turn_id": turn_id, "at": "2026-01-01T00:00:00Z"}
    answer = {"id": f"a{number}", "role": "assistant", "parts": [text(answered)], "turn_id": turn_id}
    story.fact("turn.started", cause="message", turn_id=turn_id)
    if said:
        story.fact("message.added", message=user, turn_id=turn_id)
    step = f"{turn_id}.s1"
    story.fact("step.started", step_id=step, model="demo/demo", turn_id=turn_id)
    numbers = {"usage": {}, "cost_usd": 0, "timing": None, "stop": "end", "attempt": 1, "request_sha256": "x"}
    story.fact("step.finished", step_id=step, message=answer, model="demo/demo", turn_id=turn_id, **numbers)
    return story.fact("turn.finished", reason=reason, usage={}, cost_usd=0, turn_id=turn_id)


def rewound(story: Story, message_id: str, branch: str, left: str, cause: str = "rewind") -> Story:
    return story.fact(
        "transcript.rewound", message_id=message_id, branch=branch, left=left, kept=2, cause=cause, turn_id=None
    )


def two_turns() -> Story:
    return turn(turn(Story(), 1, "One", "First"), 2, "Two", "Second")


def test_a_rewind_takes_the_message_and_all_after_it_and_the_way_back_restores_them(node: Node) -> None:
    story = turn(rewound(two_turns(), "m2", "b2", "b1"), 3, "Other", "Third")
    there = node(REDUCE, story.events)[-1]
    assert (texts(there), there["branch"]) == (["One", "First", "Other", "Third"], "b2")

    back = node(REDUCE, rewound(story, "m2", "b1", "b2", "back").events)[-1]
    assert (texts(back), back["branch"]) == (["One", "First", "Two", "Second"], "b1")
    again = node(REDUCE, rewound(story, "m3", "b2", "b1", "back").events)[-1]
    assert texts(again) == ["One", "First", "Other", "Third"]


def test_an_answer_that_is_given_again_keeps_what_was_said(node: Node) -> None:
    story = rewound(two_turns(), "a2", "b2", "b1")
    assert texts(node(REDUCE, story.events)[-1]) == ["One", "First", "Two"]


def test_a_branch_that_begins_with_what_is_not_known_waits_for_a_snapshot(node: Node) -> None:
    views = node(REDUCE, rewound(two_turns(), "m0", "b2", "b1").events)
    assert (views[-2]["lost"], views[-1]["lost"]) == (False, True)


def test_a_turn_that_is_run_on_is_one_with_the_first(node: Node) -> None:
    story = turn(Story(), 1, "One", "Half", reason="failed")
    story.fact("turn.started", cause="message", turn_id="t2", continues="t1")
    story.fact("turn.finished", reason="done", usage={}, cost_usd=0, turn_id="t2")
    turn(story, 3, "Next", "Whole")
    exchanges = node(
        """
        const { exchanges } = await import('./pages/view/branches.js');
        const { turns } = input.reduce(reduce, emptyView());
        output(exchanges(turns).map(({ turn, turns }) => [turn.id, turn.reason, turn.messages.length, turns.length]));
        """,
        story.events,
    )
    assert exchanges == [["t2", "done", 2, 2], ["t3", "done", 2, 1]]


def test_all_branches_are_listed_in_the_order_of_their_turns(node: Node) -> None:
    story = turn(rewound(two_turns(), "a2", "b2", "b1"), 3, "", "Third")
    listed = node(
        """
        const { everyTurn } = await import('./pages/view/branches.js');
        const view = input.reduce(reduce, emptyView());
        output(everyTurn(view).map(({ turn, left }) => [turn.id, left, turn.messages.length]));
        """,
        story.events,
    )
    assert listed == [["t1", False, 2], ["t2", False, 2], ["t3", False, 1]]
    story = turn(rewound(two_turns(), "m2", "b2", "b1"), 3, "Other", "Third")
    seen: Any = node(
        """
        const { everyTurn } = await import('./pages/view/branches.js');
        output(everyTurn(input.reduce(reduce, emptyView())).map(({ turn, left }) => [turn.id, left]));
        """,
        story.events,
    )
    assert seen == [["t1", False], ["t2", True], ["t3", False]]


def test_a_note_that_comes_while_the_session_rests_is_no_turn_that_works(node: Node) -> None:
    story = rewound(turn(rewound(two_turns(), "m2", "b2", "b1"), 3, "Other", "Third"), "m2", "b1", "b2", "back")
    note = {"type": "data", "name": "rewound", "value": {"note": "These calls were taken back."}}
    message = {"id": "b1.note", "role": "user", "parts": [note], "turn_id": None, "at": "2026-01-01T00:00:00Z"}
    rests = node(REDUCE, story.fact("message.added", message=message, turn_id=None).events)[-1]
    assert [one["status"] for one in rests["turns"]] == ["finished", "finished", "finished"]
    goes_on = node(REDUCE, turn(story, 4, "More", "Fourth").events)[-1]
    assert [one["id"] for one in goes_on["turns"]] == ["t1", "t2", "t4"]
