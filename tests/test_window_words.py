"""What providers' errors say of the sizes of a request that was too long."""

import pytest

from perdure.activities.models.window_words import Sizes, sizes_in

CASES: list[tuple[str, Sizes]] = [
    ("prompt is too long: 200001 tokens > 200000 maximum", Sizes(200_000, 200_001)),
    (
        "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens (135904 in the messages, "
        "4096 in the completion). Please reduce the length of the messages or completion.",
        Sizes(131_072, 135_904),
    ),
    ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", Sizes(200_000, 190_000)),
    ("Invalid request: Your request exceeded model token limit: 262144", Sizes(262_144, None)),
    (
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        Sizes(1_048_576, 1_200_000),
    ),
    (
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        Sizes(131_072, 140_000),
    ),
    (
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        Sizes(32_768, 40_000),
    ),
    (
        "This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens.",
        Sizes(4_096, 5_000),
    ),
    ("Your input exceeds the context window of this model.", Sizes()),
    ("Input is too long for requested model.", Sizes()),
    ("expected maxLength: 400000, actual: 500000", Sizes()),
    (f"maximum context length is {'9' * 400} tokens", Sizes()),
]


@pytest.mark.parametrize(("text", "sizes"), CASES)
def test_sizes_are_read_from_every_vendors_words(text: str, sizes: Sizes) -> None:
    assert sizes_in(text) == sizes


def test_llama_cpp_says_them_beside_its_words() -> None:
    body = {"error": {"message": "too long", "n_ctx": 4096, "n_prompt_tokens": 5000}}
    assert sizes_in("the request exceeds the available context size", body) == Sizes(4_096, 5_000)
