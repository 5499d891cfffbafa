import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.activities.models.token_counts import counts, in_chunk, merged, timed
from perdure.workflows.vocabulary.parts import Usage


def used(read: int, written: int, *, cached: int = 0, cache_write: int = 0, reasoning: int = 0) -> Usage:
    return Usage(
        input_tokens=read,
        cached_tokens=cached,
        cache_write_tokens=cache_write,
        output_tokens=written,
        reasoning_tokens=reasoning,
    )


OPENAI: dict[str, Any] = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 80, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 15},
}
XAI: dict[str, Any] = {"prompt_tokens": 10120, "completion_tokens": 1499, "total_tokens": 14428}


@pytest.mark.parametrize(
    ("usage", "usual"),
    [
        (OPENAI, used(100, 20, cached=80, reasoning=15)),
        ({"prompt_tokens": 10, "completion_tokens": 5}, used(10, 5)),
        # Kimi, DeepSeek, OpenRouter.
        ({"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 8}, used(10, 5, cached=8)),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2},
            used(10, 5, cached=8),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 60},
            },
            used(100, 5, cached=8, cache_write=60),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_tokens_details": {
                    "cached_tokens": 8,
                    "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 10},
                },
            },
            used(100, 5, cached=8, cache_write=60),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "cache_creation": {"ephemeral_1h_input_tokens": 7, "x": None},
            },
            used(10, 5, cache_write=7),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "cache_creation_input_tokens": 60,
                "cache_creation": {"ephemeral_5m_input_tokens": 60},
            },
            used(100, 5, cache_write=60),
        ),
        # Proxies of Anthropic, which count what the cache held apart, or do not.
        (
            {"prompt_tokens": 6, "completion_tokens": 5, "cache_creation_input_tokens": 159_217, "total_tokens": 11},
            used(159_223, 5, cache_write=159_217),
        ),
        (
            {"prompt_tokens": 50, "completion_tokens": 5, "cache_read_input_tokens": 40, "total_tokens": 55},
            used(50, 5, cached=40),
        ),
        (
            {"prompt_tokens": 50, "completion_tokens": 5, "cache_read_input_tokens": 40, "total_tokens": 95},
            used(90, 5, cached=40),
        ),
        # Hidden reasoning: xAI and Gemini leave it out of the completion.
        (XAI, used(10_120, 4308, reasoning=2809)),
        (XAI | {"completion_tokens_details": {"reasoning_tokens": 2809}}, used(10_120, 4308, reasoning=2809)),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 30}},
            used(10, 35, reasoning=30),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 1009},
            used(9, 1000, reasoning=1000),
        ),
        # What is left out is the rest.
        ({"prompt_tokens": 10, "total_tokens": 15}, used(10, 5)),
        ({"completion_tokens": 5, "total_tokens": 15}, used(10, 5)),
        # The names of Responses, and of Ollama.
        (
            {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 3}},
            used(9, 4, cached=3),
        ),
        ({"prompt_eval_count": 9, "eval_count": 4}, used(9, 4)),
        # Numbers in other types.
        ({"prompt_tokens": "10", "completion_tokens": 5.0}, used(10, 5)),
        ({"prompt_tokens": "10.0", "completion_tokens": math.nan, "total_tokens": True}, used(10, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 10**400, "total_tokens": "1e999"}, used(10, 0)),
        ({"prompt_tokens": -1, "completion_tokens": 5, "prompt_tokens_details": None}, used(0, 5)),
        ({"prompt_tokens": 10, "completion_tokens": None, "prompt_tokens_details": [1]}, used(10, 0)),
    ],
)
def test_where_counts_stand(usage: dict[str, Any], usual: Usage) -> None:
    assert counts(usage) == usual


@pytest.mark.parametrize("nothing", [None, {}, [], "10", 7, {"prompt_tokens": 0, "completion_tokens": 0}, {"a": 1}])
def test_what_holds_no_counts(nothing: object) -> None:
    assert counts(nothing) is None


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [], "usage": OPENAI},
        {"choices": [{"index": 0, "delta": {}, "usage": OPENAI}]},
        {"choices": [None, {"usage": OPENAI}], "usage": None},
        {"x_groq": {"id": "x", "usage": OPENAI}},
        {"choices": "none", "usage": OPENAI, "x_groq": []},
    ],
)
def test_where_a_chunk_has_them(chunk: dict[str, Any]) -> None:
    assert in_chunk(chunk) == used(100, 20, cached=80, reasoning=15)


def test_the_timings_of_llama_cpp() -> None:
    assert timed({"cache_n": 236, "prompt_n": 1, "predicted_n": 35, "prompt_ms": 30.9}) == used(237, 35, cached=236)
    assert timed({"prompt_n": "x"}) is None
    assert timed([1]) is None


def test_reports_add_to_each_other() -> None:
    assert merged(used(1500, 0), used(0, 20)) == used(1500, 20)
    assert merged(used(100, 5), used(100, 20)) == used(100, 20)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*OPENAI, "usage", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_nothing_raises(value: Any) -> None:
    counts(value)
    timed(value)
    if isinstance(value, dict):
        in_chunk(value)
