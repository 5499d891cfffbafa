"""What handlers ask, in the pages' view, under Node: outside of any call, and longer than any turn."""

from typing import Any

import pytest

from tests.support.view_story import USER, Node, Story, last, open_node, session_snapshot

FORM = {"type": "object", "properties": {"day": {"type": "string"}}}
ASKED: dict[str, Any] = {
    "question_id": "t1.ask",
    "subject": "handler",
    "form": "schema",
    "name": "delivery",
    "args": {},
    "prompt": "When?",
    "output": FORM,
    "roles": ["logistics"],
}
BY = {"subject": "ada", "scopes": []}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def asks() -> Story:
    return Story().opening().fact("input.requested", **ASKED).end("parked")


def another(story: Story) -> Story:
    message = {**USER, "id": "m2", "turn_id": "t2"}
    return story.fact("turn.started", cause="message", turn_id="t2").fact(
        "message.added", message=message, turn_id="t2"
    )


def received(story: Story, **more: Any) -> Story:
    return story.fact("input.received", question_id="t1.ask", turn_id=None, **{"value": None, **more})


def test_a_handler_s_question_outlives_its_turn_and_holds_no_other_up(node: Node) -> None:
    view = last(node, asks())
    (question,) = view["asked"]
    assert (view["status"], view["turns"][0]["status"], view["turns"][0]["tools"]) == ("waiting", "finished", {})
    assert (question["state"], question["subject"], question["roles"]) == ("open", "handler", [["logistics"]])
    working = last(node, another(asks()))
    assert (working["status"], working["asked"][0]["state"]) == ("working", "open")
    assert last(node, another(asks()).end(turn_id="t2"))["status"] == "waiting"


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"value": {"day": "Monday"}, "by": BY}, "answered"),
        ({"reason": "declined", "by": BY}, "declined"),
        ({"reason": "stopped", "by": BY}, "declined"),
        ({"reason": "stopped"}, "stopped"),
        ({"reason": "superseded"}, "superseded"),
        ({"reason": "expired"}, "expired"),
    ],
)
def test_what_became_of_it(node: Node, more: dict[str, Any], state: str) -> None:
    view = last(node, received(asks(), **more))
    assert (view["asked"][0]["state"], view["asked"][0]["by"], view["status"]) == (state, more.get("by"), "idle")
    between = last(node, received(another(asks()), **more))
    assert (between["asked"][0]["state"], between["status"]) == (state, "working")
    # It is settled once.
    again = last(node, received(received(asks(), **more), value={"day": "Friday"}, by=BY))
    assert again["asked"][0]["state"] == state


def test_a_snapshot_tells_what_handlers_ask(node: Node) -> None:
    question = {**ASKED, "kind": "input"}
    there = session_snapshot(9, USER, status="waiting", turn_id=None, questions=[question])
    gone = session_snapshot(12, USER, turn_id=None)
    script = """
    const of = ({ status, asked }) => [status, asked.map(({ question_id, state }) => [question_id, state])];
    const seen = input.slice(0, 2).reduce((all, one) => [...all, reduce(all.at(-1), one)], [emptyView()]);
    const facts = withFacts({ ...emptyView(), seq: 5 }, input[0]);
    output([...seen.slice(1), facts].map(of).concat([openQuestions(seen[1]).length, openQuestions(facts).length]));
    """
    assert node(script, [there, gone]) == [
        ["waiting", [["t1.ask", "open"]]],
        ["idle", [["t1.ask", "answered"]]],
        ["idle", [["t1.ask", "open"]]],
        1,
        1,
    ]


def test_what_a_sub_agent_s_handler_asks_is_below_its_call(node: Node) -> None:
    story = Story().opening().fact("tool.started", call_id="t1.s1.c1", name="helper", args={}, session_id="s~t1.s1.c1")
    below = asks().events
    for event in below:
        story.events.append({"type": "agent.event", "call_id": "t1.s1.c1", "session_id": "s~t1.s1.c1", "event": event})
    script = """
    const view = input.reduce(reduce, emptyView());
    output(openBelow(view).map(({ question_id, session_id, agents }) => [question_id, session_id, agents]));
    """
    assert node(script, story.events) == [["t1.ask", "s~t1.s1.c1", ["helper"]]]
