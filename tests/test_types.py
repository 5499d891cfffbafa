import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.workflows.vocabulary.folding import folded, preview
from perdure.workflows.vocabulary.parts import (
    BlobRef,
    Data,
    File,
    Native,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolError,
    ToolResult,
    Usage,
)

pytestmark = pytest.mark.pure

BLOB = BlobRef(key="acme/s1/abc", size=100_000)
LONG = "a" * 3000 + "b" * 3000
SHORT = "a" * 1024 + "\n… 3952 characters left out …\n" + "b" * 1024
NATIVE = Native(api="demo", block={"text": LONG})
ERROR = ToolError(type="boom", message=LONG, retryable=True)
FOLDS: list[tuple[Part, Part]] = [
    (Text(text=LONG, native=NATIVE), Text(text=SHORT, blob=BLOB)),
    (Reasoning(text=LONG, native=NATIVE), Reasoning(text=SHORT, blob=BLOB)),
    (
        ToolCall(call_id="t1.s1.c1", name="add", args={"text": LONG}, args_raw=LONG, native=NATIVE),
        ToolCall(call_id="t1.s1.c1", name="add", args={}, args_raw=SHORT, blob=BLOB),
    ),
    (
        ToolResult(call_id="t1.s1.c1", name="add", output=LONG),
        ToolResult(call_id="t1.s1.c1", name="add", output=SHORT, blob=BLOB),
    ),
    (
        ToolResult(call_id="t1.s1.c1", name="add", output=ERROR.model_dump(), is_error=True),
        ToolResult(
            call_id="t1.s1.c1",
            name="add",
            output={"type": "boom", "message": SHORT, "retryable": True},
            is_error=True,
            blob=BLOB,
        ),
    ),
    (
        File(uri=f"data:text/plain,{LONG}", media_type="text/plain", name="a.txt"),
        File(uri=BLOB.key, media_type="text/plain", name="a.txt", blob=BLOB),
    ),
]


@pytest.mark.parametrize(("part", "short"), FOLDS, ids=lambda part: part.type)
def test_a_folded_part_keeps_head_and_tail(part: Part, short: Part) -> None:
    assert folded(part, BLOB) == short


@pytest.mark.parametrize(
    "part", [ToolResult(call_id="c", name="add", output={"rows": [LONG]}), Data(name="table", value={"rows": [LONG]})]
)
def test_json_is_previewed_as_it_is_written(part: ToolResult | Data) -> None:
    short = folded(part, BLOB)
    text = short.output if isinstance(short, ToolResult) else short.value if isinstance(short, Data) else ""
    assert isinstance(text, str)
    assert text.startswith('{"rows":["aaa')
    assert text.endswith('bbb"]}')


@pytest.mark.parametrize("length", [0, 1, 2047, 2048])
def test_what_is_short_enough_is_left_alone(length: int) -> None:
    assert preview("x" * length) == "x" * length


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(1, 50))
def test_a_preview_says_how_much_is_missing(text: str, keep: int) -> None:
    short = preview(text, keep)
    if len(text) <= 2 * keep:
        assert short == text
    else:
        missing = len(text) - 2 * keep
        assert short == f"{text[:keep]}\n… {missing} characters left out …\n{text[-keep:]}"


def test_usage_adds_up() -> None:
    one = Usage(input_tokens=1, cached_tokens=2, output_tokens=3, reasoning_tokens=4)
    assert one + one == Usage(input_tokens=2, cached_tokens=4, output_tokens=6, reasoning_tokens=8)
    assert one + Usage() == one


@pytest.mark.parametrize("fields", [{"text": "hi", "colour": "red"}, {"text": None}, {}])
def test_a_part_takes_its_own_fields_only(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Text.model_validate(fields)


def test_numbers_that_json_lacks_survive_as_words() -> None:
    part = ToolCall(call_id="c", name="add", args={"a": float("inf")})
    assert json.loads(part.model_dump_json())["args"] == {"a": "Infinity"}
