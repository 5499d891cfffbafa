import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import JsonValue

from perdure.activities.models.call_ids import made_id
from perdure.activities.models.clients import PLACEHOLDER_KEY
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import (
    Message,
    Native,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)

API = "openai.chat"
TOOL = ToolSpec(name="find_order", description="Finds.", input={"type": "object", "properties": {}})
STRICT = {**TOOL.input, "required": [], "additionalProperties": False}
LOCAL: dict[str, Any] = {"use": "openai-chat/llama3.2", "base_url": "http://127.0.0.1:11434/v1"}


def message(role: Role, *parts: Part) -> Message:
    return Message(id="m", role=role, parts=parts, at=datetime(2026, 11, 1, tzinfo=UTC))


def user(text: str) -> Message:
    return message("user", Text(text=text))


def function(call_id: str, arguments: str) -> dict[str, JsonValue]:
    return {"id": call_id, "type": "function", "function": {"name": "find_order", "arguments": arguments}}


def body(*messages: Message, environment: dict[str, str] | None = None, **model: Any) -> Any:
    prompt = Prompt(
        model=ModelDefinition(**{"use": "openai-chat/gpt-6-sol"} | model), system="Be brief.", tools=(TOOL,)
    )
    return OpenAIChat(environment or {}).request(prompt, messages)


def test_the_whole_body() -> None:
    assert body(user("a"), thinking="low", max_output_tokens=9) == {
        "model": "gpt-6-sol",
        "max_completion_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {"name": "find_order", "description": "Finds.", "parameters": STRICT, "strict": True},
            }
        ],
        # With tools, this model takes no other effort over Chat Completions.
        "reasoning_effort": "none",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}],
    }


def test_compatible_servers_are_told_the_older_name_of_the_limit() -> None:
    assert body(**LOCAL)["max_tokens"] == 4096
    assert body(environment={"OPENAI_BASE_URL": "http://localhost/v1"})["max_tokens"] == 4096
    assert body(base_url="https://eu.api.openai.com/v1")["max_completion_tokens"] == 4096


def test_calls_and_results() -> None:
    own = ToolCall(
        call_id="t1.s1.c1",
        name="find_order",
        args={"id": 1},
        native=Native(api=API, block=function("call_1", '{ "id": 1 }')),
    )
    broken = ToolCall(
        call_id="t1.s1.c2",
        name="find_order",
        args={},
        args_raw="{broken",
        native=Native(api=API, block=function("call_2", "{broken")),
    )
    foreign = ToolCall(
        call_id="t1.s1.c3",
        name="find_order",
        args={"id": "ü"},
        native=Native(api="anthropic.messages", block={"type": "tool_use", "id": "toolu_3"}),
    )
    results = message(
        "tool",
        ToolResult(call_id="t1.s1.c3", name="find_order", output={"a": 1}),
        ToolResult(call_id="t1.s1.c2", name="find_order", output="bad", is_error=True),
    )
    assert body(user("go"), message("assistant", Reasoning(text="hm"), own, broken, foreign), results, user("and?"))[
        "messages"
    ][2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                function("call_1", '{ "id": 1 }'),
                function("call_2", "{}"),
                function(made_id("t1.s1.c3"), '{"id":"ü"}'),
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": 'Error: {"type":"stopped","message":"This call was stopped before it had a result.",'
            '"retryable":false}',
        },
        {"role": "tool", "tool_call_id": "call_2", "content": "Error: bad"},
        {"role": "tool", "tool_call_id": made_id("t1.s1.c3"), "content": '{"a":1}'},
        {"role": "user", "content": "and?"},
    ]


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as server:
        yield server


@pytest.fixture
async def wire(fake: FakeProvider) -> AsyncIterator[OpenAIChat]:
    made = OpenAIChat({"OPENAI_BASE_URL": fake.chat_url})
    yield made
    await made.aclose()


PROMPT = Prompt(model=ModelDefinition(use="openai-chat/llama3.2"), system="", tools=(TOOL,))


async def play(wire: OpenAIChat, *messages: Message) -> list[Started | Delta | Answer]:
    return [item async for item in wire.stream(wire.request(PROMPT, messages), PROMPT, "t1.s1")]


async def answer(wire: OpenAIChat) -> Answer:
    last = (await play(wire, user("go")))[-1]
    assert isinstance(last, Answer)
    return last


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_a_whole_stream(fake: FakeProvider, wire: OpenAIChat, key: str) -> None:
    fake.script(
        Reply(
            reasoning="Let me",
            reasoning_key=key,
            text="I look.",
            tools=(("find_order", {"id": 1}), ("find_order", "[1]")),
            input_tokens=100,
            cached_tokens=80,
            output_tokens=20,
            reasoning_tokens=3,
        )
    )
    items = await play(wire, user("go"))
    assert items[:-1] == [
        Started(Usage()),
        Delta(0, "reasoning", "Let "),
        Delta(0, "reasoning", "me"),
        Delta(1, "text", "I "),
        Delta(1, "text", "look."),
        Delta(2, "tool_input", "", "find_order"),
        Delta(2, "tool_input", '{"id": 1'),
        Delta(2, "tool_input", "}"),
        Delta(3, "tool_input", "", "find_order"),
        Delta(3, "tool_input", "[1]"),
    ]
    first, second = function("call_1", '{"id": 1}'), function("call_2", "[1]")
    assert items[-1] == Answer(
        parts=(
            Reasoning(text="Let me", native=Native(api=API, block={key: None})),
            Text(text="I look."),
            ToolCall(call_id="t1.s1.c1", name="find_order", args={"id": 1}, native=Native(api=API, block=first)),
            ToolCall(
                call_id="t1.s1.c2", name="find_order", args={}, args_raw="[1]", native=Native(api=API, block=second)
            ),
        ),
        model="llama3.2",
        usage=Usage(input_tokens=100, cached_tokens=80, output_tokens=20, reasoning_tokens=3),
        stop="tool_calls",
    )
    assert fake.calls[0].body == wire.request(PROMPT, (user("go"),))
    assert fake.calls[0].headers["authorization"] == f"Bearer {PLACEHOLDER_KEY}"


async def test_servers_that_leave_things_out(fake: FakeProvider, wire: OpenAIChat) -> None:
    fake.script(
        Reply(text="", tools=(("find_order", {}),), usage="bare", call_id="", stop="stop"),
        Reply(usage="none"),
        Reply(text="", stop="length"),
        Reply(stop="content_filter"),
        Reply(refusal="I must not."),
    )
    bare = await answer(wire)
    assert bare.parts == (ToolCall(call_id="t1.s1.c1", name="find_order", args={}),)
    assert (bare.usage, bare.stop) == (Usage(input_tokens=10, output_tokens=5), "tool_calls")
    assert (await answer(wire)).usage == Usage()
    cut = await answer(wire)
    assert (cut.parts, cut.stop) == ((), "max_tokens")
    assert (await answer(wire)).stop == "content_filter"
    refused = await answer(wire)
    assert (refused.parts, refused.stop) == ((Text(text="I must not."),), "refusal")


async def test_closing_early_closes_the_stream_at_once(fake: FakeProvider, wire: OpenAIChat) -> None:
    fake.script(Reply(text="one two three", gap=60))
    async with aclosing(wire.stream(wire.request(PROMPT, (user("go"),)), PROMPT, "t1.s1")) as items:
        async for item in items:
            if isinstance(item, Delta):
                break
    async with asyncio.timeout(1):
        await fake.until(lambda calls: calls[0].closed_at is not None)


async def test_cancelling_closes_the_stream_at_once(fake: FakeProvider, wire: OpenAIChat) -> None:
    fake.script(Reply(text="one two three", gap=60))
    task = asyncio.create_task(play(wire, user("go")))
    await fake.until(lambda calls: bool(calls) and len(calls[0].tokens) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await fake.until(lambda calls: calls[0].closed_at is not None)


async def test_one_connection_serves_many_steps(fake: FakeProvider, wire: OpenAIChat) -> None:
    for _ in range(3):
        await play(wire, user("go"))
    assert fake.connections == 1


async def test_without_a_key_it_says_which() -> None:
    wire = OpenAIChat({})
    with pytest.raises(ModelFailed, match="OPENAI_API_KEY") as caught:
        await play(wire, user("go"))
    await wire.aclose()
    assert (caught.value.failure.kind, caught.value.failure.retryable) == (errors.MODEL_NO_KEY, False)
