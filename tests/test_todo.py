"""The to-do list over the pure core: what the tool takes, what viewers are told, and how the list goes with branches."""

import pytest
from pydantic import JsonValue

from perdure.workflows.core.answers import snapshot
from perdure.workflows.core.fork import past
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.core.state.todo import KEPT_CHARACTERS, Todo, TodoVersion
from perdure.workflows.core.todo import MAX_ITEMS, MAX_TEXT, read_items
from perdure.workflows.protocol.paths import Path
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.vocabulary.events import ToolFinished
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.todo import TodoItem, TodoUpdated
from tests.support.rewinding import TOOLS, Talk

pytestmark = pytest.mark.pure

Items = list[JsonValue]


def listed(*items: tuple[str, str]) -> Items:
    return [{"text": text, "status": status} for text, status in items]


def talk(*turns: Items) -> Talk:
    """A turn for each list, in which the agent writes it."""
    made = Talk(tools=[*TOOLS, "todo"])
    for number, items in enumerate(turns, 1):
        made.say(f"say {number}", f"m{number}")
        made.answers("", calls=(("todo", {"items": items}),))
        made.answers("done")
    return made


def current(made: Talk) -> list[tuple[str, str]]:
    return [(item.text, item.status) for item in made.state.todo.items]


def updates(made: Talk) -> list[list[str]]:
    return [[item.text for item in event.items] for event in made.events if isinstance(event, TodoUpdated)]


def outputs(made: Talk) -> list[JsonValue]:
    return [event.result.output for event in made.events if isinstance(event, ToolFinished)]


FIRST = listed(("look", "doing"), ("mend", "pending"))
SECOND = listed(("look", "done"), ("mend", "doing"))


def test_a_list_is_kept_told_and_shown_in_the_snapshot() -> None:
    made = talk(FIRST, SECOND)
    assert current(made) == [("look", "done"), ("mend", "doing")]
    assert updates(made) == [["look", "mend"], ["look", "mend"]]
    page = snapshot(made.state, "default/s", PageRequest())
    assert page.todo == (
        TodoItem(id="1", text="look", status="done"),
        TodoItem(id="2", text="mend", status="doing"),
    )
    assert outputs(made)[-1] == {"items": [item.model_dump() for item in page.todo]}
    assert [kind for kind in made.kinds() if kind.startswith(("tool", "todo"))][:3] == [
        "tool.started",
        "todo.updated",
        "tool.finished",
    ]
    carried = read_state(dump_state(made.state))
    assert carried.todo == made.state.todo


def test_without_items_the_list_is_read_and_the_same_list_is_no_news() -> None:
    made = talk(FIRST, FIRST)
    made.say("and?", "m3")
    made.answers("", calls=(("todo", {}),))
    made.answers("done")
    assert len(updates(made)) == 1
    first, _, read = outputs(made)
    assert read == first


def test_an_empty_list_clears_it() -> None:
    made = talk(FIRST, [])
    assert current(made) == []
    assert "todo" not in snapshot(made.state, "default/s", PageRequest()).model_dump(mode="json")


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ("x", "items: is a list"),
        ([1], "items[0]: is an object with a text and a status"),
        ([{"text": " "}], "items[0].text: is required, a text"),
        ([{"text": "x" * (MAX_TEXT + 1)}], f"items[0].text: has {MAX_TEXT + 1} characters; at most {MAX_TEXT} may be"),
        ([{"text": "x", "status": "open"}], "items[0].status: is one of pending, doing, done"),
        ([{"text": "x", "state": "done"}], "items[0].state: is not a field of an item; these are: id, text, status"),
        ([{"text": "x", "id": "a"}, {"text": "y", "id": "a"}], "items[1].id: 'a' is the id of another item, too"),
        ([{"text": "x", "id": ["a"]}], "items[0].id: is a text"),
        ([{"text": "x"}] * (MAX_ITEMS + 1), f"items: has {MAX_ITEMS + 1} items; at most {MAX_ITEMS} may be"),
    ],
)
def test_wrong_items_are_told_and_change_nothing(items: JsonValue, said: str) -> None:
    found = read_items({"items": items})
    assert isinstance(found, ToolError)
    assert found.type == "invalid_arguments"
    assert said in found.message
    made = talk(FIRST)
    made.say("again", "m2")
    made.answers("", calls=(("todo", {"items": items}),))
    made.answers("done")
    assert current(made) == [("look", "doing"), ("mend", "pending")]


def test_ids_are_kept_and_those_that_are_missing_are_free_numbers() -> None:
    given: Items = [
        {"id": "2", "text": "a"},
        {"text": "b"},
        {"id": "x", "text": "c"},
        {"text": "d"},
        {"id": 7, "text": "e"},
    ]
    found = read_items({"items": list(given)})
    assert not isinstance(found, ToolError)
    assert [item.id for item in found] == ["2", "1", "x", "3", "7"]


def test_a_rewind_goes_back_to_the_list_of_that_moment_and_the_way_back_to_the_later_one() -> None:
    made = talk(FIRST, SECOND, listed(("mend", "done")))
    made.rewind("m2", "another")
    made.answers("yes")
    assert current(made) == [("look", "doing"), ("mend", "pending")]
    assert updates(made)[-1] == ["look", "mend"]
    made.rewind("m1", "anew")
    made.answers("yes")
    assert current(made) == []
    made.back("b1")
    assert current(made) == [("mend", "done")]
    # Viewers hear of each list exactly when it is another one.
    assert updates(made) == [["look", "mend"], ["look", "mend"], ["mend"], ["look", "mend"], [], ["mend"]]
    assert not made.asks()


def test_a_list_leaves_nothing_standing() -> None:
    made = talk(FIRST)
    made.rewind("m1", "anew")
    made.answers("yes")
    assert made.kinds().count("approval.requested") == 0
    assert [message.id for message in made.messages() if message.own] == []


def test_a_fork_has_the_list_of_its_turn() -> None:
    made = talk(FIRST, SECOND)
    forked = past(made.state, "t1", keep_turn=True)
    assert [(item.text, item.status) for item in forked.todo.items] == [("look", "doing"), ("mend", "pending")]
    assert past(made.state, "t1", keep_turn=False).todo == Todo()
    assert past(made.state, "t2", keep_turn=True).todo.items == made.state.todo.items


def test_of_past_turns_one_list_each_is_kept_within_bounds() -> None:
    made = Talk(tools=[*TOOLS, "todo"])
    for turn in range(1, 4):
        made.say("go", f"m{turn}")
        for status in ("pending", "doing", "done"):
            made.answers("", calls=(("todo", {"items": listed((f"item {turn}", status))}),))
        made.answers("done")
    assert [version.turn_id for version in made.state.todo.versions] == ["t1", "t2", "t3", "t3", "t3"]

    todo = Todo()
    long = tuple(TodoItem(id=str(number), text="x" * MAX_TEXT) for number in range(MAX_ITEMS))
    for turn in range(1, 50):
        todo = todo.written(TodoVersion(turn_id=f"t{turn}", number=turn, items=long))
    assert sum(version.size for version in todo.versions) <= KEPT_CHARACTERS
    assert todo.versions[-1].turn_id == "t49"
    assert todo.on(Path(), 60) == long
    assert todo.on(Path(), 2) == ()
