import socket

import genai_prices
import pytest

from perdure.temporal.definitions.prices import context_window, listed_ids, price_of
from perdure.workflows.definition.agent import ModelDefinition, Price
from perdure.workflows.definition.pricing import cost
from perdure.workflows.vocabulary.parts import Usage


def model(use: str, **fields: object) -> ModelDefinition:
    return ModelDefinition.model_validate({"use": use, **fields})


def listed(provider: str, name: str, usage: Usage) -> float:
    """What the list itself reckons."""
    counts = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    return float(genai_prices.calc_price(counts, name, provider_id=provider).total_price)


@pytest.mark.parametrize(
    "use", ["anthropic/claude-sonnet-5-5", "anthropic/claude-haiku-5-5", "openai/gpt-6.1-terra", "openai/gpt-6-sol"]
)
@pytest.mark.parametrize("input_tokens", [1000, 100_000, 100_001, 900_000])
def test_a_listed_model_costs_what_the_list_says(use: str, input_tokens: int) -> None:
    price = price_of(model(use))
    provider, _, name = use.partition("/")
    assert price is not None
    usage = Usage(input_tokens=input_tokens, cached_tokens=500, cache_write_tokens=300, output_tokens=700)
    assert cost(price, usage) == pytest.approx(listed(provider, name, usage))


@pytest.mark.parametrize("input_tokens", [1000, 250_000, 900_000])
@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_every_model_of_the_list_costs_what_the_list_says(provider: str, input_tokens: int) -> None:
    """Of those that have a price for texts both ways."""
    usage = Usage(input_tokens=input_tokens, cached_tokens=500, cache_write_tokens=300, output_tokens=700)
    priced = 0
    for name in listed_ids(model(f"{provider}/any")):
        price = price_of(model(f"{provider}/{name}"))
        if price is not None:
            priced += 1
            assert cost(price, usage) == pytest.approx(listed(provider, name, usage)), name
    assert priced > 20


def test_the_definitions_own_price_comes_first() -> None:
    own = {"input": 7, "output": 8}
    assert price_of(model("anthropic/claude-sonnet-5-5", price=own)) == Price(input=7, output=8)
    assert price_of(model("openai-chat/llama3.2", base_url="http://127.0.0.1:9/v1", price=own)) == Price(
        input=7, output=8
    )


@pytest.mark.parametrize(
    ("use", "base_url"),
    [
        ("anthropic/no-such-model", None),
        ("openai/no-such-model", None),
        ("openai/gpt-6.1-terra", "http://127.0.0.1:9/v1"),
        ("openai-chat/llama3.2", None),
        ("openai-chat/gpt-6.1-terra", "http://127.0.0.1:9/v1"),
    ],
)
def test_what_nobody_knows_has_no_price(use: str, base_url: str | None) -> None:
    assert price_of(model(use, base_url=base_url)) is None
    assert context_window(model(use, base_url=base_url)) is None


@pytest.mark.parametrize(
    ("use", "base_url", "provider"),
    [
        ("openai-chat/deepseek-v4-pro", "https://api.deepseek.com/v1", "deepseek"),
        ("anthropic/deepseek-v4-pro", "https://api.deepseek.com/anthropic", "deepseek"),
        ("openai-chat/grok-4", "https://api.x.ai/v1", "x-ai"),
        ("openai-chat/anthropic/claude-sonnet-4.5", "https://openrouter.ai/api/v1", "openrouter"),
        (
            "openai-chat/models/gemini-2.5-pro",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "google",
        ),
        ("openai-chat/gpt-6-sol", "https://mine.openai.azure.com/openai/v1", "azure"),
    ],
)
def test_a_vendor_is_known_by_its_address(use: str, base_url: str, provider: str) -> None:
    price = price_of(model(use, base_url=base_url))
    assert price is not None
    name = use.partition("/")[2].removeprefix("models/")
    usage = Usage(input_tokens=300_000, cached_tokens=500, cache_write_tokens=300, output_tokens=700)
    assert cost(price, usage) == pytest.approx(listed(provider, name, usage))


@pytest.mark.parametrize(
    "name",
    [
        "us.anthropic.claude-sonnet-5-5",
        "global.anthropic.claude-opus-5-5",
        "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
    ],
)
def test_names_of_models_at_bedrock(name: str) -> None:
    price = price_of(model(f"anthropic/{name}", base_url="https://bedrock-runtime.eu-west-1.amazonaws.com"))
    assert price is not None
    usage = Usage(input_tokens=150_000, cached_tokens=500, cache_write_tokens=300, output_tokens=700)
    assert cost(price, usage) == pytest.approx(listed("aws", name.rpartition("/")[2], usage))


def test_the_demo_model_is_free() -> None:
    assert price_of(model("demo/claude-sonnet-5-5")) == Price(input=0, output=0)


def test_the_network_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a price was looked up over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert price_of(model("openai/gpt-6.1-terra")) is not None
    assert price_of(model("openai-chat/gpt-6.1-terra")) == price_of(model("openai/gpt-6.1-terra"))
    assert context_window(model("anthropic/claude-sonnet-5-5")) == 1_000_000
