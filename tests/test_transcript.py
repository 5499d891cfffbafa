"""A conversation moves freely between all providers: the real SDKs against a server that rejects what they reject."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from perdure.activities.models.provider_turns import encodable, parse_arguments
from perdure.activities.models.wire import Answer
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.activities.models.wires.openai_responses import OpenAIResponses
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.app.fakes.responses import encrypted
from perdure.temporal.app.fakes.rules import anthropic_complaint, chat_complaint, responses_complaint
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
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
)

TOOLS = tuple(
    ToolSpec(name=name, description="Looks.", input={"type": "object", "properties": {}})
    for name in ("look", "read", "f")
)
AT = datetime(2026, 11, 1, tzinfo=UTC)
CLAUDE = ModelDefinition(use="anthropic/claude-sonnet-5-5")
CHAT = ModelDefinition(use="openai-chat/gpt-6-sol")
GPT = ModelDefinition(use="openai/gpt-6-sol", thinking="low")
WIRES = (
    (AnthropicMessages({}), CLAUDE, anthropic_complaint),
    (OpenAIChat({}), CHAT, chat_complaint),
    (OpenAIResponses({}), GPT, responses_complaint),
)


def message(role: Role, *parts: Part, stopped: bool | None = None) -> Message:
    return Message(id="m", role=role, parts=parts, at=AT, stopped=stopped)


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as server:
        yield server


@pytest.mark.parametrize(
    "order", ["aoaoao", "aaooaa", "oaaooo", "oooaaa", "rrrrr", "araror", "rraaoorr", "orrroar", "ararrra"]
)
async def test_a_conversation_moves_between_providers(fake: FakeProvider, order: str) -> None:
    """`a` is Anthropic, `o` Chat Completions, `r` Responses."""
    fake.default(Reply(reasoning="I think.", text="Well.", tools=(("look", {"at": "it"}), ("look", "{broken"))))
    wires: dict[str, tuple[AnthropicMessages | OpenAIChat | OpenAIResponses, ModelDefinition, str]] = {
        "a": (AnthropicMessages({}, partial(AsyncAnthropic, api_key="k")), CLAUDE, fake.url),
        "o": (OpenAIChat({}), CHAT, fake.chat_url),
        "r": (OpenAIResponses({}), GPT, fake.chat_url),
    }
    history: tuple[Message, ...] = (message("user", Text(text="go")),)
    for number, letter in enumerate(order):
        wire, model, url = wires[letter]
        prompt = Prompt(model=model.model_copy(update={"base_url": url}), system="", tools=TOOLS)
        request = wire.request(prompt, history)
        (answer,) = [i async for i in wire.stream(request, prompt, f"t1.s{number}") if isinstance(i, Answer)]
        calls = [part for part in answer.parts if isinstance(part, ToolCall)]
        # Half of the time a result is missing, as after a stop.
        results = [ToolResult(call_id=call.call_id, name=call.name, output="seen") for call in calls[number % 2 :]]
        history += (message("assistant", *answer.parts), *(message("tool", result) for result in results))
    for wire, _, _ in wires.values():
        await wire.aclose()
    for number, call in enumerate(fake.calls):
        written = json.dumps(call.body["input" if call.api == "responses" else "messages"])
        own = order[:number].count(order[number])
        assert written.count('"signature"') == (own if call.api == "anthropic" else 0)
        assert written.count("encrypted_content") == (own if call.api == "responses" else 0)
        assert written.count("I think.") == own
        # Of a step's two calls, one has the provider's own id, when it is first seen.
        assert ("call_1" in written) == (order[number] in order[:number])
        assert "{broken" not in written
    # No request was rejected and sent again.
    assert len(fake.calls) == len(order)


texts = st.sampled_from(["", " ", "words", "\n"]).map(lambda text: Text(text=text))
natives = st.sampled_from(
    [
        None,
        Native(api="anthropic.messages", block={"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}),
        Native(api="openai.chat", block={"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}),
        Native(api="openai.chat", block={}),
        Native(
            api="openai.responses",
            block={"type": "function_call", "call_id": "call_9", "name": "f", "arguments": "{}", "status": "completed"},
        ),
        Native(api="openai.responses", block={}),
    ]
)
call_ids = st.sampled_from(["t1.s1.c1", "t1.s1.c2", "t2.s1.c1"])
calls = st.builds(lambda i, n: ToolCall(call_id=i, name="f", args={}, native=n), call_ids, natives)
results = st.builds(lambda i, e: ToolResult(call_id=i, name="f", output="x", is_error=e), call_ids, st.booleans())
thoughts = st.sampled_from(
    [
        Native(api="anthropic.messages", block={"type": "thinking", "thinking": "hm", "signature": ""}),
        Native(
            api="openai.responses",
            block={"type": "reasoning", "id": "rs_1_0", "summary": [], "encrypted_content": encrypted("rs_1_0", "")},
        ),
    ]
).map(lambda native: Reasoning(text="hm", native=native))
own_words: dict[str, JsonValue] = {"type": "message", "role": "assistant", "status": "completed"}
own_words["content"] = [{"type": "output_text", "text": "words", "annotations": []}]
spoken = st.just(Text(text="words", native=Native(api="openai.responses", block=own_words)))


def distinct(history: list[Message]) -> list[Message]:
    """Call ids and reasoning items are globally unique; those drawn by the strategies are not."""
    seen: set[str] = set()
    made: list[Message] = []
    for each in history:
        parts: list[Part] = []
        for part in each.parts:
            name = part.call_id if isinstance(part, ToolCall) else part.type
            if isinstance(part, ToolCall | Reasoning) and name in seen:
                continue
            parts.append(part)
            seen.add(name)
        made.append(each.model_copy(update={"parts": tuple(parts)}))
    return made


messages = st.lists(
    st.one_of(
        st.lists(texts, max_size=3).map(lambda parts: message("user", *parts)),
        st.lists(results, max_size=3).map(lambda parts: message("tool", *parts)),
        st.builds(
            lambda parts, stopped: message("assistant", *parts, stopped=stopped),
            st.lists(st.one_of(texts, spoken, calls, thoughts), max_size=4),
            st.sampled_from([None, True]),
        ),
    ),
    max_size=8,
).map(distinct)


@given(messages)
def test_whatever_the_transcript_no_provider_has_a_complaint(history: list[Message]) -> None:
    whole = (*history, message("user", Text(text="and now?")))
    for wire, model, complaint in WIRES:
        body = wire.request(Prompt(model=model, system="", tools=TOOLS), whole)
        assert complaint(body) is None
        assert body == wire.request(Prompt(model=model, system="", tools=TOOLS), whole)


@pytest.mark.parametrize("written", ["", " ", "{", "[1]", "1", "null", '{"a": NaN}', '{"a": "\\ud800"}', "{" * 100_000])
def test_arguments_that_are_no_json_object_are_kept_as_written(written: str) -> None:
    assert parse_arguments(written) == ({}, written)


def test_arguments_that_are() -> None:
    assert parse_arguments('{"a": [1, {"b": null}]}') == ({"a": [1, {"b": None}]}, None)
    assert parse_arguments("{}") == ({}, None)


def test_half_an_emoji_is_replaced() -> None:
    assert encodable("é\ud83d") == "é?"
    assert encodable("é😀") == "é😀"


@pytest.mark.parametrize(("wire", "model", "complaint"), WIRES)
def test_of_a_long_result_the_model_sees_head_and_tail(wire: Any, model: ModelDefinition, complaint: Any) -> None:
    call = ToolCall(call_id="t1.s1.c1", name="read", args={})
    long = "first " + "x" * 100_000 + " last"
    result = ToolResult(call_id=call.call_id, name="read", output=long)
    said = (message("user", Text(text="read")), message("assistant", call), message("tool", result))
    body = wire.request(Prompt(model=model, system="", tools=TOOLS, tool_output_tokens=400), said)
    sent = json.dumps(body)
    assert "first xxx" in sent
    assert "xxx last" in sent
    assert "characters left out" in sent
    assert len(sent) < 3_000
    assert long in json.dumps(
        wire.request(Prompt(model=model, system="", tools=TOOLS, tool_output_tokens=50_000), said)
    )


@pytest.mark.parametrize(("wire", "model", "complaint"), WIRES)
def test_the_model_is_told_of_arguments_that_a_person_changed(
    wire: Any, model: ModelDefinition, complaint: Any
) -> None:
    call = ToolCall(call_id="t1.s1.c1", name="read", args={"page": 1})
    result = ToolResult(call_id=call.call_id, name="read", output="two", changed_args='{"page":2}')
    said = (message("user", Text(text="read")), message("assistant", call), message("tool", result))
    body = wire.request(Prompt(model=model, system="", tools=TOOLS), said)
    assert complaint(body) is None
    words = '[A person changed this call\'s arguments before it ran. It ran with: {\\"page\\":2}]\\ntwo'
    assert words in json.dumps(body)
