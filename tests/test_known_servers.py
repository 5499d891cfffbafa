"""Who serves a model, and what is known of it beside how it thinks."""

from dataclasses import fields
from typing import Any

from perdure.activities.models.parameters import with_parameters
from perdure.temporal.definitions.dialects import dialect_of, known_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.table import PROVIDERS

HERE = "http://127.0.0.1:8000/v1"
OLLAMA = "http://localhost:11434/v1"
DEEPSEEK = "https://api.deepseek.com"
KIMI = "https://api.moonshot.ai/v1"
MISTRAL = "https://api.mistral.ai/v1"
AZURE = "https://acme.openai.azure.com/openai/v1"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com"


def model(use: str, base_url: str | None = None, **more: Any) -> ModelDefinition:
    return ModelDefinition.model_validate({"use": use, "base_url": base_url, "max_output_tokens": 64_000, **more})


def dialect(use: str, base_url: str | None = None) -> Dialect:
    asked = model(use, base_url)
    return dialect_of(PROVIDERS[asked.provider], asked, {})


def test_sampling_is_not_sent_to_models_that_refuse_it() -> None:
    def sent(use: str, base_url: str | None, level: str) -> set[str]:
        asked = model(use, base_url, thinking=level, params={"temperature": 0.5, "top_p": 0.5, "service_tier": "x"})
        return set(with_parameters({}, asked, dialect(use, base_url))) & {"temperature", "top_p", "service_tier"}

    assert sent("openai/gpt-6-sol", None, "off") == {"service_tier"}
    assert sent("openai-chat/gpt-5", None, "off") == {"service_tier"}
    assert sent("openai/gpt-5.2", None, "off") == {"temperature", "top_p", "service_tier"}
    assert sent("openai/gpt-5.2", None, "low") == {"service_tier"}
    assert sent("anthropic/claude-sonnet-4-5", None, "off") == {"temperature", "top_p", "service_tier"}
    assert sent("anthropic/claude-sonnet-4-5", None, "low") == {"service_tier"}
    assert sent("anthropic/claude-opus-5-5", None, "off") == {"service_tier"}
    assert sent("openai-chat/kimi-k2.6", KIMI, "off") == {"service_tier"}
    assert sent("openai-chat/gpt-6-sol", HERE, "off") == {"temperature", "top_p", "service_tier"}


def test_who_serves_a_model() -> None:
    def server(use: str, base_url: str | None) -> str | None:
        asked = model(use, base_url)
        return known_of(PROVIDERS[asked.provider], asked, {"HOST": "api.mistral.ai"}).server

    assert server("openai/gpt-6-sol", None) == server("openai-chat/x", "https://eu.api.openai.com/v1") == "OpenAI"
    assert server("anthropic/claude-opus-5", BEDROCK) == "Amazon Bedrock"
    assert server("openai/gpt-5", AZURE) == "Azure OpenAI"
    assert server("openai-chat/x", "https://${HOST}/v1") == "Mistral"
    assert server("openai-chat/x", "https://${NOWHERE}/v1") is None
    for local in (OLLAMA, "http://ollama:11434/v1", "http://192.168.1.5:11434/v1", "http://gpu.lan:11434/v1"):
        assert server("openai-chat/x", local) == "Ollama"
    for other in (
        HERE,
        "https://example.com:11434/v1",
        "https://api.mistral.ai.evil.example/v1",
        "https://notapi.mistral.ai/v1",
        "https://evil.example/api.mistral.ai",
    ):
        assert server("openai-chat/x", other) is None


def test_what_else_is_known() -> None:
    assert dialect("openai-chat/gpt-6-sol").output_limit == dialect("openai-chat/x", AZURE).output_limit
    assert dialect("openai-chat/gpt-6-sol").output_limit == "max_completion_tokens"
    assert dialect("openai-chat/x", HERE).output_limit == dialect("openai-chat/x", MISTRAL).output_limit == "max_tokens"
    assert dialect("openai-chat/x").most_tools == dialect("openai-chat/x", AZURE).most_tools == 128
    assert dialect("openai-chat/x", HERE).most_tools is None
    assert dialect("anthropic/claude-opus-5", BEDROCK).caching == "blocks"
    assert dialect("anthropic/claude-opus-5").caching == "request"
    assert dialect("openai-chat/x", HERE).strict is None
    assert not dialect("openai-chat/mistral-large", MISTRAL).stream_usage
    asked = model("openai-chat/m", MISTRAL, params={"seed": 3})
    assert with_parameters({}, asked, dialect("openai-chat/m", MISTRAL)) == {"random_seed": 3}


def test_which_models_see() -> None:
    def images(use: str, base_url: str | None = None) -> bool:
        return "image/png" in dialect(use, base_url).files.images

    for use in ("anthropic/claude-opus-5", "openai/gpt-6-sol", "openai-chat/gpt-4o", "openai/o3"):
        assert images(use), use
    for use in ("openai/gpt-3.5-turbo", "openai-chat/gpt-4", "openai/o3-mini"):
        assert not images(use), use
    assert images("openai-chat/Qwen/Qwen2.5-VL-7B-Instruct", HERE)
    assert images("openai-chat/llava", OLLAMA)
    assert images("openai-chat/pixtral-12b", MISTRAL)
    assert not images("openai-chat/llama3.2", OLLAMA)
    assert not images("openai-chat/deepseek-v4-pro", DEEPSEEK)
    assert not images("openai-chat/m", HERE)
    assert dialect("anthropic/claude-opus-5").files.in_results
    assert not dialect("openai-chat/gpt-6-sol").files.in_results


def test_the_tables_hold_what_a_dialect_has() -> None:
    known = {field.name for field in fields(Dialect)}
    for provider in PROVIDERS.values():
        tables = [provider.models, provider.elsewhere_models, *(server.models for server in provider.servers)]
        for models in tables:
            for entry in models:
                assert set(entry.differ) <= known
                assert entry.names == entry.names.lower()
                entry.match("")
