"""Conversations that a Chat Completions server refuses for their form, and takes in another."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perdure.activities.models.failures import ModelFailed
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.vocabulary.parts import Native, Reasoning, ToolCall, ToolResult
from tests.support.body_server import JSON, Body
from tests.support.chat import Chat, chatting, chunk, message, stream, user

SIGNED: dict[str, Any] = {"google": {"thought_signature": "c2ln"}}
BLOCK: dict[str, Any] = {"id": "call_1", "function": {"name": "f", "arguments": "{}"}, "extra_content": SIGNED}
SAID = (
    user("go"),
    message(
        "assistant",
        Reasoning(native=Native(api="openai.chat", block={"reasoning_details": [{"type": "reasoning.encrypted"}]})),
        ToolCall(call_id="t1.s1.c1", name="f", args={}, native=Native(api="openai.chat", block=BLOCK)),
    ),
    message("tool", ToolResult(call_id="t1.s1.c1", name="f", output="ok")),
    user("and?"),
)
DONE = stream(chunk({"content": "Done."}, "stop"))


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    async with chatting(Dialect(null_content=True)) as made:
        yield made


def refused(words: str) -> Body:
    return Body(json.dumps({"error": {"message": words}}).encode(), JSON, status=400)


async def asked_again(chat: Chat, *words: str) -> list[dict[str, Any]]:
    """The messages that the server takes after it refused for these reasons."""
    for each in words:
        chat.refuse_with(refused(each))
    answer = await chat.answer(DONE, *SAID)
    assert len(answer.adapted) == len(words)
    assert len(chat.requests) == len(words) + 1
    messages: list[dict[str, Any]] = chat.requests[-1]["messages"]
    return messages


@pytest.mark.parametrize(
    "words",
    [
        "Unexpected role 'user' after role 'tool'",
        "After the optional system message, conversation roles must alternate user and assistant roles",
    ],
)
async def test_no_person_speaks_right_behind_a_result(chat: Chat, words: str) -> None:
    roles = [each["role"] for each in await asked_again(chat, words)]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize(
    "words",
    [
        "Invalid type for 'messages[2].content': expected a string, but got null instead.",
        "Failed to deserialize the JSON body: messages[2]: missing field `content` at line 1",
        "Invalid request: message at position 2 with role 'assistant' must not be empty",
    ],
)
async def test_a_message_without_text(chat: Chat, words: str) -> None:
    assert (await asked_again(chat, words))[2]["content"] == ""


async def test_a_message_with_an_empty_text(chat: Chat) -> None:
    assert (await asked_again(chat, *["messages.2.content must not be empty"] * 2))[2]["content"] == " "


@pytest.mark.parametrize(
    "words", ["Thought signature is not valid", "messages.1: Invalid `signature` in `thinking` block"]
)
async def test_signatures_of_another_account_or_model(chat: Chat, words: str) -> None:
    answer = (await asked_again(chat, words))[2]
    assert "reasoning_details" not in answer
    assert "extra_content" not in answer["tool_calls"][0]


async def test_what_no_form_helps_against_is_final(chat: Chat) -> None:
    with pytest.raises(ModelFailed, match="Nothing of the kind"):
        await chat.answer(refused("Nothing of the kind"), *SAID)
    assert len(chat.requests) == 1
