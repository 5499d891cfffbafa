"""The schema of a tool's arguments, from type hints and docstrings, and the messages that refuse invalid ones."""

import dataclasses
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, JsonValue, RootModel
from typing_extensions import TypedDict

from perdure.activities.tools.arguments import Arguments, BadArguments, UnsupportedParameter, read_arguments
from perdure.activities.tools.docstrings import read_docstring


def arguments(fn: Callable[..., Any]) -> Arguments:
    return read_arguments(fn, read_docstring(fn))


def refusal(fn: Callable[..., Any], sent: dict[str, JsonValue]) -> str:
    with pytest.raises(BadArguments) as caught:
        arguments(fn).check(sent)
    return str(caught.value)


def google(order_id: str, limit: int = 5) -> None:
    """Find an order.

    It looks in every shop.

    Status values:
        open: still here

    Args:
        order_id: The number, with
            its letter.
        limit (int): How many.

    Returns:
        Nothing.
    """


def numpy(order_id: str, limit: int = 5) -> None:
    """Find an order.

    It looks in every shop.

    Parameters
    ----------
    order_id : str
        The number, with
        its letter.
    limit : int
        How many.

    Returns
    -------
    None
    """


def sphinx(order_id: str, limit: int = 5) -> None:
    """Find an order.

    It looks in every shop.

    :param order_id: The number, with
        its letter.
    :param int limit: How many.
    :returns: Nothing.
    """


@pytest.mark.parametrize("fn", [google, numpy, sphinx])
def test_docstrings_of_three_styles_describe_the_same(fn: Callable[..., Any]) -> None:
    docs = read_docstring(fn)
    assert docs.description.startswith("Find an order.\n\nIt looks in every shop.")
    assert arguments(fn).schema == {
        "type": "object",
        "properties": {
            "order_id": {"type": "string", "description": "The number, with its letter."},
            "limit": {"type": "integer", "default": 5, "description": "How many."},
        },
        "required": ["order_id"],
        "additionalProperties": False,
    }


def test_other_sections_stay_in_the_description_and_none_is_no_error() -> None:
    assert read_docstring(google).description.endswith("Status values:\nopen: still here")
    assert read_docstring(lambda: None).description == ""


def test_parsing_a_docstring_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    for fn in (google, numpy, sphinx):
        read_docstring(fn)
    assert caplog.records == []


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Address(BaseModel):
    street: str
    zip: str = Field(description="Five digits.", pattern=r"^\d{5}$")


class Order(BaseModel):
    """An order."""

    address: Address
    size: Size = Size.SMALL


@dataclasses.dataclass
class Point:
    """A point.

    Attributes:
        x: To the right.
    """

    x: int
    y: int = 0


class Search(TypedDict, total=False):
    text: str


class Node(BaseModel):
    name: str
    children: list["Node"] = []


@pytest.mark.parametrize(
    ("kind", "sent", "received"),
    [
        (Order, {"address": {"street": "A", "zip": "12345"}}, Order(address=Address(street="A", zip="12345"))),
        (Point, {"x": 1}, Point(1)),
        (Search, {"text": "a"}, {"text": "a"}),
        (Annotated[Point, Field(description="Where.")], {"x": 1, "y": 2}, Point(1, 2)),
        (Node, {"name": "a", "children": [{"name": "b"}]}, Node(name="a", children=[Node(name="b")])),
    ],
)
def test_a_single_record_is_flattened(kind: Any, sent: dict[str, JsonValue], received: object) -> None:
    def fn(it): ...  # type: ignore[no-untyped-def]

    fn.__annotations__["it"] = kind
    found = arguments(fn)
    assert found.schema["type"] == "object"
    assert not {"title", "description", "$ref"} & set(found.schema)
    assert set(sent) <= set(found.schema["properties"])  # type: ignore[arg-type]
    assert found.check(sent) == {"it": received}


def test_a_flattened_record_is_described_by_its_own_words_and_the_function_s() -> None:
    def go(point: Point) -> None:
        """Go there.

        Args:
            y: Upwards.
        """

    assert arguments(go).schema["properties"] == {
        "x": {"type": "integer", "description": "To the right."},
        "y": {"type": "integer", "default": 0, "description": "Upwards."},
    }


def test_a_record_beside_others_or_around_a_list_is_not_flattened() -> None:
    class Names(RootModel[list[str]]):
        pass

    def two(point: Point, name: str) -> None: ...
    def root(names: Names) -> None: ...
    def maybe(point: Point | None = None) -> None: ...

    assert arguments(two).check({"point": {"x": 1}, "name": "n"}) == {"point": Point(1), "name": "n"}
    assert arguments(root).check({"names": ["a"]}) == {"names": Names(["a"])}
    assert arguments(maybe).check({}) == {}


def test_awkward_names_and_defaults_do_not_matter() -> None:
    marker = object()

    def fn(schema: str, _x: int, model_config: int, json: Any = marker, copy: list[int] = []) -> None: ...  # noqa: B006

    sent: dict[str, JsonValue] = {"schema": "s", "_x": 1, "model_config": 2}
    assert arguments(fn).check(sent) == sent
    assert list(arguments(fn).schema["properties"]) == ["schema", "_x", "model_config", "json", "copy"]  # type: ignore[arg-type]


def test_no_parameters_take_an_empty_object() -> None:
    def fn() -> None: ...

    assert arguments(fn).schema == {"type": "object", "properties": {}, "additionalProperties": False}
    assert arguments(fn).check({}) == {}
    assert refusal(fn, {"a": 1}) == "a: is not an argument of this tool; its arguments: none"


def test_values_become_what_the_hints_say() -> None:
    def fn(
        on: date, at: Annotated[datetime, Field(strict=True)], tags: set[str], pair: tuple[int, str], size: Size
    ) -> None: ...

    sent: dict[str, JsonValue] = {
        "on": "2026-01-02",
        "at": "2026-01-02T03:04:05",
        "tags": ["a", "a"],
        "pair": [1, "b"],
        "size": "large",
    }
    assert arguments(fn).check(sent) == {
        "on": date(2026, 1, 2),
        "at": datetime(2026, 1, 2, 3, 4, 5),
        "tags": {"a"},
        "pair": (1, "b"),
        "size": Size.LARGE,
    }


class Marker:
    pass


def plain(a, b: int) -> None: ...  # type: ignore[no-untyped-def]
def stars(*names: str) -> None: ...
def double_stars(**names: str) -> None: ...
def positional(a: int, /) -> None: ...
def unknown(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def function(a: Callable[[], int]) -> None: ...
def opaque(a: int, b: Marker) -> None: ...
def field_default(a: int = Field(5)) -> None: ...


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (plain, "parameter 'a' has no type hint"),
        (stars, "parameter '*names': a tool's arguments must each have a name"),
        (double_stars, "parameter '**names': a tool's arguments must each have a name"),
        (positional, "parameter 'a' is positional-only; arguments are passed by name"),
        (unknown, "parameter 'a': its type cannot be described as JSON Schema: name 'Nowhere' is not defined"),
        (function, "parameter 'a': its type cannot be described as JSON Schema: Cannot generate a JsonSchema"),
        (opaque, "parameter 'b': its type cannot be described as JSON Schema: Unable to generate pydantic-core schema"),
        (field_default, "parameter 'a': write `Annotated[type, Field(...)] = default`"),
    ],
)
def test_what_cannot_be_an_argument_is_named(fn: Callable[..., Any], said: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        arguments(fn)
    assert str(caught.value).startswith(said)


def test_a_return_type_that_is_not_known_at_run_time_is_no_matter() -> None:
    def fn(a: int) -> "Nowhere": ...  # type: ignore[name-defined]  # noqa: F821

    assert arguments(fn).check({"a": 1}) == {"a": 1}


def test_every_bad_field_is_named_with_what_was_expected() -> None:
    def ship(order: Order, speed: Literal["slow", "fast"], count: Annotated[int, Field(ge=1, le=9)]) -> None: ...

    sent: dict[str, JsonValue] = {
        "order": {"address": {"zip": "x"}, "size": "huge"},
        "speed": "warp",
        "count": 12,
        "colour": "red",
    }
    assert refusal(ship, sent).split("; ") == [
        "order.address.street: is required",
        "order.address.zip: String should match pattern '^\\d{5}$'",
        "order.size: should be 'small' or 'large'",
        "speed: should be 'slow' or 'fast'",
        "count: should be less than or equal to 9",
        "colour: is not an argument of this tool",
        "its arguments: order, speed, count",
    ]


def test_items_of_lists_are_counted() -> None:
    def fn(rows: list[Address]) -> None: ...

    assert refusal(fn, {"rows": [{"street": "A", "zip": "12345"}, {"street": 1, "zip": "12345"}]}) == (
        "rows[1].street: should be a valid string"
    )


def deep(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        10**5000,
        float("inf"),
        float("nan"),
        "１２",
        "1e999",
        "\ud800",
        deep(300),
        deep(100_000),
        True,
        None,
        {},
        "9" * 5000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_hostile_numbers_are_refused_in_few_words(value: JsonValue) -> None:
    def fn(a: Annotated[int, Field(strict=True)]) -> None: ...

    said = refusal(fn, {"a": value})
    assert len(said) < 300


def test_many_errors_and_long_names_stay_short() -> None:
    def fn(a: list[int]) -> None: ...

    assert len(refusal(fn, {"a": ["x"] * 100_000})) < 3000
    assert len(refusal(fn, {"a": [], "k" * 1_000_000: 1})) < 300
