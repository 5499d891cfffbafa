import socket

import genai_prices
import pytest

from perdure.temporal.definitions.prices import context_window, price_of
from perdure.workflows.definition.agent import ModelDefinition, Price
from perdure.workflows.definition.pricing import cost
from perdure.workflows.vocabulary.parts import Usage


def model(use: str, **fields: object) -> ModelDefinition:
    return ModelDefinition.model_validate({"use": use, **fields})


@pytest.mark.parametrize(
    "use", ["anthropic/claude-sonnet-5-5", "anthropic/claude-haiku-5-5", "openai/gpt-6.1-terra", "openai/gpt-6-sol"]
)
@pytest.mark.parametrize("input_tokens", [1000, 100_000, 100_001, 900_000])
def test_a_listed_model_costs_what_the_list_says(use: str, input_tokens: int) -> None:
    price = price_of(model(use))
    provider, _, name = use.partition("/")
    assert price is not None
    listed = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=input_tokens, cache_read_tokens=500, output_tokens=700),
        name,
        provider_id=provider,
    )
    usage = Usage(input_tokens=input_tokens, cached_tokens=500, output_tokens=700)
    assert cost(price, usage) == pytest.approx(float(listed.total_price))


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


def test_the_demo_model_is_free() -> None:
    assert price_of(model("demo/claude-sonnet-5-5")) == Price(input=0, output=0)


def test_the_network_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a price was looked up over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert price_of(model("openai/gpt-6.1-terra")) is not None
    assert price_of(model("openai-chat/gpt-6.1-terra")) == price_of(model("openai/gpt-6.1-terra"))
    assert context_window(model("anthropic/claude-sonnet-5-5")) == 1_000_000
