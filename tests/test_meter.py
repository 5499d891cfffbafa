import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.activities.models.meter import Meter
from perdure.workflows.core.budget import BYTES_PER_TOKEN, sent
from perdure.workflows.definition.agent import Price
from perdure.workflows.definition.pricing import Spent, cost, worst_case
from perdure.workflows.vocabulary.parts import Part, Reasoning, Text, ToolCall, Usage
from tests.support.core import Story, agent

NOTHING = Usage()
USAGES = st.builds(Usage, **{name: st.integers(0, 5000) for name in Usage.model_fields if name.endswith("_tokens")})
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
    assert exact.usage == Usage(input_tokens=tokens, output_tokens=streamed, estimated=True)
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
    assert meter.spent() == Spent(usage=Usage(input_tokens=1000, estimated=True), cost_usd=None)
    meter.refused()
    assert meter.spent() == Spent()


def test_what_has_begun_to_stream_was_taken() -> None:
    meter = Meter(PRICE, 3000, 100)
    meter.sent()
    meter.begun(Usage(input_tokens=900, cached_tokens=800, output_tokens=1))
    meter.streamed("abcd")
    meter.refused()
    assert meter.usage() == Usage(input_tokens=900, cached_tokens=800, output_tokens=2, estimated=True)


TEXT = Text(text="abcd" * 100)


def answered(told: Usage, *parts: Part, begun: Usage = NOTHING) -> Usage:
    """The usage of an answer that streamed its texts."""
    meter = Meter(PRICE, 3000, 200)
    meter.sent()
    meter.begun(begun)
    for part in parts:
        meter.streamed(part.text if isinstance(part, Text) else "")
    meter.answered(told, parts)
    assert meter.spent(ahead_s=2).usage == meter.usage()
    assert meter.spent().cost_usd == pytest.approx(cost(PRICE, meter.usage()))
    return meter.usage()


def test_what_the_provider_counted_in_the_end_is_what_it_costs() -> None:
    assert answered(Usage(input_tokens=900, output_tokens=90), TEXT) == Usage(input_tokens=900, output_tokens=90)


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        (Usage(), Usage(input_tokens=1000, output_tokens=134, estimated=True)),
        (Usage(input_tokens=900), Usage(input_tokens=900, output_tokens=134, estimated=True)),
        (Usage(output_tokens=90), Usage(input_tokens=1000, output_tokens=90, estimated=True)),
        (
            Usage(input_tokens=900, cached_tokens=800),
            Usage(input_tokens=900, cached_tokens=800, output_tokens=134, estimated=True),
        ),
    ],
)
def test_what_a_server_did_not_count_is_estimated_and_says_so(told: Usage, counted: Usage) -> None:
    assert answered(told, TEXT) == counted


def test_an_answer_in_one_piece_is_estimated_by_its_parts() -> None:
    meter = Meter(PRICE, 3000, 200)
    meter.sent()
    call = ToolCall(call_id="t1.s1.c1", name="find", args={"id": "A-1"})
    meter.answered(Usage(), (Reasoning(text="hm"), TEXT, call))
    size = len("hm" + TEXT.text + "find" + '{"id":"A-1"}')
    assert meter.usage() == Usage(input_tokens=1000, output_tokens=-(-size // 3), estimated=True)


def test_an_answer_of_nothing_may_have_no_output() -> None:
    assert answered(Usage(input_tokens=900)) == Usage(input_tokens=900)


def test_input_that_was_counted_at_the_beginning_stays_counted() -> None:
    begun = Usage(input_tokens=1500, cached_tokens=500, cache_write_tokens=200, output_tokens=1)
    assert answered(Usage(output_tokens=9), TEXT, begun=begun) == begun.model_copy(update={"output_tokens": 9})
    assert answered(Usage(), TEXT, begun=begun) == begun.model_copy(update={"output_tokens": 134, "estimated": True})


def test_a_total_holds_its_parts() -> None:
    """Servers that leave cached input or hidden reasoning out of their totals."""
    assert answered(Usage(input_tokens=10, cached_tokens=5000, output_tokens=9, reasoning_tokens=300), TEXT) == Usage(
        input_tokens=5010, cached_tokens=5000, output_tokens=309, reasoning_tokens=300
    )
    assert answered(Usage(input_tokens=6, cache_write_tokens=159_217, output_tokens=9), TEXT).input_tokens == 159_223


@given(USAGES, st.text(max_size=2000))
def test_no_count_is_below_its_parts_and_no_estimate_goes_unmarked(told: Usage, text: str) -> None:
    usage = answered(told, Text(text=text))
    assert usage.input_tokens > 0
    assert usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
    assert usage.reasoning_tokens <= usage.output_tokens
    assert usage.output_tokens > 0 or not text
    for name in ("input_tokens", "output_tokens"):
        assert getattr(usage, name) >= getattr(told, name)
    counted = (told.input_tokens or told.cached_tokens or told.cache_write_tokens) and (
        told.output_tokens or told.reasoning_tokens or not text
    )
    assert usage.estimated is not bool(counted)


def test_a_sum_with_an_estimate_is_one() -> None:
    known, guessed = Usage(input_tokens=1), Usage(output_tokens=1, estimated=True)
    assert (known + guessed).estimated
    assert (Spent(usage=guessed) + Spent(usage=known)).usage.estimated
    assert not (known + known).estimated
    assert "estimated" not in known.model_dump()


def test_the_session_reckons_with_at_least_the_input_that_an_attempt_does() -> None:
    story = Story.new().loaded(agent(price=Price(input=1_000_000, output=1))).turn("x" * 3000)
    books = sent(story.state)
    assert books.usage.input_tokens >= 1000
    assert books.usage.estimated
    assert books.cost_usd == books.usage.input_tokens
