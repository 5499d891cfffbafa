"""OpenAI's models in Azure, over both wires, by the SDK's own classes against a server that answers as Azure does."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.activities.models.providers import Providers
from perdure.activities.models.wire import Answer
from perdure.temporal.definitions.endpoints import missing_key
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Message, Text, Usage
from tests.support.body_server import JSON, Body, BodyServer, body_server

KEY = "azure-key-1"
DATED = "2025-04-01-preview"
USER = Message(id="m", role="user", parts=(Text(text="go"),), at=datetime(2026, 11, 1, tzinfo=UTC))
SAFE = {"filtered": False, "severity": "safe"}
FILTERED = {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "type": None,
    "param": "prompt",
    "code": "content_filter",
    "status": 400,
    "innererror": {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {
            "hate": SAFE,
            "jailbreak": {"filtered": True, "detected": True},
            "violence": {"filtered": True, "severity": "high"},
        },
    },
}


def events(*events: Mapping[str, Any], done: bool = False) -> bytes:
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events) + b"data: [DONE]\n\n" * done


def chunk(*choices: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [*choices], **more}


#: As Azure sends them where its filter works beside the model.
CHUNKS = (
    {
        "id": "",
        "model": "",
        "choices": [],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": SAFE}}],
    },
    chunk({"index": 0, "finish_reason": None, "delta": {"role": "assistant", "content": ""}}),
    chunk({"index": 0, "finish_reason": None, "delta": {"content": "Hi."}, "content_filter_results": {"hate": SAFE}}),
    chunk({"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 44, "start_offset": 44}}),
    chunk({"index": 0, "finish_reason": None, "delta": None, "content_filter_results": {"hate": SAFE}}),
)
STOP = chunk({"index": 0, "finish_reason": "stop", "delta": {}, "content_filter_results": {}})
USAGE = chunk(usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11})
CHAT = events(*CHUNKS, STOP, USAGE, done=True)
ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]}
RESPONSE = {"status": "completed", "output": [ITEM], "content_filters": [{"blocked": False}], "model": "gpt-4o"}
RESPONSES = events({"type": "response.completed", "response": RESPONSE})
ANSWERS = {"azure": RESPONSES, "azure-chat": CHAT}
both = pytest.mark.parametrize("provider", ANSWERS)


@pytest.fixture
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


async def ask(environment: Mapping[str, str], provider: str, **fields: Any) -> Answer:
    model = ModelDefinition.model_validate({"use": f"{provider}/gpt-4o", **fields})
    prompt = Prompt(model=model, system="", tools=())
    providers = Providers(environment)
    wire = providers.wire(model)
    try:
        items = [item async for item in wire.stream(wire.request(prompt, (USER,)), prompt, "t1.s1")]
    finally:
        await providers.aclose()
    last = items[-1]
    assert isinstance(last, Answer)
    return last


async def failure(environment: Mapping[str, str], provider: str, **fields: Any) -> ModelFailure:
    with pytest.raises(ModelFailed) as caught:
        await ask(environment, provider, **fields)
    return caught.value.failure


def named(server: BodyServer, path: str = "", **more: str) -> dict[str, str]:
    return {"AZURE_OPENAI_ENDPOINT": f"{server.url}{path}", "AZURE_OPENAI_API_KEY": KEY, **more}


OLDER = {"azure": "/openai/responses?", "azure-chat": "/openai/deployments/gpt-4o/chat/completions?"}
NEWER = {"azure": "/openai/v1/responses", "azure-chat": "/openai/v1/chat/completions"}


@both
async def test_an_answer_in_the_older_way(server: BodyServer, provider: str) -> None:
    server.give(ANSWERS[provider])
    got = await ask(named(server, OPENAI_API_VERSION=DATED), provider)
    (text,) = got.parts
    assert (isinstance(text, Text) and text.text, got.stop, got.skipped) == ("Hi.", "end", 0)
    assert server.paths == [f"{OLDER[provider]}api-version={DATED}"]
    assert server.headers[0]["api-key"] == KEY
    assert "authorization" not in server.headers[0]
    assert json.loads(server.requests[0])["model"] == "gpt-4o"


@both
@pytest.mark.parametrize(
    ("path", "version", "query"),
    [
        ("", "", ""),
        ("/", "preview", "?api-version=preview"),
        ("/openai", "", ""),
        ("/openai/v1/", "", ""),
        ("/openai/v1", DATED, ""),
    ],
)
async def test_an_answer_in_the_newer_way(
    server: BodyServer, provider: str, path: str, version: str, query: str
) -> None:
    server.give(ANSWERS[provider])
    await ask(named(server, path, OPENAI_API_VERSION=version), provider)
    assert server.paths == [f"{NEWER[provider]}{query}"]
    assert (server.headers[0]["api-key"], server.headers[0].get("authorization")) == (KEY, None)


@both
async def test_a_version_that_the_definition_names(server: BodyServer, provider: str) -> None:
    server.give(ANSWERS[provider])
    await ask(named(server), provider, query={"api-version": DATED}, headers={"X-Team": "a"})
    assert server.paths == [f"{OLDER[provider]}api-version={DATED}"]
    assert server.headers[0]["x-team"] == "a"


@both
async def test_a_deployment_in_the_address(server: BodyServer, provider: str) -> None:
    server.give(ANSWERS[provider])
    await ask(named(server, "/openai/deployments/mine", OPENAI_API_VERSION=DATED), provider)
    (path,) = server.paths
    assert path.startswith("/openai/deployments/mine/")


@both
@pytest.mark.parametrize("version", ["", DATED])
async def test_a_token_of_a_microsoft_account(server: BodyServer, provider: str, version: str) -> None:
    server.give(ANSWERS[provider])
    environment = named(server, OPENAI_API_VERSION=version, AZURE_OPENAI_AD_TOKEN="token-2")
    await ask(environment | {"AZURE_OPENAI_API_KEY": ""}, provider)
    (headers,) = server.headers
    assert (headers["authorization"], headers.get("api-key")) == ("Bearer token-2", None)


@both
@pytest.mark.parametrize("version", ["", DATED])
async def test_a_key_goes_to_its_own_resource(
    server: BodyServer, monkeypatch: pytest.MonkeyPatch, provider: str, version: str
) -> None:
    """Nor does anything of OpenAI's go to Azure."""
    environment = {
        "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com",
        "AZURE_OPENAI_API_KEY": KEY,
        "OPENAI_API_VERSION": version,
        "OPENAI_API_KEY": "openai-key-3",
        "OPENAI_ORG_ID": "org-4",
        "OTHER_KEY": "other-5",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server.give(ANSWERS[provider], ANSWERS[provider])
    await ask(environment, provider, base_url=server.url)
    await ask(environment, provider, base_url=server.url, api_key="${OTHER_KEY}")
    for secret in (KEY, "openai-key-3", "org-4"):
        assert secret not in str(server.headers)
    assert server.headers[1]["api-key"] == "other-5"
    assert "authorization" not in server.headers[1]


@both
async def test_what_is_not_set_is_named(provider: str) -> None:
    missing = [
        ({}, "AZURE_OPENAI_ENDPOINT"),
        ({"AZURE_OPENAI_API_KEY": KEY}, "AZURE_OPENAI_ENDPOINT"),
        ({"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com"}, "AZURE_OPENAI_API_KEY"),
    ]
    for environment, name in missing:
        failed = await failure(environment, provider)
        assert (failed.kind, failed.retryable) == (errors.MODEL_NO_KEY, False)
        assert name in failed.message
        assert missing_key(ModelDefinition(use=f"{provider}/m"), environment) == name
    whole = {"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com", "AZURE_OPENAI_AD_TOKEN": "x"}
    assert missing_key(ModelDefinition(use=f"{provider}/m"), whole) is None


@both
async def test_a_prompt_that_the_filter_refuses(server: BodyServer, provider: str) -> None:
    server.give(
        *(Body(json.dumps({"error": FILTERED | odd}).encode(), JSON, status=400) for odd in ({}, {"code": None}))
    )
    for _ in range(2):
        failed = await failure(named(server), provider)
        assert (failed.kind, failed.code, failed.retryable) == (errors.MODEL_CONTENT_POLICY, "content_filter", False)
        assert failed.message.endswith("(jailbreak, violence: high)")
        assert failed.message.startswith("Azure OpenAI declines the content")
    assert len(server.requests) == 2


async def test_an_answer_that_the_filter_stops(server: BodyServer) -> None:
    stopped = chunk({"index": 0, "finish_reason": "content_filter", "delta": {}})
    details = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    server.give(
        events(*CHUNKS, stopped, done=True), events({"type": "response.incomplete", "response": RESPONSE | details})
    )
    for provider in ("azure-chat", "azure"):
        got = await ask(named(server), provider)
        assert (len(got.parts), got.stop) == (1, "content_filter")


async def test_a_filter_s_refusal_within_a_stream(server: BodyServer) -> None:
    server.give(events({"type": "error", "error": FILTERED}), events(chunk(), {"error": FILTERED}))
    for provider in ("azure", "azure-chat"):
        assert (await failure(named(server), provider)).kind == errors.MODEL_CONTENT_POLICY


async def test_the_books(server: BodyServer) -> None:
    server.give(CHAT)
    assert (await ask(named(server), "azure-chat")).usage == Usage(input_tokens=9, output_tokens=2)


@both
@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"code": "401", "message": "Access denied due to invalid subscription key"}, errors.MODEL_AUTH),
        (404, {"code": "DeploymentNotFound", "message": "It does not exist."}, errors.MODEL_NOT_FOUND),
        (429, {"code": "RateLimitReached", "message": "Try again in 7 seconds."}, errors.MODEL_RATE_LIMITED),
        (400, {"code": "context_length_exceeded", "message": "x"}, errors.MODEL_CONTEXT_LENGTH),
    ],
)
async def test_failures_by_their_kinds(
    server: BodyServer, provider: str, status: int, error: dict[str, str], kind: str
) -> None:
    server.give(Body(json.dumps({"error": error}).encode(), JSON, status=status))
    failed = await failure(named(server), provider)
    assert (failed.kind, failed.retry_after) == (kind, timedelta(seconds=7) if status == 429 else None)
    assert KEY not in failed.message
