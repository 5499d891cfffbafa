"""Bodies are read strictly: every input gives a value or a problem, never another failure."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.gateway.http.problems import Problem
from perdure.gateway.http.strict_json import MAX_DEPTH, MAX_VALUES, parse


def refusal(data: bytes) -> str:
    with pytest.raises(Problem) as caught:
        parse(data)
    assert caught.value.status == 422
    return caught.value.detail


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b'{"a":1,"a":2}', "a: stands twice in one object"),
        (b"NaN", "body: holds NaN, which is not JSON"),
        (b'{"a":-Infinity}', "body: holds -Infinity, which is not JSON"),
        (b'{"a":[1e999]}', "a[0]: is a number that is too large"),
        (b'{"a":%d}' % 2**63, "a: is a number that is too large"),
        (b'{"a":%s}' % (b"9" * 5000), "body: holds a number that is too large"),
        (b'{"a":["\\ud83d"]}', "a[0]: holds half of a surrogate pair, which is no character"),
        (b'{"\\udc00":1}', "body: holds half of a surrogate pair, which is no character"),
        (b'{"a":"\\u0000"}', "a: holds a NUL character"),
        (b'{"a":"\xff"}', "body: is not UTF-8 text (byte 6)"),
        (b"", "body: is not JSON: Expecting value at line 1, column 1"),
        (b'{"a":}', "body: is not JSON: Expecting value at line 1, column 6"),
        (b"\xef\xbb\xbf{}", "body: is not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at line 1, column 1"),
        (b"[" * 1_000_000, f"body: is nested more than {MAX_DEPTH} levels deep"),
        (b"[" + b"0," * MAX_VALUES + b"0]", f"body: holds more than {MAX_VALUES} values"),
    ],
)
def test_what_is_refused(data: bytes, detail: str) -> None:
    assert refusal(data) == detail


def test_depth_is_bounded_exactly() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert "nested" in refusal(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@given(st.binary())
def test_any_bytes_are_a_value_or_a_problem(data: bytes) -> None:
    try:
        value = parse(data)
    except Problem:
        return
    assert value == json.loads(data)


_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.recursive(_SCALARS | _TEXT, lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner)))
def test_json_that_is_right_is_read_as_it_is(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value
