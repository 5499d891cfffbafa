import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.activities.models.meter import Meter
from perdure.workflows.core.budget import BYTES_PER_TOKEN, sent
from perdure.workflows.definition.agent import Price
from perdure.workflows.definition.pricing import Spent, worst_case
from perdure.workflows.vocabulary.parts import Usage
from tests.support.core import Story, agent

PRICE = Price(input=3, output=15, cached_input=0.3)


@given(
    request_bytes=st.integers(0, 1_000_000),
    most=st.integers(1, 32_000),
    texts=st.lists(st.text(max_size=40), max_size=40),
    ahead=st.floats(0, 10),
    elapsed=st.floats(0, 100),
)
def test_no_less_than_what_streamed_and_no_more_than_is_reserved(
    request_bytes: int, most: int, texts: list[str], ahead: float, elapsed: float
) -> None:
    meter = Meter(PRICE, request_bytes, most)
    meter.sent()
    meter.begun(Usage())
    for text in texts:
        meter.streamed(text)
    tokens = -(-request_bytes // BYTES_PER_TOKEN)
    streamed = min(max(-(-sum(len(text.encode()) for text in texts) // BYTES_PER_TOKEN), 1), most)
    exact, guessed = meter.spent(), meter.spent(ahead, elapsed)
    assert exact.usage == Usage(input_tokens=tokens, output_tokens=streamed)
    assert exact.cost_usd is not None
    assert guessed.cost_usd is not None
    floor = (tokens * PRICE.input + streamed * PRICE.output) / 1e6
    assert floor == pytest.approx(exact.cost_usd)
    assert exact.cost_usd <= guessed.cost_usd <= worst_case(PRICE, tokens, most) + 1e-12
    assert meter.silent().cost_usd == pytest.approx(tokens * PRICE.input / 1e6)


def test_what_was_not_sent_costs_nothing_whatever_its_price() -> None:
    meter = Meter(None, 3000, 100)
    assert meter.spent() == Spent()
    meter.sent()
    assert meter.spent() == Spent(usage=Usage(input_tokens=1000), cost_usd=None)
    meter.refused()
    assert meter.spent() == Spent()


def test_what_has_begun_to_stream_was_taken() -> None:
    meter = Meter(PRICE, 3000, 100)
    meter.sent()
    meter.begun(Usage(input_tokens=900, cached_tokens=800, output_tokens=1))
    meter.streamed("abcd")
    meter.refused()
    assert meter.usage() == Usage(input_tokens=900, cached_tokens=800, output_tokens=2)


def test_what_the_provider_counted_in_the_end_is_what_it_costs() -> None:
    meter = Meter(PRICE, 3000, 100)
    meter.sent()
    meter.begun(Usage())
    meter.streamed("abcd" * 100)
    meter.billed(Usage())
    assert meter.usage() == Usage(input_tokens=1000, output_tokens=100)
    meter.billed(Usage(input_tokens=900, output_tokens=90))
    assert meter.spent(ahead_s=2).usage == Usage(input_tokens=900, output_tokens=90)


def test_the_session_reckons_with_at_least_the_input_that_an_attempt_does() -> None:
    story = Story.new().loaded(agent(price=Price(input=1_000_000, output=1))).turn("x" * 3000)
    books = sent(story.state)
    assert books.usage.input_tokens >= 1000
    assert books.cost_usd == books.usage.input_tokens
