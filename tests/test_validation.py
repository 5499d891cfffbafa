"""The normal form of arguments: what conditions, people and tools see of a call."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, PlainSerializer
from typing_extensions import TypedDict

from perdure.activities.models.argument_validation import validated
from perdure.activities.models.provider_turns import Asked, AssistantTurn, Call, turns
from perdure.activities.tools.arguments import Arguments, BadArguments, read_arguments
from perdure.activities.tools.docstrings import read_docstring
from perdure.temporal.stores.blobs import LocalBlobs, fold_part, unfold
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, Message, ToolCall, ToolSpec
from tests.support.core import AT


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Rank(IntEnum):
    LOW = 1
    HIGH = 2


class Line(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    product: str
    pieces: int = 1
    unit_price: Decimal | None = Field(default=None, alias="unitPrice")


@dataclass
class Place:
    street: str
    number: int = 1
    tags: list[str] = field(default_factory=list)


class Row(TypedDict):
    amount: float
    note: NotRequired[str]


@dataclass
class Whole:
    amount: int
    urgent: bool = False
    at: datetime | None = None


def arguments(fn: Callable[..., Any]) -> Arguments:
    return read_arguments(fn, read_docstring(fn))


def everything(
    a_bool: bool,
    an_int: int,
    a_float: float,
    a_str: str,
    colour: Colour,
    rank: Rank,
    word: Literal["x", "y", 3],
    at: datetime,
    day: date,
    span: timedelta,
    price: Decimal,
    key: UUID,
    raw: bytes,
    maybe: int | None,
    either: int | bool | str | list[int],
    many: list[Decimal],
    by_name: dict[str, date],
    unique: set[int],
    place: Place,
    line: Line,
    row: Row,
    small: Annotated[int, Field(ge=-(10**6), le=10**6)],
    trimmed: Annotated[str, BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value)],
    anything: Any = None,
    defaulted: Annotated[int, Field(ge=0)] = 7,
    day_defaulted: date = date(2026, 3, 1),
) -> None:
    """All kinds of arguments."""


_DATES = st.dates().map(date.isoformat)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_NUMBER = st.integers(-(10**6), 10**6)
_LOOSE_INT = st.one_of(_NUMBER, _NUMBER.map(str), _NUMBER.map(float), st.booleans())
_LOOSE_BOOL = st.sampled_from([True, False, 0, 1, "yes", "no", "on", "off", "true", "False", "0", "1", "t", "F"])
_DECIMAL = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str), _NUMBER, st.floats(-1e6, 1e6)
)
_SENT = st.fixed_dictionaries(
    {
        "a_bool": _LOOSE_BOOL,
        "an_int": _LOOSE_INT,
        "a_float": st.one_of(
            _NUMBER, st.floats(allow_nan=False, allow_infinity=False), st.just("1e3"), _NUMBER.map(str)
        ),
        "a_str": _TEXT,
        "colour": st.sampled_from(["red", "blue"]),
        "rank": st.sampled_from([1, 2]),
        "word": st.sampled_from(["x", "y", 3]),
        "at": st.one_of(st.datetimes().map(datetime.isoformat), st.integers(0, 2**31)),
        "day": _DATES,
        "span": st.one_of(st.integers(0, 10**6), st.just("P3DT4H"), st.just("1 day, 02:00:00")),
        "price": _DECIMAL,
        "key": st.uuids().map(str),
        "raw": _TEXT,
        "maybe": st.one_of(st.none(), _LOOSE_INT),
        "either": st.one_of(st.booleans(), _NUMBER, _TEXT, st.lists(_LOOSE_INT, max_size=3)),
        "many": st.lists(_DECIMAL, max_size=3),
        "by_name": st.dictionaries(_TEXT, _DATES, max_size=3),
        "unique": st.lists(_LOOSE_INT, max_size=4),
        "place": st.fixed_dictionaries({"street": _TEXT}, optional={"number": _LOOSE_INT, "tags": st.lists(_TEXT)}),
        "line": st.fixed_dictionaries({"product": _TEXT}, optional={"pieces": _LOOSE_INT, "unitPrice": _DECIMAL}),
        "row": st.fixed_dictionaries({"amount": st.one_of(_NUMBER, st.just("12"))}, optional={"note": _TEXT}),
        "small": _LOOSE_INT,
        "trimmed": _TEXT,
    },
    optional={
        "anything": st.recursive(
            st.none() | st.booleans() | _NUMBER | _TEXT,
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
        ),
        "defaulted": st.one_of(st.integers(0, 9), st.just("3")),
        "day_defaulted": _DATES,
    },
)
_EVERYTHING = arguments(everything)


def _ordered(args: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Sorts sets, which have no order."""
    unique: Any = args["unique"]
    return {**args, "unique": sorted(unique)}


@given(_SENT)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_normal_form_validates_to_the_same_values_and_stays_as_it_is(sent: dict[str, Any]) -> None:
    made = _EVERYTHING.normal(sent)
    assert made is not None
    assert _ordered(_EVERYTHING.normal(made) or {}) == _ordered(made)
    once, again = _EVERYTHING.check(sent), _EVERYTHING.check(made)
    assert {name: again[name] for name in once} == once
    assert {name: type(again[name]) for name in once} == {name: type(value) for name, value in once.items()}
    assert list(made)[: len(sent)] == list(sent)


def coerced(dry_run: bool, amount: float, urgent: bool = False) -> None:
    """Coerces."""


@pytest.mark.parametrize(
    ("sent", "made"),
    [
        ({"dry_run": "no", "amount": "1e3"}, {"dry_run": False, "amount": 1000.0, "urgent": False}),
        (
            {"dry_run": 0, "amount": "\u0661\u0665\u0660"},
            "amount: should be a valid number, unable to parse string as a number",
        ),
        ({"dry_run": "true", "amount": " 150 ", "urgent": "off"}, {"dry_run": True, "amount": 150.0, "urgent": False}),
        ({"dry_run": "1", "amount": "Infinity"}, {"dry_run": True, "amount": "Infinity", "urgent": False}),
        # NaN is not equal to itself, so it is unknown whether it stays the same.
        ({"dry_run": True, "amount": "NaN"}, None),
        ({"dry_run": "maybe", "amount": 1}, "dry_run: should be a valid boolean, unable to interpret input"),
    ],
)
def test_what_a_tool_takes_is_what_is_seen_of_it(sent: dict[str, Any], made: Any) -> None:
    taken = arguments(coerced)
    if not isinstance(made, str):
        assert taken.normal(sent) == made
        return
    with pytest.raises(BadArguments) as caught:
        taken.normal(sent)
    assert str(caught.value) == made
    assert caught.value.faults == (tuple(made.split(": ", 1)),)


def test_a_tool_s_only_parameter_gives_its_fields() -> None:
    def order(whole: Whole) -> None:
        """Orders."""

    sent: dict[str, JsonValue] = {"amount": "5", "at": "2026-03-01 12:00"}
    assert arguments(order).normal(sent) == {"amount": 5, "at": "2026-03-01T12:00:00", "urgent": False}


_SENTINEL: Any = object()


def no_normal_form() -> list[Callable[..., Any]]:
    def adds(n: Annotated[int, AfterValidator(lambda n: n + 1)]) -> None:
        """Not the same a second time."""

    def refuses(n: Annotated[int, Field(le=10), AfterValidator(lambda n: n * 1000)]) -> None:
        """Refuses its own word."""

    def loses(n: Annotated[int, PlainSerializer(lambda n: 1)]) -> None:
        """Writes something else."""

    class Hidden(BaseModel):
        n: int = Field(default=1, exclude=True)

    def excludes(n: Annotated[Hidden, BeforeValidator(lambda n: {"n": n} if isinstance(n, int) else n)]) -> None:
        """Writes nothing."""

    def fails(n: Annotated[int, PlainSerializer(lambda n: n / 0)]) -> None:
        """Cannot be written."""

    return [adds, refuses, loses, excludes, fails]


@pytest.mark.parametrize("fn", no_normal_form(), ids=lambda fn: fn.__name__)
def test_what_would_become_another_value_has_no_normal_form(fn: Callable[..., Any]) -> None:
    taken = arguments(fn)
    taken.check({"n": 5})
    assert taken.normal({"n": 5}) is None


def test_a_default_that_json_cannot_tell_is_left_to_the_function() -> None:
    def find(
        what: str,
        limit: int = "all",  # type: ignore[assignment]
        other: Any = _SENTINEL,
        folder: Path = "x",  # type: ignore[assignment]
        size: int = 3,
    ) -> None:
        """Finds."""

    assert arguments(find).normal({"what": "a"}) == {"what": "a", "size": 3}


CALL = ToolCall(call_id="t1.s1.c1", name="coerced", args={"dry_run": "no", "amount": 1})
TOOL = ToolSpec(name="coerced", description="Coerces.", input=arguments(coerced).schema)


def test_the_model_is_shown_what_it_wrote() -> None:
    (call,) = validated((CALL,), (TOOL,), lambda spec: arguments(coerced))
    assert isinstance(call, ToolCall)
    assert (call.checked, call.args) == ("tool", {"dry_run": False, "amount": 1.0, "urgent": False})
    said = turns((Message(id="m", role="assistant", parts=(call,), at=AT),), Asked("x", ""))[1]
    assert isinstance(said, AssistantTurn)
    (part,) = said.parts
    assert isinstance(part, Call)
    assert part.part.args == CALL.args


def test_what_is_as_it_was_written_is_not_kept_twice() -> None:
    fine = CALL.model_copy(update={"args": {"urgent": True, "amount": 2.5, "dry_run": False}})
    assert validated((fine,), (TOOL,), lambda spec: arguments(coerced)) == (
        fine.model_copy(update={"checked": "tool"}),
    )
    # In Python, 1 equals True.
    one = CALL.model_copy(update={"args": {"dry_run": 1, "amount": 2.5, "urgent": False}})
    (call,) = validated((one,), (TOOL,), lambda spec: arguments(coerced))
    assert isinstance(call, ToolCall)
    assert (call.args["dry_run"], call.written) == (True, one.args)


def test_a_validator_that_breaks_says_nothing_of_the_arguments() -> None:
    def broken(n: Annotated[int, BeforeValidator(lambda n: {}[n])]) -> None:
        """Breaks."""

    call = ToolCall(call_id="c", name="broken", args={"n": 1})
    tool = ToolSpec(name="broken", description="", input=arguments(broken).schema)
    assert validated((call,), (tool,), lambda spec: arguments(broken)) == (call,)


def test_long_arguments_are_put_away_as_validated(tmp_path: Path) -> None:
    def store(text: str, dry_run: bool) -> None:
        """Stores."""

    async def there_and_back() -> ToolCall:
        long = ToolCall(call_id="c", name="store", args={"text": "x" * INLINE_LIMIT, "dry_run": "no"})
        tool = ToolSpec(name="store", description="", input=arguments(store).schema)
        (call,) = validated((long,), (tool,), lambda spec: arguments(store))
        blobs = LocalBlobs(tmp_path)
        folded = await fold_part(blobs, "lab/one", call)
        assert isinstance(folded, ToolCall)
        assert (folded.args, folded.written, folded.checked) == ({}, None, "tool")
        (whole,) = await unfold(blobs, (folded,))
        assert isinstance(whole, ToolCall)
        return whole

    whole = asyncio.run(there_and_back())
    assert whole.args["dry_run"] is False
    assert whole.as_written().args["dry_run"] == "no"


STOCK = {
    "type": "object",
    "properties": {
        "dry_run": {"type": "boolean", "default": True},
        "where": {
            "type": "object",
            "properties": {"city": {"$ref": "#/$defs/city", "default": "Bonn"}, "floor": {"type": "integer"}},
        },
        "rows": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}},
        "wrong": {"type": "integer", "default": "none"},
    },
    "$defs": {"city": {"type": "string"}},
}


@pytest.mark.parametrize(
    ("sent", "made"),
    [
        ({}, {"dry_run": True}),
        ({"dry_run": False, "where": {}}, {"dry_run": False, "where": {"city": "Bonn"}}),
        ({"rows": [{}, {"n": 5}]}, {"rows": [{"n": 1}, {"n": 5}], "dry_run": True}),
        ({"dry_run": None}, {"dry_run": True}),
        # Other servers validate themselves and may accept it; that is unknown here.
        ({"dry_run": "no"}, None),
        ({"wrong": float("nan")}, None),
    ],
)
def test_a_schema_alone_gives_defaults_and_coerces_nothing(sent: dict[str, Any], made: dict[str, Any] | None) -> None:
    tool = ToolSpec(name="stock", description="", input=STOCK)
    (call,) = validated((ToolCall(call_id="c", name="stock", args=sent),), (tool,), lambda spec: None)
    assert isinstance(call, ToolCall)
    assert call.checked == "schema"
    assert (call.misfit is None) == (made is not None)
    if made is not None:
        assert call.args == made
