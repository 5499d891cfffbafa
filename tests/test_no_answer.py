"""Responses that begin well, with status 200, and hold no answer, by every wire."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import pytest

from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.activities.models.wire import Wire
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.activities.models.wires.gemini import Gemini
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.activities.models.wires.openai_responses import OpenAIResponses
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Message, Text
from tests.support.body_server import JSON, Body, BodyServer, body_server

WIRES: Final = {
    "anthropic": AnthropicMessages,
    "openai": OpenAIResponses,
    "openai-chat": OpenAIChat,
    "gemini": Gemini,
}
GO: Final = Message(id="m", role="user", parts=(Text(text="go"),), at=datetime(2026, 11, 1, tzinfo=UTC))
PAGE: Final = Body(b"<html><head><title>x</title></head><body><h1>502</h1>bad&nbsp;gateway</body></html>", "text/html")


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


@pytest.fixture(params=WIRES)
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    keys = {"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k", "GEMINI_API_KEY": "k"}
    made = WIRES[request.param](keys)
    yield made
    await made.aclose()


async def failure(wire: Wire, server: BodyServer, body: Body) -> ModelFailure:
    use = next(name for name, kind in WIRES.items() if isinstance(wire, kind))
    prompt = Prompt(model=ModelDefinition(use=f"{use}/m", base_url=f"{server.url}/v1"), system="")
    server.give(body)
    with pytest.raises(ModelFailed) as caught:
        async for _ in wire.stream(wire.request(prompt, (GO,)), prompt, "t1.s1"):
            pass
    return caught.value.failure


def of_json(value: object) -> Body:
    return Body(json.dumps(value).encode(), JSON)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (PAGE, "sent no answer: 502 bad gateway"),
        (Body(b"upstream connect error", "text/plain"), "sent no answer: upstream connect error"),
        (Body(b""), "sent an empty response in place of an answer"),
        (Body(b": keep-alive\n\n"), "sent an empty response in place of an answer"),
        (Body(b"data: try later\n\n"), "sent no answer: try later"),
        (of_json({"msg": "upstream hiccup"}), "sent no answer: upstream hiccup"),
        (of_json({"ok": False}), 'sent no answer: {"ok":false}'),
        (of_json("sorry"), 'sent no answer: "sorry"'),
    ],
)
async def test_what_came_is_quoted_and_asked_for_once_more(
    wire: Wire, server: BodyServer, body: Body, words: str
) -> None:
    told = await failure(wire, server, body)
    assert (told.kind, told.retryable, told.most_broken) == (errors.MODEL_STREAM_TRUNCATED, True, 2)
    assert told.message.endswith(words)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 40003, "msg": "invalid token"}, errors.MODEL_AUTH),
        ({"code": 401, "message": "who are you?"}, errors.MODEL_AUTH),
        ({"status_code": "403", "detail": "no"}, errors.MODEL_AUTH),
        ({"success": False, "error_msg": "Insufficient balance"}, errors.MODEL_QUOTA),
        ({"errcode": 7, "errors": [{"reason": "The model gpt-9 does not exist"}]}, errors.MODEL_NOT_FOUND),
        ({"code": 429, "msg": "slow down"}, errors.MODEL_RATE_LIMITED),
        ({"detail": "the prompt is too long"}, errors.MODEL_CONTEXT_LENGTH),
    ],
)
async def test_an_error_with_status_200_is_read_as_any_error(
    wire: Wire, server: BodyServer, body: object, kind: str
) -> None:
    told = await failure(wire, server, of_json(body))
    assert told.kind == kind
    assert told.retryable == (kind == errors.MODEL_RATE_LIMITED)


async def test_an_answer_that_began_broke_off(wire: Wire, server: BodyServer) -> None:
    begun = {
        "anthropic": {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
        "openai": {"type": "response.created", "response": {"status": "in_progress"}},
        "openai-chat": {"choices": [{"index": 0, "delta": {"role": "assistant"}}]},
        "gemini": {"candidates": [{"content": {"parts": []}}]},
    }
    name = next(name for name, kind in WIRES.items() if isinstance(wire, kind))
    told = await failure(wire, server, Body(f"data: {json.dumps(begun[name])}\n\n".encode()))
    assert (told.kind, told.most_broken) == (errors.MODEL_STREAM_TRUNCATED, None)
    assert told.message.endswith("broke off in mid-answer")
