"""How each wire asks for an answer of a form, with the real SDKs against the fake provider, and what follows on a refusal."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from perdure.activities.models.answer_validation import checked_answer
from perdure.activities.models.providers import Providers
from perdure.activities.models.structured_output import InWords, in_words
from perdure.activities.models.wire import Answer
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Text, ToolSpec
from tests.support.refusals import CHAT, RESPONSES, cured, openai

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "topic": {"type": "string"},
        "urgency": {"type": "integer", "minimum": 1},
        "note": {"type": "string"},
    },
    "required": ["topic", "urgency"],
}
#: A value of any form in it: strict mode has no word for that.
OPEN: dict[str, Any] = {"type": "object", "properties": {"topic": {}}, "required": ["topic"]}
TOOL = ToolSpec(name="look", description="Looks.", input={"type": "object", "properties": {}})
VALUE = {"topic": "refund", "urgency": 2}
#: As strict mode makes a model write it.
WRITTEN = json.dumps(VALUE | {"note": None})


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as provider:
        provider.default(Reply(text=WRITTEN))
        yield provider


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake provider stands in for the providers' own servers."""
    # The SDK reads it from the environment itself.
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    for name in ("anthropic", "openai", "openai-chat", "gemini"):
        provider = PROVIDERS[name]
        own = replace(provider, elsewhere=provider.dialect, elsewhere_models=provider.models)
        monkeypatch.setitem(PROVIDERS, name, own)


async def asked(
    fake: FakeProvider, use: str, dialect: str, schema: dict[str, Any] = SCHEMA, *, tools: bool = True, **model: Any
) -> tuple[dict[str, Any], Answer]:
    """The last body that was sent, and the answer."""
    providers = Providers({"OPENAI_API_KEY": "k", "GEMINI_API_KEY": "k"})
    model["base_url"] = fake.at(dialect)
    definition = ModelDefinition(use=use, **model)
    prompt = Prompt(model=definition, system="Sort.", tools=(TOOL,) if tools else (), output=schema)
    message = Message(id="m", role="user", parts=(Text(text="Hi"),), at=datetime(2026, 11, 1, tzinfo=UTC))
    wire = providers.wire(definition)
    try:
        answers = [
            item
            async for item in wire.stream(wire.request(prompt, (message,)), prompt, "t1.s1")
            if isinstance(item, Answer)
        ]
    finally:
        await providers.aclose()
    (answer,) = answers
    checked = checked_answer(answer.parts, answer.stop, schema)
    assert checked is not None
    assert checked.value == (VALUE if schema is SCHEMA else VALUE | {"note": None})
    return fake.calls[-1].body, answer


CLOSED = {
    "type": "object",
    "properties": {
        "topic": {"type": "string"},
        "urgency": {"type": "integer", "minimum": 1},
        "note": {"type": ["string", "null"]},
    },
    "required": ["topic", "urgency", "note"],
    "additionalProperties": False,
}


@pytest.mark.usefixtures("own")
async def test_anthropic_messages(fake: FakeProvider) -> None:
    body, _ = await asked(fake, "anthropic/claude-sonnet-5-5", "anthropic", thinking="medium")
    form = body["output_config"].pop("format")
    assert form["type"] == "json_schema"
    assert form["schema"]["additionalProperties"] is False
    assert form["schema"]["properties"]["urgency"]["description"] == "(minimum: 1)"
    # How much it thinks lies beside it.
    assert body["output_config"] == {"effort": "medium"}
    assert body["system"] == "Sort."


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("use", "schema"), [("anthropic/claude-3-7-sonnet", SCHEMA), ("anthropic/claude-sonnet-5-5", OPEN)]
)
async def test_what_anthropic_cannot_be_kept_to_is_said_in_words(
    fake: FakeProvider, use: str, schema: dict[str, Any]
) -> None:
    body, _ = await asked(fake, use, "anthropic", schema)
    assert "format" not in body.get("output_config", {})
    assert body["system"] == f"Sort.\n\n{in_words(schema)}"


@pytest.mark.usefixtures("own")
async def test_openai_responses(fake: FakeProvider) -> None:
    body, _ = await asked(fake, "openai/gpt-6-sol", "openai")
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "answer", "schema": CLOSED, "strict": True},
    }
    assert body["instructions"] == "Sort."


@pytest.mark.usefixtures("own")
async def test_chat_completions(fake: FakeProvider) -> None:
    body, _ = await asked(fake, "openai-chat/gpt-6-sol", "openai-chat")
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": CLOSED, "strict": True},
    }
    body, _ = await asked(fake, "openai-chat/gpt-6-sol", "openai-chat", OPEN)
    assert body["response_format"]["json_schema"] == {"name": "answer", "schema": OPEN, "strict": False}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("model", "tools", "native"), [("3-pro", True, True), ("2.5-pro", True, False), ("2.5-pro", False, True)]
)
async def test_gemini(fake: FakeProvider, model: str, tools: bool, native: bool) -> None:
    """Before the third generation, tools and a form exclude each other."""
    body, _ = await asked(fake, f"gemini/gemini-{model}", "gemini", tools=tools)
    config = body["generationConfig"]
    told = body["systemInstruction"]["parts"][0]["text"]
    if native:
        assert (config["responseMimeType"], config["responseJsonSchema"]) == ("application/json", SCHEMA)
        assert told == "Sort."
    else:
        assert "responseMimeType" not in config
        assert told == f"Sort.\n\n{in_words(SCHEMA)}"


@pytest.mark.parametrize("dialect", ["deepseek", "mistral", "vllm", "llama-cpp"])
async def test_a_server_that_merely_speaks_the_api_is_told_in_words(fake: FakeProvider, dialect: str) -> None:
    body, answer = await asked(fake, "openai-chat/some-model", dialect, price={"input": 0, "output": 0})
    assert "response_format" not in body
    assert in_words(SCHEMA) in body["messages"][0]["content"]
    assert not [words for words in answer.adapted if "in words" in words]


@pytest.mark.usefixtures("own")
async def test_a_server_that_refuses_the_form_is_told_in_words(fake: FakeProvider) -> None:
    fake.script(Reply(status=400, error="invalid_request_error", message="Unknown parameter: 'response_format'."))
    body, answer = await asked(fake, "openai-chat/gpt-6-sol", "openai-chat")
    assert answer.adapted == ("response_format: in words",)
    assert "response_format" not in body
    assert body["messages"][0]["content"].startswith("Sort.\n\nYour final answer")


FORM: dict[str, Any] = {"type": "json_schema", "name": "answer", "schema": SCHEMA}
IN_CHAT: dict[str, Any] = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
}
IN_RESPONSES: dict[str, Any] = {"text": {"format": FORM, "verbosity": "low"}}


@pytest.mark.parametrize(
    "words",
    [
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        "json mode cannot be combined with tool/function calling",
        "Cannot use custom grammar constraints with tools.",
        "This response_format type is unavailable now",
    ],
)
def test_refusals_of_chat_completions(words: str) -> None:
    assert cured(CHAT | IN_CHAT, openai(words)) == ["response_format: in words"]


def test_other_refusals() -> None:
    assert cured(CHAT | IN_CHAT, openai("Unknown parameter: 'seed'.")) == ["seed: dropped"]
    refused = openai("Unsupported parameter: 'text.format'", "text.format")
    assert cured(RESPONSES | IN_RESPONSES, refused) == ["text.format: in words"]
    effort: dict[str, Any] = {"model": "m", "messages": [], "output_config": {"effort": "low", "format": FORM}}
    refused = openai("This model does not support the effort parameter.", "output_config")
    assert cured(effort, refused) == ["output_config.effort: dropped"]


def test_where_the_words_go() -> None:
    change = InWords(("text", "format", "schema"))
    told = change.apply(RESPONSES | IN_RESPONSES)
    assert told["text"] == {"verbosity": "low"}
    assert told["instructions"] == f"Be brief.\n\n{in_words(SCHEMA)}"
    change = InWords(("response_format", "json_schema", "schema"))
    assert change.apply(IN_CHAT | {"messages": [{"role": "user", "content": "Hi"}]})["messages"] == [
        {"role": "system", "content": in_words(SCHEMA)},
        {"role": "user", "content": "Hi"},
    ]
    change = InWords(("output_config", "format", "schema"))
    block: dict[str, Any] = {"type": "text", "text": "Sort."}
    assert change.apply({"system": [block], "output_config": {"format": FORM}}) == {
        "system": [block, {"type": "text", "text": in_words(SCHEMA)}]
    }
    change = InWords(("generationConfig", "responseJsonSchema"))
    config: dict[str, Any] = {
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
        "maxOutputTokens": 9,
    }
    assert change.apply({"generationConfig": config}) == {
        "generationConfig": {"maxOutputTokens": 9},
        "systemInstruction": {"parts": [{"text": in_words(SCHEMA)}]},
    }
