"""A key that is refused: the message and the log name the variable it came from, over the wire of each provider."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from perdure.activities.models.failure_log import log_failure
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.providers import Providers
from perdure.temporal.definitions.key_variables import key_variables
from perdure.temporal.telemetry.log import redact
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Message, Text
from tests.support.body_server import JSON, Body, BodyServer, body_server

KEY = "sk-a-key-of-somebody-0123456789"
HELLO = (Message(id="m", role="user", parts=(Text(text="hi"),), at="2026-01-01T00:00:00Z"),)
REFUSED = Body(b'{"error": {"message": "Who is that?", "type": "authentication_error"}}', JSON, status=401)
#: Providers, and how people call whoever answers at another address.
NAMES = {
    "anthropic": "Anthropic",
    "openai": "The model server",
    "openai-chat": "The model server",
    "azure": "Azure OpenAI",
    "gemini": "Gemini",
}


@pytest.fixture
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs read the environment themselves."""
    for provider in PROVIDERS.values():
        if provider.endpoint is not None:
            for name in (*provider.endpoint.keys, provider.endpoint.address or "NONE"):
                monkeypatch.delenv(name, raising=False)


async def refused(server: BodyServer, model: ModelDefinition, environment: Mapping[str, str]) -> ModelFailed:
    server.give(REFUSED)
    providers = Providers(environment)
    wire = providers.wire(model)
    prompt = Prompt(model=model, system="")
    with pytest.raises(ModelFailed) as caught:
        async for _ in wire.stream(wire.request(prompt, HELLO), prompt, "t1.s1"):
            pass
    await providers.aclose()
    assert caught.value.failure.kind == errors.MODEL_AUTH
    assert "sk-a-key" not in repr(caught.value.failure)
    assert "127.0.0.1" not in caught.value.failure.message
    return caught.value


def model_of(provider: str, **fields: Any) -> ModelDefinition:
    return ModelDefinition.model_validate({"use": f"{provider}/m", **fields})


@pytest.mark.parametrize(("provider", "name"), NAMES.items())
async def test_the_variable_of_a_definition_s_key_is_named(
    server: BodyServer, monkeypatch: pytest.MonkeyPatch, provider: str, name: str
) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    model = model_of(provider, base_url=f"{server.url}/v1", api_key="${SHOP_KEY}")
    failed = await refused(server, model, {"SHOP_KEY": KEY})
    assert str(failed) == f"{name} does not accept the API key in SHOP_KEY (401)"
    with capture_logs([redact]) as lines:
        log_failure(model, failed, tried_again=False)
    (line,) = lines
    assert (line["address"], line["key_variable"]) == (server.url, "SHOP_KEY")
    assert "sk-a-key" not in repr(line)


@pytest.mark.parametrize(
    ("provider", "variable", "address", "name"),
    [
        ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "Anthropic"),
        ("anthropic", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "Anthropic"),
        ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "The model server"),
        ("gemini", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "Gemini"),
        ("azure", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "Azure OpenAI"),
    ],
)
async def test_the_variable_of_a_provider_s_key_is_named(
    server: BodyServer, monkeypatch: pytest.MonkeyPatch, provider: str, variable: str, address: str, name: str
) -> None:
    environment = {variable: KEY, address: server.url}
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    failed = await refused(server, model_of(provider), environment)
    assert str(failed) == f"{name} does not accept the API key in {variable} (401)"
    assert any(KEY in value for value in server.headers[-1].values())


@pytest.mark.parametrize(("provider", "name"), NAMES.items())
async def test_a_call_that_bore_no_key(server: BodyServer, provider: str, name: str) -> None:
    """The provider's own key does not go to another server."""
    environment = dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"), KEY)
    failed = await refused(server, model_of(provider, base_url=f"{server.url}/v1"), environment)
    assert str(failed) == f"{name} does not accept a call without an API key (401)"


@pytest.mark.parametrize(
    ("provider", "fields", "environment", "variables"),
    [
        ("openai-chat", {"headers": {"X-Team": "${TEAM}", "Authorization": "Bearer ${A}:${B}"}}, {}, ("A", "B")),
        ("openai-chat", {"headers": {"X-Shop-Token": "${A}"}, "base_url": "http://localhost:1/v1"}, {}, ("A",)),
        ("openai-chat", {"query": {"key": "${A}", "team": "${TEAM}"}, "base_url": "http://localhost:1"}, {}, ("A",)),
        ("openai-chat", {"headers": {"X-Team": "${TEAM}"}, "base_url": "http://localhost:1/v1"}, {}, ()),
        ("openai", {"base_url": "${UNSET}"}, {"OPENAI_API_KEY": KEY}, None),
        # A profile of the SDK, and a role of the machine.
        ("anthropic", {}, {}, None),
        ("bedrock", {}, {}, None),
        ("bedrock", {}, {"AWS_SECRET_ACCESS_KEY": KEY}, ("AWS_SECRET_ACCESS_KEY",)),
        ("anthropic", {}, {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_AUTH_TOKEN": KEY}, ("ANTHROPIC_API_KEY",)),
        ("openai", {}, {"OPENAI_API_KEY": KEY, "OPENAI_CUSTOM_HEADERS": "X-Team: a"}, ("OPENAI_API_KEY",)),
        (
            "anthropic",
            {},
            {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_CUSTOM_HEADERS": f"X-Team: a\nx-api-key: {KEY}"},
            ("ANTHROPIC_API_KEY", "ANTHROPIC_CUSTOM_HEADERS"),
        ),
        ("demo", {}, {}, None),
    ],
)
def test_where_a_key_comes_from(
    provider: str, fields: dict[str, Any], environment: dict[str, str], variables: tuple[str, ...] | None
) -> None:
    assert key_variables(model_of(provider, **fields), PROVIDERS[provider], environment) == variables
