"""Runs of tool calls, as the chat page folds them into one line, under Node."""

from typing import Any

import pytest

from tests.support.view_story import Event, Node, open_node, text, tool_call

RUNS = """
const { runsOf } = await import('./pages/shared/runs.js');
const of = runsOf(input.messages, input.tools);
output(input.messages.map(({ parts }) => parts.map((part) => of.get(part) ?? null)));
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def said(*parts: Event) -> Event:
    return {"role": "assistant", "parts": list(parts)}


def tool(state: str = "done", message: str | None = None, **more: Any) -> Event:
    output = {"type": "x", "message": message} if message else 1
    return {"state": state, "result": {"output": output, "is_error": message is not None}, **more}


def runs(node: Node, messages: list[Event], tools: dict[str, Event]) -> list[list[str | None]]:
    """By message and part: the first call of the run that it is in."""
    found: list[list[Event | None]] = node(RUNS, {"messages": messages, "tools": tools})
    return [[None if run is None else str(run["id"]) for run in parts] for parts in found]


def call(number: int) -> Event:
    return tool_call(f"c{number}", "find_order")


def test_calls_and_the_thoughts_between_them_are_one_run_over_several_answers(node: Node) -> None:
    thought = {"type": "reasoning", "text": "Hm."}
    messages = [
        said(text("Let me see."), thought, call(1)),
        said(thought, call(2)),
        said(call(3)),
        said(thought, text("So.")),
    ]
    tools = {"c1": tool(), "c2": tool("failed", "No such order."), "c3": tool()}
    assert runs(node, messages, tools) == [[None, None, "c1"], ["c1", "c1"], ["c1"], [None, None]]
    (run,) = {
        str(run): run for parts in node(RUNS, {"messages": messages, "tools": tools}) for run in parts if run
    }.values()
    assert run == {"id": "c1", "calls": 3, "failed": 1, "names": "Find order ×3", "error": "No such order."}


@pytest.mark.parametrize(
    "second",
    [
        tool("running"),
        tool("asking"),
        tool(session_id="s1~c2"),
        tool(questions=[{"state": "approved"}]),
        {"state": "done", "result": {"output": [{"type": "image", "uri": f"acme/s1/{'0' * 64}"}], "is_error": False}},
    ],
    ids=["running", "asking", "sub-agent", "approved", "picture"],
)
def test_what_has_to_be_seen_ends_a_run(node: Node, second: Event) -> None:
    tools = {"c1": tool(), "c2": second, "c3": tool(), "c4": tool(), "c5": tool()}
    messages = [said(*map(call, range(1, 6)))]
    assert runs(node, messages, tools) == [[None, None, "c3", "c3", "c3"]]


def test_a_few_calls_and_calls_with_words_between_them_are_none(node: Node) -> None:
    tools = {f"c{number}": tool() for number in range(1, 5)}
    assert runs(node, [said(call(1), call(2)), said(text("And"), call(3), call(4))], tools) == [[None] * 2, [None] * 3]
