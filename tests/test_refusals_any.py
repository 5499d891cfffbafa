"""Whatever a server sends for a refusal, it is read, and what carries the conversation stays."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.activities.models.refusal import refusal_of
from perdure.activities.models.refusal_cures import cures
from perdure.activities.models.refused_numbers import room
from tests.support.refusals import CHAT, GEMINI, MESSAGES, RESPONSES, said

BODIES = [CHAT, RESPONSES, MESSAGES, GEMINI]
NAMES = [
    *sorted({name for body in BODIES for name in body}),
    *("role", "content", "parts", "tools.0.function.name", "messages.0.content", "input[0].content", "system", "text"),
    *(
        "messages[2].tool_calls[0].id",
        "generationConfig.maxOutputTokens",
        "tools[0].function_declarations[0].parameters",
    ),
    *(
        "additionalProperties",
        "type",
        "properties",
        "reasoningEffort",
        "thinking.type",
        "²",
        "9" * 5000,
        "effort",
        "name",
    ),
]
WORDS = [
    *("Unsupported parameter:", "Unknown name", "is not supported", "Extra inputs are not permitted", "use", "instead"),
    *(
        "must be one of",
        "Supported values are:",
        "maximum context length is",
        "input tokens",
        "max_tokens",
        ">",
        "<=",
        "null",
    ),
    *(
        "'",
        '"',
        "`",
        "[",
        "]",
        "\n",
        ":",
        ",",
        ".",
        "4096",
        "7" * 5000,
        "none",
        "adaptive",
        "role",
        "set",
        "to",
        "both",
        "\\",
    ),
]
TEXTS = st.lists(st.sampled_from(NAMES + WORDS) | st.text(max_size=8), max_size=30).map(" ".join)
LOCS = st.lists(st.sampled_from(NAMES) | st.integers(0, 3) | st.none(), max_size=6)
LEAVES = TEXTS | st.integers() | st.none() | st.booleans() | LOCS | TEXTS.map(json.dumps)
KEYS = st.sampled_from(["error", "message", "detail", "param", "loc", "msg", "field", "code", "errors", "x", "raw"])
ERRORS: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def kept(body: dict[str, Any]) -> Any:
    """What a request is about, whatever else of it is changed."""
    return json.dumps(
        [
            body.get("model"),
            [tool.get("name") or tool.get("function", {}).get("name") for tool in body.get("tools", ())],
            sorted(
                text
                for text in ("Be brief.", "Hi", "seen", '"arguments"')
                if json.dumps(text)[1:-1] in json.dumps(body)
            ),
        ]
    )


@settings(max_examples=300, deadline=None)
@given(ERRORS, st.sampled_from(BODIES), st.sampled_from([400, 404, 422, 500]))
def test_any_refusal_is_read(error: Any, body: dict[str, Any], status: int) -> None:
    refusal = refusal_of(said(error, status))
    assert refusal is not None
    made = body
    for change in cures(refusal, body):
        made = change.apply(made)
        assert change.words
    room(refusal, body)
    assert kept(made) == kept(body)
    if any(name in body for name in ("max_tokens", "max_output_tokens")):
        assert {"max_tokens", "max_completion_tokens", "max_output_tokens"} & made.keys()


def test_json_that_is_too_deep_is_only_text() -> None:
    refusal = refusal_of(said({"error": {"message": "[" * 100_000}}))
    assert refusal is not None
    assert cures(refusal, CHAT) == []
