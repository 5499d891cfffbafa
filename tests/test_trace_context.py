"""The header `traceparent` of a caller."""

import pytest

from perdure.temporal.telemetry.trace_context import parts_of, read_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("value", [GOOD, f" {GOOD} ", f"cc-{TRACE}-{SPAN}-01-what-comes-later"])
def test_it_is_read(value: str) -> None:
    assert read_traceparent(value) == GOOD
    assert parts_of(GOOD) == (int(TRACE, 16), int(SPAN, 16), 1)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "00",
        GOOD.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
        "x" * 10_000,
    ],
)
def test_what_is_not_valid_is_nothing(value: str | None) -> None:
    assert read_traceparent(value) is None
