"""What a Chat Completions server gets back of its own answers, and other servers do not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perdure.activities.models.call_ids import made_id
from perdure.activities.models.wire import Answer
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.vocabulary.parts import Native, Part, Reasoning, Text, ToolCall, ToolResult
from tests.support.chat import Chat, called, chatting, chunk, message, reasoning, user

CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
STOP = chunk({}, "tool_calls")


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    async with chatting() as made:
        yield made


def assistants(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in request["messages"] if each["role"] == "assistant"]


async def again(chat: Chat, *deltas: dict[str, Any], call: dict[str, Any] = CALL) -> dict[str, Any]:
    """The message that goes back after an answer of these deltas and a call."""
    told = await chat.of(*map(chunk, deltas), called(call), STOP)
    (said,) = assistants(await chat.after(told))
    return said


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_reasoning_goes_back_under_its_key_with_the_calls(chat: Chat, key: str) -> None:
    said = await again(chat, {key: "Let me"}, {key: " look."}, {"content": "I look."})
    assert said == {
        "role": "assistant",
        "content": "I look.",
        key: "Let me look.",
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
    }


async def test_an_empty_thought_goes_back_too(chat: Chat) -> None:
    """DeepSeek and Kimi miss the member where it is absent."""
    assert (await again(chat, {"reasoning_content": ""}))["reasoning_content"] == ""
    assert "reasoning_content" not in await again(chat, {"reasoning_content": None})


async def test_details_of_open_router_go_back_as_they_came(chat: Chat) -> None:
    def detail(**more: Any) -> dict[str, Any]:
        return {"reasoning": more.get("text"), "reasoning_details": [{"type": "reasoning.text", "index": 0, **more}]}

    sealed = {"type": "reasoning.encrypted", "data": "x1", "id": "call_1", "index": 1, "format": "google-gemini-v1"}
    said = await again(
        chat,
        detail(text="Let", format="anthropic-claude-v1"),
        detail(text=" me.", format="anthropic-claude-v1"),
        detail(signature="c2ln"),
        {"reasoning_details": [sealed]},
    )
    whole = {
        "type": "reasoning.text",
        "index": 0,
        "text": "Let me.",
        "format": "anthropic-claude-v1",
        "signature": "c2ln",
    }
    assert said["reasoning_details"] == [whole, sealed]
    assert "reasoning" not in said


async def test_reasoning_that_only_its_server_can_read(chat: Chat) -> None:
    sealed = {"type": "reasoning.encrypted", "data": "x1", "index": 0}
    told = await chat.of(chunk({"reasoning_details": [sealed]}), called(CALL), STOP)
    assert reasoning(told.parts) == ""
    (said,) = assistants(await chat.after(told))
    assert said["reasoning_details"] == [sealed]


async def test_blocks_of_anthropic_behind_lite_llm(chat: Chat) -> None:
    said = await again(
        chat,
        {"reasoning_content": "Let", "thinking_blocks": [{"type": "thinking", "thinking": "Let", "signature": None}]},
        {"reasoning_content": " me.", "thinking_blocks": [{"type": "thinking", "thinking": " me."}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "c2ln"}]},
    )
    assert said["thinking_blocks"] == [{"type": "thinking", "thinking": "Let me.", "signature": "c2ln"}]
    assert said["reasoning_content"] == "Let me."


async def test_thinking_parts_of_mistral_go_back_as_parts(chat: Chat) -> None:
    said = await again(
        chat,
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Ok"}]}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "ay"}], "closed": True}]},
        {"content": [{"type": "text", "text": "Hi"}]},
    )
    assert said["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Okay"}], "closed": True},
        {"type": "text", "text": "Hi"},
    ]


async def test_reasoning_between_tags_goes_back_between_tags(chat: Chat) -> None:
    """As MiniMax asks for it; the chat templates of others take it out again."""
    said = await again(chat, {"content": "<think>\nOkay\n</think>\n\nI look."})
    assert said["content"] == "<think>\nOkay\n</think>\n\nI look."


async def test_unknown_members_of_calls_and_messages_go_back(chat: Chat) -> None:
    signed = {"google": {"thought_signature": "c2ln"}}
    said = await again(chat, {"x_state": "s1", "content": "I look."}, call=CALL | {"extra_content": signed})
    assert said["x_state"] == "s1"
    assert said["tool_calls"][0]["extra_content"] == signed
    bare = {"index": 0, "function": {"name": "f", "arguments": "{}", "x": 1}, "extra_content": signed}
    said = await again(chat, {"x_state": {"a": [1]}, "role": "assistant", "annotations": [{}]}, call=bare)
    (call,) = said["tool_calls"]
    assert said == {"role": "assistant", "content": "", "x_state": {"a": [1]}, "tool_calls": [call]}
    assert call == {
        "id": made_id("t1.s1.c1"),
        "type": "function",
        "function": {"name": "f", "arguments": "{}", "x": 1},
        "extra_content": signed,
    }


async def test_members_of_a_message_without_calls(chat: Chat) -> None:
    signed = {"google": {"thought_signature": "c2ln"}}
    told = await chat.of(
        chunk({"content": "Hi", "extra_content": signed, "reasoning_content": "Hm."}), chunk({}, "stop")
    )
    (said,) = assistants(await chat.after(told, user("and?")))
    assert said == {"role": "assistant", "content": "Hi", "extra_content": signed}


async def test_a_call_that_was_not_whole_keeps_its_members(chat: Chat) -> None:
    broken = CALL | {"function": {"name": "f", "arguments": '{"a'}, "extra_content": {"x": 1}}
    (call,) = (await again(chat, call=broken))["tool_calls"]
    assert call == {
        "id": "call_1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"x": 1},
    }


def at(server: str, part: Part) -> Part:
    """`part` as one that the other server made."""
    if not isinstance(part, Text | Reasoning | ToolCall) or part.native is None:
        return part
    return part.model_copy(update={"native": part.native.model_copy(update={"server": server})})


async def test_another_server_gets_none_of_it(chat: Chat) -> None:
    signed = {"google": {"thought_signature": "c2ln"}}
    told = await chat.of(
        chunk({"reasoning_content": "Hm.", "x_state": "s1"}), called(CALL | {"extra_content": signed}), STOP
    )
    foreign = Answer(tuple(at("openai-chat@elsewhere", part) for part in told.parts), told.model, told.usage, told.stop)
    (said,) = assistants(await chat.after(foreign))
    function = {"name": "f", "arguments": '{"a":1}'}
    assert said["tool_calls"] == [{"id": made_id("t1.s1.c1"), "type": "function", "function": function}]
    assert said.keys() == {"role", "content", "tool_calls"}


def thought_and_call(number: int) -> Any:
    native = Native(api="openai.chat", block={"reasoning_content": None})
    call = ToolCall(call_id=f"t1.s{number}.c1", name="f", args={})
    return message("assistant", Reasoning(text=f"Hm {number}.", native=native), call)


def result(number: int) -> Any:
    return message("tool", ToolResult(call_id=f"t1.s{number}.c1", name="f", output="ok"))


@pytest.mark.parametrize(
    ("back", "thoughts"), [("always", ["Hm 1.", "Hm 2."]), ("loop", [None, "Hm 2."]), ("never", [None, None])]
)
async def test_how_long_reasoning_goes_back(back: Any, thoughts: list[Any]) -> None:
    said = (user("go"), thought_and_call(1), result(1), user("and?"), thought_and_call(2), result(2))
    async with chatting(Dialect(reasoning_back=back)) as chat:
        await chat.of_messages(*said)
        assert [each.get("reasoning_content") for each in assistants(chat.requests[-1])] == thoughts


async def test_where_a_server_misses_reasoning_each_call_has_some() -> None:
    """Behind a move from another server, too."""
    async with chatting(Dialect(reasoning_key="reasoning_content")) as chat:
        foreign = message("assistant", ToolCall(call_id="t1.s2.c1", name="f", args={}))
        plain = message("assistant", Text(text="Done."))
        said = (user("go"), thought_and_call(1), result(1), foreign, result(2), plain, user("and?"))
        await chat.of_messages(*said)
        assert [each.get("reasoning_content") for each in assistants(chat.requests[-1])] == ["Hm 1.", " ", None]
