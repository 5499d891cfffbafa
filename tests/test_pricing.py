import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.workflows.definition.agent import LongInput, Price
from perdure.workflows.definition.pricing import cost, worst_case
from perdure.workflows.vocabulary.parts import Usage

pytestmark = pytest.mark.pure

RATE = st.floats(min_value=0, max_value=1000)
PRICES = st.builds(
    Price,
    input=RATE,
    output=RATE,
    cached_input=st.none() | RATE,
    cache_write=st.none() | RATE,
    long_input=st.lists(
        st.builds(
            LongInput,
            above=st.integers(1, 1_000_000),
            input=RATE,
            output=RATE,
            cached_input=st.none() | RATE,
            cache_write=st.none() | RATE,
        ),
        max_size=3,
    ).map(tuple),
)


def test_cached_input_has_its_own_rate() -> None:
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=200_000, reasoning_tokens=50_000)
    assert cost(Price(input=2, output=10, cached_input=0.1), usage) == pytest.approx(0.6 * 2 + 0.4 * 0.1 + 0.2 * 10)
    assert cost(Price(input=2, output=10), usage) == pytest.approx(2 + 2)


def test_input_that_is_written_to_the_cache_has_its_own_rate() -> None:
    """What Anthropic counted of a first request, at its prices."""
    usage = Usage(input_tokens=6 + 159_217, cache_write_tokens=159_217)
    assert cost(Price(input=5, output=25), usage) == pytest.approx((6 * 5 + 159_217 * 6.25) / 1e6)
    assert cost(Price(input=5, output=25, cache_write=10), usage) == pytest.approx((6 * 5 + 159_217 * 10) / 1e6)
    assert cost(Price(input=5, output=25, cache_write=0), usage) == pytest.approx(30e-6)
    assert worst_case(Price(input=5, output=25), 159_223, 100) >= cost(Price(input=5, output=25), usage)


def test_counts_that_do_not_fit_together_cost_no_more_than_their_total() -> None:
    usage = Usage(input_tokens=10, cached_tokens=8, cache_write_tokens=8)
    assert cost(Price(input=1, output=0, cached_input=0, cache_write=2), usage) == pytest.approx(4e-6)


def test_a_long_input_changes_the_rates_of_the_whole_request() -> None:
    price = Price(input=1, output=2, long_input=(LongInput(above=100, input=5, output=10),))
    assert cost(price, Usage(input_tokens=100, output_tokens=100)) == pytest.approx(300e-6)
    assert cost(price, Usage(input_tokens=101, output_tokens=100)) == pytest.approx(1505e-6)


def test_the_highest_tier_that_is_reached_holds() -> None:
    tiers = (LongInput(above=200, input=9, output=9), LongInput(above=100, input=5, output=5))
    assert cost(Price(input=1, output=1, long_input=tiers), Usage(input_tokens=300)) == pytest.approx(2700e-6)


def test_nothing_costs_nothing() -> None:
    assert cost(Price(input=2, output=10), Usage()) == 0
    assert worst_case(Price(input=0, output=0), 1_000_000, 1_000_000) == 0


@settings(deadline=None)
@given(PRICES, st.integers(0, 2_000_000), st.integers(0, 200_000), *[st.floats(0, 1)] * 4)
def test_no_call_costs_more_than_its_worst_case(
    price: Price, most_input: int, most_output: int, of_input: float, of_output: float, cached: float, written: float
) -> None:
    input_tokens = int(most_input * of_input)
    usage = Usage(
        input_tokens=input_tokens,
        cached_tokens=int(input_tokens * cached),
        cache_write_tokens=int(input_tokens * written),
        output_tokens=int(most_output * of_output),
    )
    assert cost(price, usage) <= worst_case(price, most_input, most_output) * (1 + 1e-9) + 1e-12
