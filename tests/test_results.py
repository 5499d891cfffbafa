from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from perdure.activities.tools.results import BadResult, check_result, read_results


class Order(BaseModel):
    day: date
    total: float = Field(serialization_alias="sum")
    state: Literal["new", "old"] = "new"


@dataclass
class Line:
    product: str


def order() -> Order: ...  # type: ignore[empty-body]
def orders() -> list[Order] | None: ...
def lines() -> dict[str, Line]: ...  # type: ignore[empty-body]
def nothing() -> None: ...
def anything() -> Any: ...
def unsaid(): ...  # type: ignore[no-untyped-def]
def unknown() -> "Nowhere": ...  # type: ignore[name-defined]  # noqa: F821
def opaque() -> Callable[[], int]: ...  # type: ignore[empty-body]


@pytest.mark.parametrize("fn", [anything, unsaid, unknown, opaque])
def test_a_type_that_tells_nothing_takes_anything(fn: Callable[..., Any]) -> None:
    results = read_results(fn)
    assert results.schema is None
    assert results.to_json({"a": date(2026, 3, 1)}) == {"a": "2026-03-01"}


def test_the_schema_is_that_of_what_is_written() -> None:
    schema = read_results(order).schema
    assert schema is not None
    assert list(schema["properties"]) == ["day", "sum", "state"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fn", "value", "written"),
    [
        (order, Order(day=date(2026, 3, 1), total=2), {"day": "2026-03-01", "sum": 2.0, "state": "new"}),
        (orders, None, None),
        (orders, [], []),
        (lines, {"a": Line("lamp")}, {"a": {"product": "lamp"}}),
        (lines, {"a": {"product": "lamp"}}, {"a": {"product": "lamp"}}),
        (nothing, None, None),
    ],
)
def test_what_fits_is_written_as_json(fn: Callable[..., Any], value: object, written: object) -> None:
    assert read_results(fn).to_json(value) == written


@pytest.mark.parametrize(
    ("fn", "value", "told"),
    [
        (order, {"day": "2026-03-01"}, "'sum' is a required property"),
        (order, None, "None is not of type 'object'"),
        (orders, [{"day": "x", "sum": 1, "state": "lost"}], ""),
        (lines, {"a": {"product": 7}}, "a.product: 7 is not of type 'string'"),
        (nothing, 1, "1 is not of type 'null'"),
        (anything, object(), "it cannot be written as JSON"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(fn: Callable[..., Any], value: object, told: str) -> None:
    with pytest.raises(BadResult) as caught:
        read_results(fn).to_json(value)
    assert str(caught.value).startswith(told)


def test_a_check_names_the_place_and_fetches_nothing() -> None:
    schema = {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    with pytest.raises(BadResult, match=r"^\[1\]\.n: 'x' is not of type 'integer'$"):
        check_result([{"n": 1}, {"n": "x"}], schema)  # type: ignore[arg-type]
    with pytest.raises(BadResult) as caught:
        check_result("x" * 10_000, {"type": "integer"})
    assert len(str(caught.value)) < 400
