"""What tokens cost. Pure: prices come in, dollars go out; where prices come from is
`perdure.temporal.definitions.prices`' affair.

Rule: `worst_case` is never less than the `cost` of any call with at most that input and output, for budgets reserve
the one before a call and settle with the other after it.
"""

from typing import Final

from perdure.workflows.definition.agent import Price, Rates
from perdure.workflows.vocabulary.parts import Frozen, Usage

_MILLION = 1_000_000
#: Of the price of input, where a price does not say what writing to the cache costs. Anthropic's factor for five minutes.
_CACHE_WRITE: Final = 1.25


class Spent(Frozen):
    """What model calls used and cost."""

    usage: Usage = Usage()
    #: Dollars; None when a price is unknown.
    cost_usd: float | None = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        known = self.cost_usd is not None and other.cost_usd is not None
        return Spent(
            usage=self.usage + other.usage, cost_usd=(self.cost_usd or 0) + (other.cost_usd or 0) if known else None
        )


def spent(price: Price | None, usage: Usage) -> Spent:
    """One model call with this usage; what used nothing costs nothing, whatever the price."""
    if usage == Usage():
        return Spent()
    return Spent(usage=usage, cost_usd=cost(price, usage) if price else None)


def cost(price: Price, usage: Usage) -> float:
    """Dollars for one model call. Input that was read from the provider's cache, or written to it, has its own rate."""
    rates = _rates(price, usage.input_tokens)
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    plain = usage.input_tokens - cached - written
    input_usd = plain * rates.input + cached * _cached_rate(rates) + written * _written_rate(rates)
    return (input_usd + usage.output_tokens * rates.output) / _MILLION


def worst_case(price: Price, input_tokens: int, max_output_tokens: int) -> float:
    """The most dollars that one call can cost: all input at its dearest rate, and every token of output used."""
    # A provider may make long inputs cheaper, so a shorter one can be the dearer.
    reached = [price, *(tier for tier in price.long_input if tier.above < input_tokens)]
    input_rate = max(max(rates.input, _cached_rate(rates), _written_rate(rates)) for rates in reached)
    output_rate = max(rates.output for rates in reached)
    return (input_tokens * input_rate + max_output_tokens * output_rate) / _MILLION


def _rates(price: Price, input_tokens: int) -> Rates:
    reached = [tier for tier in price.long_input if tier.above < input_tokens]
    return max(reached, key=lambda tier: tier.above) if reached else price


def _cached_rate(rates: Rates) -> float:
    return rates.input if rates.cached_input is None else rates.cached_input


def _written_rate(rates: Rates) -> float:
    return rates.input * _CACHE_WRITE if rates.cache_write is None else rates.cache_write
