"""Tool calls of Chat Completions, told apart as real servers number, name and repeat them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perdure.activities.models.wire import Delta
from perdure.workflows.vocabulary.parts import ToolCall
from tests.support.chat import TOOLS, Chat, called, calls, chatting, chunk, stream

STOP = chunk({}, "tool_calls")
P1, P2 = {"p": 1}, {"p": 2}
EMPTY: tuple[Any, ...] = ({}, "", "{}")


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    async with chatting() as made:
        yield made


def entry(index: Any = 0, call: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:
    """A fragment of a call; what is None is left out. "-" stands for null."""
    function = {"name": name, "arguments": arguments}
    made: dict[str, Any] = {"index": index, "id": call, "function": without_none(function)}
    return without_none(made)


def without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {key: None if value == "-" else value for key, value in members.items() if value is not None}


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        pytest.param(
            [[entry(0, "a", "glob", "")], [entry(0, None, "", '{"p":1}')], [entry(0, None, "", '{"p":2}')]],
            [("glob", P1), ("glob", P2)],
            id="whole arguments behind whole ones",
        ),
        pytest.param(
            [[entry(0, "", "f", '{"p":1}')], [entry(0, "", "f", '{"p":1}')]],
            [("f", P1), ("f", P1)],
            id="the same twice without an id",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(0, "a", "f", '{"p":1}')]],
            [("f", P1)],
            id="the same twice with its id",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(1, "a", "f", '{"p":1}')]],
            [("f", P1)],
            id="the same twice with its id at another index",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(1, "a", "f", '{"p":2}')]],
            [("f", P1), ("f", P2)],
            id="one id for all calls",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(0, "a", "f", '{"p":2}')]],
            [("f", P1), ("f", P2)],
            id="one id and one index for all calls",
        ),
        pytest.param(
            [
                [entry(0, "a", "f", '{"p":')],
                [entry(0, None, None, "1}")],
                [entry(0, "b", "f", '{"p":')],
                [entry(0, None, None, "2}")],
            ],
            [("f", P1), ("f", P2)],
            id="index 0 for all calls",
        ),
        pytest.param(
            [
                [entry(0, "a", "f"), entry(1, "b", "glob")],
                [entry(1, None, None, '{"p":')],
                [entry(0, None, None, '{"p":1}')],
                [entry(1, None, None, "2}")],
            ],
            [("f", P1), ("glob", P2)],
            id="interleaved",
        ),
        pytest.param(
            [[entry(None, "a", "f", '{"p":')], [entry(None, None, None, "1}")], [entry(None, "b", "glob", '{"p":2}')]],
            [("f", P1), ("glob", P2)],
            id="no index",
        ),
        pytest.param(
            [[entry("-", "a", "f", '{"p":1}'), entry("-", "b", "f", '{"p":2}')]],
            [("f", P1), ("f", P2)],
            id="index null, in one list",
        ),
        pytest.param(
            [[entry(None, None, "f", '{"p":1}'), entry(None, None, "f", '{"p":2}')]],
            [("f", P1), ("f", P2)],
            id="neither index nor id",
        ),
        pytest.param(
            [[entry(None, None, "ping", ""), entry(None, None, "ping", "")]],
            [("ping", {}), ("ping", {})],
            id="nothing but names",
        ),
        pytest.param(
            [[entry(0, None, "ping", "")], [entry(0, None, "f", '{"p":1}')]],
            [("ping", {}), ("f", P1)],
            id="another name at the same index",
        ),
        pytest.param(
            [[entry("0", "a", "f", '{"p":')], [entry(0, None, None, "1}")], [entry("1", "b", "glob", '{"p":2}')]],
            [("f", P1), ("glob", P2)],
            id="index as text",
        ),
        pytest.param(
            [
                [entry(None, "a", "f", '{"p":')],
                [entry(None, "b", "glob", '{"p":')],
                [entry(None, "a", None, "1}")],
                [entry(None, "b", None, "2}")],
            ],
            [("f", P1), ("glob", P2)],
            id="told apart by ids alone",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p"')], [entry(0, "b", None, ":")], [entry(0, "c", None, "1}")]],
            [("f", P1)],
            id="a new id in each fragment",
        ),
        pytest.param(
            [
                [entry(0, "a", "f", '{"p"')],
                [entry(0, "a", "f", ":1")],
                [entry(0, "a", "f", "}")],
                [entry(0, "a", "f", "")],
            ],
            [("f", P1)],
            id="id and name in each fragment",
        ),
        pytest.param(
            [[entry(0, None, "f", '{"p"')], [entry(1, None, None, ":1")], [entry(2, None, None, "}")]],
            [("f", P1)],
            id="the index counts fragments",
        ),
        pytest.param(
            [[entry(0, "a", None, "")], [entry(0, None, "f", "")], [entry(0, None, None, '{"p":1}')]],
            [("f", P1)],
            id="the name in a later fragment",
        ),
        pytest.param(
            [[entry(0, "a", "gl", "")], [entry(0, None, "ob", "")], [entry(0, None, None, '{"p":1}')]],
            [("glob", P1)],
            id="the name in pieces",
        ),
        pytest.param(
            [[entry(0, "a", "gl", "")], [entry(0, "a", "glob", '{"p":1}')]],
            [("glob", P1)],
            id="the name grows",
        ),
        pytest.param(
            [[entry(0, "a", "f", "{}")], [entry(0, None, None, '{"p":')], [entry(0, None, None, "1}")]],
            [("f", P1)],
            id="an empty object first",
        ),
        pytest.param(
            [[entry(0, "a", "f", {})], [entry(0, "a", "f", {"p": 1})]], [("f", P1)], id="an empty object first, as such"
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(0, None, None, "{}")]], [("f", P1)], id="an empty object behind"
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":')], [entry(0, None, None, "1}")], [entry(0, None, None, {})]],
            [("f", P1)],
            id="an empty object behind, as such",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(0, "a", "f", " { } ")]],
            [("f", P1)],
            id="an empty object behind, with id and name",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(0, None, "f", "{}")]],
            [("f", P1)],
            id="an empty object behind, with the name",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(0, "b", None, "{}")]],
            [("f", P1)],
            id="an empty object behind, with a new id",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(1, "a", "f", "{}")]],
            [("f", P1)],
            id="an empty object behind, at another index",
        ),
        pytest.param(
            [[entry(0, "a", "f", "{}"), entry(1, "a", "f", '{"p":1}')]],
            [("f", P1)],
            id="an empty object first, at another index",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(0, None, None, "{}")], [entry(0, "b", "glob", '{"p":2}')]],
            [("f", P1), ("glob", P2)],
            id="an empty object between calls",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":')], [entry(0, None, None, {})]],
            [("f", '{"p":')],
            id="an empty object behind a cut one",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":')], [entry(0, None, None, "{}")], [entry(0, None, None, "}")]],
            [("f", {"p": {}})],
            id="an empty object inside",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":1}')], [entry(0, "b", "f", "{}")]],
            [("f", P1), ("f", {})],
            id="a call with an empty object",
        ),
        pytest.param(
            [[entry(0, None, "f", '{"p":1}')], [entry(0, None, "f", "{}")]],
            [("f", P1), ("f", {})],
            id="a call with an empty object, without ids",
        ),
        pytest.param(
            [
                [entry(0, "a", "f", "")],
                [entry(0, "b", "glob", "")],
                [entry(0, "a", None, '{"p":')],
                [entry(0, "b", None, '{"p":')],
                [entry(0, "a", None, "1}")],
                [entry(0, "b", None, "2}")],
            ],
            [("f", P1), ("glob", P2)],
            id="interleaved at one index",
        ),
        pytest.param(
            [[entry(0, "", "f", '{"p":1}'), entry(0, "", "f", '{"p":2}')]],
            [("f", P1), ("f", P2)],
            id="one index in one list",
        ),
        pytest.param([[entry(0, "a", "f", {"p": 1})]], [("f", P1)], id="an object"),
        pytest.param(
            [[entry(0, "a", "f", '{"p"')], [entry(0, "a", "f", {"p": 1})]], [("f", P1)], id="an object at last"
        ),
        pytest.param([[entry(0, "a", "ping", "-")]], [("ping", {})], id="null"),
        pytest.param([[entry(0, "a", "f", "-")]], [("f", "")], id="null where there could be arguments"),
        pytest.param([[entry(0, "a", "f")]], [("f", "")], id="nothing"),
        pytest.param([[entry(0, "a", "ping", "null")]], [("ping", {})], id="null as text"),
        pytest.param([[entry(0, "a", "f", '"{\\"p\\":1}"')]], [("f", P1)], id="encoded twice"),
        pytest.param([[entry(0, "a", "f", [1])]], [("f", "[1]")], id="a list"),
        pytest.param(
            [
                [entry(0, "a", "f", part)]
                for part in (
                    '{"p":',
                    '{"p": {"a":',
                    '{"p": {"a": "bcdef',
                    '{"p": {"a": "bcdefgh',
                    '{"p": {"a": "bcdefghij"}}',
                )
            ],
            [("f", {"p": {"a": "bcdefghij"}})],
            id="each fragment repeats those before it",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p"')], [entry(0, None, None, '{"p":1}')]],
            [("f", P1)],
            id="the second repeats the first",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"p":')], [entry(0, None, None, '{"p":1}')], [entry(0, None, None, "}")]],
            [("f", {"p": {"p": 1}})],
            id="only looks as if it repeated",
        ),
        pytest.param(
            [[{"index": 0, "id": "a", "name": "f", "arguments": '{"p":1}'}]],
            [("f", P1)],
            id="without the level of the function",
        ),
        pytest.param(
            [[{"index": 0, "id": "a", "function": {"name": "f", "parameters": P1}}]], [("f", P1)], id="parameters"
        ),
        pytest.param([[{"index": 0, "id": "a", "function": {"name": "f", "args": P1}}]], [("f", P1)], id="args"),
        pytest.param([[{"index": 0, "id": "a", "name": "f", "args": P1}]], [("f", P1)], id="args beside the name"),
        pytest.param([[entry(0, "a", "f") | {"arguments": '{"p":1}'}]], [("f", P1)], id="beside the function"),
        pytest.param([[entry(0, "a", "f", "{}") | {"arguments": P1}]], [("f", P1)], id="beside an empty object"),
        pytest.param([[entry(0, "a", "f", {}) | {"input": P1}]], [("f", P1)], id="the input beside an empty object"),
        *(
            pytest.param(
                [[{"index": 0, "id": "a", "function": {"name": "f", "arguments": empty, "parameters": P1}}]],
                [("f", P1)],
                id=f"parameters beside {empty!r}",
            )
            for empty in EMPTY
        ),
        pytest.param(
            [
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "", "parameters": TOOLS[0].input}}],
                [entry(0, None, None, '{"p":1}')],
            ],
            [("f", P1)],
            id="the declaration beside them",
        ),
        pytest.param([[entry(0, 7, "f", '{"p":1}')]], [("f", P1)], id="an id that is a number"),
        pytest.param([[entry(0, "a", "f", '{"p":1')]], [("f", '{"p":1')], id="cut"),
    ],
)
async def test_told_apart(chat: Chat, lists: list[list[Any]], expected: list[Any]) -> None:
    told = await chat.of(*(called(*entries) for entries in lists), STOP)
    assert calls(told.parts) == expected
    assert told.stop == "tool_calls"
    assert [part.call_id for part in told.parts if isinstance(part, ToolCall)] == [
        f"t1.s1.c{number}" for number in range(1, len(expected) + 1)
    ]


async def test_a_call_without_a_name_is_none(chat: Chat) -> None:
    told = await chat.of(chunk({"content": "Hi"}), called(entry(0, "a", "", '{"p":1}')), chunk({}, "stop"))
    assert (calls(told.parts), told.stop, told.skipped) == ([], "end", 1)


async def test_one_object_in_place_of_the_list(chat: Chat) -> None:
    assert calls((await chat.of(chunk({"tool_calls": entry(0, "a", "f", P1)}), STOP)).parts) == [("f", P1)]


async def test_the_older_function_call(chat: Chat) -> None:
    told = await chat.of(
        chunk({"function_call": {"name": "f", "arguments": '{"p"'}}),
        chunk({"function_call": {"arguments": ":1}"}}),
        chunk({}, "function_call"),
    )
    assert calls(told.parts) == [("f", P1)]


async def test_a_call_that_is_told_in_both_ways(chat: Chat) -> None:
    function = {"name": "f", "arguments": '{"p":1}'}
    both = {"tool_calls": [{"index": 0, "id": "a", "function": function}], "function_call": function}
    assert calls((await chat.of(chunk(both), STOP)).parts) == [("f", P1)]


async def test_a_call_in_the_text_is_text(chat: Chat) -> None:
    told = await chat.of(chunk({"content": '<tool_call>{"name": "f", "arguments": {}}</tool_call>'}), STOP)
    assert calls(told.parts) == []


async def test_nesting_and_half_emojis(chat: Chat) -> None:
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    (name, written), (_, args) = calls(
        (
            await chat.of(called(entry(0, "a", "f", {"p": deep})), called(entry(1, "b", "f", {"p": "\ud83d"})), STOP)
        ).parts
    )
    assert (name, written) == ("f", "(nested too deep)")
    assert args == {"p": "?"}


async def test_what_viewers_are_shown(chat: Chat) -> None:
    body = stream(
        called(entry(0, "a", "gl")),
        called(entry(0, None, "ob")),
        called(entry(0, None, None, '{"p":')),
        called(entry(0, None, None, "1}")),
        called(entry(1, "b", "ping")),
        called(entry(2, "c", "unknown")),
        STOP,
    )
    items = await chat.play(body)
    assert [item for item in items if isinstance(item, Delta)] == [
        # Only now the name is one of the tools'.
        Delta(0, "tool_input", "", "glob"),
        Delta(0, "tool_input", '{"p":'),
        Delta(0, "tool_input", "1}"),
        Delta(1, "tool_input", "", "ping"),
        Delta(2, "tool_input", "", "unknown"),
    ]
