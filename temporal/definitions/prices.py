"""What a model costs and how much it can read: the definition's own word first, else the price list of genai-prices.

Rule: nothing here asks the network. The list is the one that was installed; a model that it does not know has no
price (None), which is shown as unknown and refused under a cost cap.
"""

import contextlib
from decimal import Decimal

from genai_prices import Usage as ListedUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, PriceCalculation, TieredPrices

from perdure.workflows.definition.agent import LongInput, ModelDefinition, Price
from perdure.workflows.definition.providers.table import PROVIDERS

_Rate = Decimal | TieredPrices | None


def price_of(model: ModelDefinition) -> Price | None:
    """Dollars a million tokens; None when nobody knows. Models of a free provider cost nothing."""
    if model.price is not None:
        return model.price
    if PROVIDERS[model.provider].free:
        return Price(input=0, output=0)
    listed = _listed(model)
    return None if listed is None else _as_price(listed.model_price)


def context_window(model: ModelDefinition) -> int | None:
    """Tokens that the model can read at once; None when nobody knows."""
    if model.context_window is not None:
        return model.context_window
    listed = _listed(model)
    return None if listed is None else listed.model.context_window


def listed_ids(model: ModelDefinition) -> tuple[str, ...]:
    """The models that the list knows of the provider; none where the list does not say which there are."""
    price_list = _price_list(model)
    providers = get_snapshot().providers if price_list is not None else ()
    return tuple(known.id for listed in providers if listed.id == price_list for known in listed.models)


def is_listed(model: ModelDefinition) -> bool:
    """Whether the list knows the model."""
    return _listed(model) is not None


def _price_list(model: ModelDefinition) -> str | None:
    """The part of the list in which the model is looked up; None where there is none."""
    provider = PROVIDERS[model.provider]
    # A server that merely speaks the provider's protocol may serve anything under any name, at any price.
    anyone = provider.endpoint is not None and provider.endpoint.elsewhere == "anyone"
    return None if anyone and model.base_url is not None else provider.price_list


def _listed(model: ModelDefinition) -> PriceCalculation | None:
    nothing = ListedUsage(input_tokens=0, output_tokens=0)
    # Bedrock's and Vertex AI's names of models may be the ends of paths.
    for name in dict.fromkeys((model.model_name, model.model_name.rpartition("/")[2])):
        with contextlib.suppress(LookupError):
            if model.base_url is not None:
                # A vendor is known by its address, too, and may charge other prices than the maker of the model.
                return calc_price(nothing, name, provider_api_url=model.base_url)
        price_list = _price_list(model)
        with contextlib.suppress(LookupError):
            if price_list is not None:
                return calc_price(nothing, name, provider_id=price_list)
    return None


def _as_price(listed: ModelPrice) -> Price | None:
    rates = (listed.input_mtok, listed.output_mtok, listed.cache_read_mtok, listed.cache_write_mtok)
    starts = sorted({tier.start for rate in rates if isinstance(rate, TieredPrices) for tier in rate.tiers})
    base = _rates_above(rates, 0)
    if base is None:
        return None
    tiers = [
        LongInput(above=start, input=above[0], output=above[1], cached_input=above[2], cache_write=above[3])
        for start in starts
        if (above := _rates_above(rates, start)) is not None
    ]
    return Price(input=base[0], output=base[1], cached_input=base[2], cache_write=base[3], long_input=tuple(tiers))


def _rates_above(
    rates: tuple[_Rate, _Rate, _Rate, _Rate], start: int
) -> tuple[float, float, float | None, float | None] | None:
    """Input, output, cached input and input that is written to a cache, for a request longer than `start` tokens; None
    without a price for both ways."""
    input_, output, cached, written = (_at(rate, start) for rate in rates)
    # Where the list has no rate for it, as for OpenAI's older models, what is written costs what is read.
    return (
        None if input_ is None or output is None else (input_, output, cached, input_ if written is None else written)
    )


def _at(rate: _Rate, start: int) -> float | None:
    if not isinstance(rate, TieredPrices):
        return None if rate is None else float(rate)
    reached = [tier.price for tier in rate.tiers if tier.start <= start]
    return float(reached[-1] if reached and start else rate.base)
