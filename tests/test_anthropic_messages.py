import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from pydantic import JsonValue

from perdure.activities.models.call_ids import made_id
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply, signature
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import (
    Data,
    File,
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

API = "anthropic.messages"
MODEL = ModelDefinition(use="anthropic/claude-sonnet-5-5")
TOOL = ToolSpec(name="find_order", description="Finds.", input={"type": "object", "properties": {}})
STRICT = {**TOOL.input, "required": [], "additionalProperties": False}
SIGNED = Reasoning(
    text="Hmm.",
    native=Native(api=API, block={"type": "thinking", "thinking": "Hmm.", "signature": signature("Hmm.")}),
)


def message(role: Role, *parts: Part, stopped: bool | None = None) -> Message:
    return Message(id="m", role=role, parts=parts, at=datetime(2026, 11, 1, tzinfo=UTC), stopped=stopped)


def user(text: str) -> Message:
    return message("user", Text(text=text))


def call(number: int, **args: JsonValue) -> ToolCall:
    return ToolCall(call_id=f"t1.s1.c{number}", name="find_order", args=args)


def result(number: int, output: JsonValue, is_error: bool = False) -> Message:
    return message("tool", ToolResult(call_id=f"t1.s1.c{number}", name="find_order", output=output, is_error=is_error))


def sent(*messages: Message, model: ModelDefinition = MODEL) -> Any:
    return AnthropicMessages({}).request(Prompt(model=model, system="", tools=(TOOL,)), messages)["messages"]


def test_the_whole_body() -> None:
    model = ModelDefinition(use="anthropic/claude-sonnet-5-5", thinking="high", max_output_tokens=9)
    prompt = Prompt(
        model=model, system="Be brief.", examples=(user("a"), message("assistant", Text(text="b"))), tools=(TOOL,)
    )
    assert AnthropicMessages({}).request(prompt, (user("c"),)) == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 9,
        "stream": True,
        "system": "Be brief.",
        "tools": [{"name": "find_order", "description": "Finds.", "input_schema": STRICT, "strict": True}],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high"},
        "cache_control": {"type": "ephemeral"},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
            {"role": "user", "content": [{"type": "text", "text": "c"}]},
        ],
    }


def test_results_come_first_in_the_order_of_calls_and_none_is_missing() -> None:
    assert sent(
        user("go"),
        message("assistant", Text(text=" "), call(1, id="A"), call(2), call(3)),
        user("and?"),
        result(2, {"message": "no", "type": "x"}, is_error=True),
        result(1, "found"),
        result(1, "twice"),
        result(9, "to no call"),
    )[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": made_id("t1.s1.c1"), "name": "find_order", "input": {"id": "A"}},
                {"type": "tool_use", "id": made_id("t1.s1.c2"), "name": "find_order", "input": {}},
                {"type": "tool_use", "id": made_id("t1.s1.c3"), "name": "find_order", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": made_id("t1.s1.c1"), "content": "found", "is_error": False},
                {
                    "type": "tool_result",
                    "tool_use_id": made_id("t1.s1.c2"),
                    "content": '{"message":"no","type":"x"}',
                    "is_error": True,
                },
                {
                    "type": "tool_result",
                    "tool_use_id": made_id("t1.s1.c3"),
                    "content": '{"type":"stopped","message":"This call was stopped before it had a result.",'
                    '"retryable":false}',
                    "is_error": True,
                },
                {"type": "text", "text": "and?"},
            ],
        },
    ]


def test_own_blocks_go_back_verbatim_and_foreign_ones_do_not() -> None:
    own = ToolCall(
        call_id="t1.s1.c1",
        name="find_order",
        args={"id": 1},
        native=Native(api=API, block={"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"id": 1}}),
    )
    foreign = ToolCall(
        call_id="t1.s1.c2",
        name="find_order",
        args={},
        native=Native(api="openai.chat", block={"id": "call_2", "type": "function"}),
    )
    unsigned = Reasoning(text="…", native=Native(api=API, block={"type": "thinking", "thinking": "…", "signature": ""}))
    alien = Reasoning(text="hm", native=Native(api="openai.chat", block={"reasoning_content": "hm"}))
    messages = sent(
        user("go"), message("assistant", SIGNED, unsigned, alien, own, foreign), result(1, "a"), result(2, "b")
    )
    assert messages[1]["content"] == [
        {"type": "thinking", "thinking": "Hmm.", "signature": signature("Hmm.")},
        {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"id": 1}},
        {"type": "tool_use", "id": made_id("t1.s1.c2"), "name": "find_order", "input": {}},
    ]
    assert [block["tool_use_id"] for block in messages[2]["content"]] == ["toolu_1", made_id("t1.s1.c2")]


def test_a_provider_that_repeats_its_ids() -> None:
    def same(step: int) -> Message:
        native = Native(api=API, block={"type": "tool_use", "id": "call_0", "name": "find_order", "input": {}})
        return message("assistant", ToolCall(call_id=f"t1.s{step}.c1", name="find_order", args={}, native=native))

    messages = sent(user("go"), same(1), same(2))
    assert [m["content"][0]["id"] for m in messages if m["role"] == "assistant"] == ["call_0", made_id("t1.s2.c1")]


def test_of_a_stopped_answer_only_the_text_goes_back() -> None:
    stopped = message("assistant", SIGNED, Text(text="I was ab"), call(1), stopped=True)
    assert sent(user("go"), stopped, result(1, "x"), user("on")) == [
        {"role": "user", "content": [{"type": "text", "text": "go"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "I was ab"}]},
        {"role": "user", "content": [{"type": "text", "text": "on"}]},
    ]


def test_nothing_is_blank_and_roles_alternate() -> None:
    empty = message("assistant", Reasoning(text="only thoughts"))
    assert sent(user("one"), empty, user("\n"), user("two"), message("assistant", Text(text="a")), user("  ")) == [
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
        {"role": "user", "content": [{"type": "text", "text": "(an empty message)"}]},
    ]


def test_files_and_data_are_named_in_text() -> None:
    file = File(uri="blob:1", media_type="text/csv", name="a.csv")
    assert sent(message("user", file, Data(name="cart", value={"n": 1})))[0]["content"] == [
        {"type": "text", "text": "[file a.csv (text/csv)]"},
        {"type": "text", "text": 'cart: {"n":1}'},
    ]


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as server:
        yield server


@pytest.fixture
async def wire(fake: FakeProvider) -> AsyncIterator[AnthropicMessages]:
    made = AnthropicMessages({"PORT": fake.url.rpartition(":")[2]}, partial(AsyncAnthropic, api_key="k"))
    yield made
    await made.aclose()


PROMPT = Prompt(
    model=ModelDefinition(use="anthropic/claude-sonnet-5-5", base_url="http://127.0.0.1:${PORT}"),
    system="",
    tools=(TOOL,),
)


async def play(wire: AnthropicMessages, *messages: Message) -> list[Started | Delta | Answer]:
    return [item async for item in wire.stream(wire.request(PROMPT, messages), PROMPT, "t1.s1")]


async def test_a_whole_stream(fake: FakeProvider, wire: AnthropicMessages) -> None:
    fake.script(
        Reply(
            reasoning="Let me",
            text="I look.",
            tools=(("find_order", {"id": 1}), ("find_order", "{broken")),
            input_tokens=100,
            cached_tokens=80,
            output_tokens=20,
            reasoning_tokens=3,
        )
    )
    items = await play(wire, user("go"))
    assert items[0] == Started(Usage(input_tokens=100, cached_tokens=80, output_tokens=1))
    assert items[1:-1] == [
        Delta(0, "reasoning", "Let "),
        Delta(0, "reasoning", "me"),
        Delta(1, "text", "I "),
        Delta(1, "text", "look."),
        Delta(2, "tool_input", "", "find_order"),
        Delta(2, "tool_input", '{"id": 1'),
        Delta(2, "tool_input", "}"),
        Delta(3, "tool_input", "", "find_order"),
        Delta(3, "tool_input", "{broken"),
    ]
    thinking: dict[str, JsonValue] = {"type": "thinking", "thinking": "Let me", "signature": signature("Let me")}
    first: dict[str, JsonValue] = {"type": "tool_use", "id": "call_1", "name": "find_order", "input": {"id": 1}}
    second: dict[str, JsonValue] = {"type": "tool_use", "id": "call_2", "name": "find_order", "input": {}}
    assert items[-1] == Answer(
        parts=(
            Reasoning(text="Let me", native=Native(api=API, block=thinking)),
            Text(text="I look."),
            ToolCall(call_id="t1.s1.c1", name="find_order", args={"id": 1}, native=Native(api=API, block=first)),
            ToolCall(
                call_id="t1.s1.c2",
                name="find_order",
                args={},
                args_raw="{broken",
                native=Native(api=API, block=second),
            ),
        ),
        model="claude-sonnet-5-5",
        usage=Usage(input_tokens=100, cached_tokens=80, output_tokens=20, reasoning_tokens=3),
        stop="tool_calls",
    )
    assert fake.calls[0].body == wire.request(PROMPT, (user("go"),))
    assert fake.calls[0].whole


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        ("end_turn", "end"),
        ("max_tokens", "max_tokens"),
        ("pause_turn", "pause"),
        ("model_context_window_exceeded", "context_window"),
        ("something_new", "other"),
    ],
)
async def test_stop_reasons(fake: FakeProvider, wire: AnthropicMessages, word: str, stop: str) -> None:
    fake.script(Reply(stop=word))
    answer = (await play(wire, user("go")))[-1]
    assert isinstance(answer, Answer)
    assert answer.stop == stop


async def test_a_refusal_is_an_answer_in_words(fake: FakeProvider, wire: AnthropicMessages) -> None:
    fake.script(Reply(refusal="I must not."))
    answer = (await play(wire, user("go")))[-1]
    assert isinstance(answer, Answer)
    assert (answer.stop, answer.parts) == ("refusal", (Text(text="I must not."),))


async def test_closing_early_closes_the_stream_at_once(fake: FakeProvider, wire: AnthropicMessages) -> None:
    fake.script(Reply(text="one two three", gap=60))
    async with aclosing(wire.stream(wire.request(PROMPT, (user("go"),)), PROMPT, "t1.s1")) as items:
        async for item in items:
            if isinstance(item, Delta):
                break
    async with asyncio.timeout(1):
        await fake.until(lambda calls: calls[0].closed_at is not None)


async def test_cancelling_closes_the_stream_at_once(fake: FakeProvider, wire: AnthropicMessages) -> None:
    fake.script(Reply(text="one two three", gap=60))
    task = asyncio.create_task(play(wire, user("go")))
    await fake.until(lambda calls: bool(calls) and len(calls[0].tokens) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await fake.until(lambda calls: calls[0].closed_at is not None)


async def test_one_connection_serves_many_steps(fake: FakeProvider, wire: AnthropicMessages) -> None:
    for _ in range(3):
        await play(wire, user("go"))
    assert fake.connections == 1


async def test_thinking_bound_to_another_conversation_is_left_out_once(
    fake: FakeProvider, wire: AnthropicMessages
) -> None:
    refusal = Reply(status=400, message="messages.1: The block is bound to a different conversation")
    history = (user("a"), message("assistant", SIGNED, Text(text="b")), user("c"))
    fake.script(refusal, Reply(text="fine"), refusal, refusal)
    assert isinstance((await play(wire, *history))[-1], Answer)
    assert fake.calls[1].body["messages"][1] == {"role": "assistant", "content": [{"type": "text", "text": "b"}]}
    with pytest.raises(ModelFailed) as caught:
        await play(wire, *history)
    assert (caught.value.failure.kind, len(fake.calls)) == (errors.MODEL_INVALID_REQUEST, 4)
    fake.script(refusal)
    with pytest.raises(ModelFailed):
        await play(wire, user("nothing to leave out"))
    assert len(fake.calls) == 5


@pytest.mark.parametrize("empty", ["HOME", "ANTHROPIC_CONFIG_DIR"])
async def test_without_a_key_it_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty: str) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(empty, str(tmp_path))
    wire = AnthropicMessages({})
    prompt = Prompt(model=MODEL, system="")
    with pytest.raises(ModelFailed) as caught:
        async for _ in wire.stream(wire.request(prompt, (user("go"),)), prompt, "t1.s1"):
            pass
    await wire.aclose()
    assert (caught.value.failure.kind, caught.value.failure.retryable) == (errors.MODEL_NO_KEY, False)
    assert "ANTHROPIC_API_KEY" in caught.value.failure.message


async def test_a_base_url_with_an_unknown_variable_says_which(wire: AnthropicMessages) -> None:
    prompt = Prompt(model=MODEL.model_copy(update={"base_url": "${NO_SUCH}/v1"}), system="")
    with pytest.raises(ModelFailed, match="NO_SUCH") as caught:
        async for _ in wire.stream(wire.request(prompt, (user("go"),)), prompt, "t1.s1"):
            pass
    assert caught.value.failure.kind == errors.MODEL_NO_KEY
