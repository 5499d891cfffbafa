"""Tool schemas for each provider: strict wherever possible, and never one that the provider rejects."""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, TypeAdapter

from perdure.activities.models.optional_nulls import without_nulls
from perdure.activities.models.schemas import fit_all
from perdure.activities.shipped.builtin_tools import calculator, current_time, fetch_url
from perdure.activities.shipped.order_desk import find_order, issue_refund
from perdure.activities.tools.tool import read_tool
from perdure.temporal.app.fakes.tools import anthropic_tools, openai_tools
from perdure.temporal.schemas.check import input_fault
from perdure.workflows.definition.providers.anthropic import ANTHROPIC
from perdure.workflows.definition.providers.dialect import PLAIN
from perdure.workflows.definition.providers.openai import OPENAI
from perdure.workflows.vocabulary.parts import ToolSpec

OBJECT: dict[str, Any] = {"type": "object"}
DIALECTS = {"anthropic": ANTHROPIC.dialect, "openai": OPENAI.dialect, "plain": PLAIN}


class Size(Enum):
    SMALL = "small"
    BIG = "big"


class Line(BaseModel):
    item: str = Field(min_length=1, description="What.")
    count: int = Field(default=1, ge=1, le=99)
    size: Size | None = None


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


class Order(BaseModel):
    lines: list[Line] = Field(min_length=2)
    due: date | None = None
    kind: Literal["gift", "own"] = "own"
    price: Decimal = Decimal(0)


class Anything(BaseModel):
    values: dict[str, int]


class Pair(BaseModel):
    pair: tuple[int, str]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str | None = None


class Pet(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


def spec(input: dict[str, Any], name: str = "tool") -> ToolSpec:  # noqa: A002
    return ToolSpec(name=name, description="A tool.", input=input)


def schema(kind: type[BaseModel]) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema()


def one(input: dict[str, Any], dialect: str) -> tuple[dict[str, Any], bool]:  # noqa: A002
    (fitted,) = fit_all([spec(input)], DIALECTS[dialect])
    return fitted.schema, fitted.strict


def complaints(tools: list[ToolSpec], dialect: str) -> list[str]:
    """The provider's complaints about a request with these tools."""
    fitted = list(zip(tools, fit_all(tools, DIALECTS[dialect]), strict=True))
    if dialect == "anthropic":
        return list(
            anthropic_tools([{"name": t.name, "input_schema": f.schema, "strict": f.strict} for t, f in fitted])
        )
    return list(openai_tools([{"name": t.name, "parameters": f.schema, "strict": f.strict} for t, f in fitted]))


def test_openai_wants_every_field_and_null_for_what_is_left_out() -> None:
    assert one(schema(Line), "openai") == (
        {
            "type": "object",
            "properties": {
                "item": {"type": "string", "description": "What. (minLength: 1)"},
                "count": {"type": ["integer", "null"], "maximum": 99, "minimum": 1, "description": "(default: 1)"},
                "size": {"anyOf": [{"$ref": "#/$defs/Size"}, {"type": "null"}]},
            },
            "required": ["item", "count", "size"],
            "additionalProperties": False,
            "$defs": {"Size": {"type": "string", "enum": ["small", "big"]}},
        },
        True,
    )


def test_anthropic_keeps_optional_fields_and_is_told_limits_in_words() -> None:
    made, strict = one(schema(Line), "anthropic")
    assert strict
    assert made["required"] == ["item"]
    assert made["properties"]["count"] == {
        "type": "integer",
        "description": "(maximum: 99, minimum: 1, default: 1)",
    }


@pytest.mark.parametrize("dialect", ["anthropic", "openai"])
@pytest.mark.parametrize("kind", [Line, Order, Pet])
def test_what_models_write_by_it_fits_the_tool(kind: type[BaseModel], dialect: str) -> None:
    made, strict = one(schema(kind), dialect)
    assert strict
    Draft202012Validator.check_schema(made)
    assert complaints([spec(schema(kind))], dialect) == []


@pytest.mark.parametrize(
    ("dialect", "schema_"),
    [
        ("anthropic", schema(Anything)),
        ("openai", schema(Anything)),
        ("openai", schema(Pair)),
        (
            "anthropic",
            {**OBJECT, "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": schema(Tree)["$defs"]["Tree"]}},
        ),
        ("openai", {**OBJECT, "properties": {"a": {}}}),
        ("openai", {**OBJECT, "properties": {"a": {"type": "array"}}}),
        ("anthropic", {**OBJECT, "properties": {"a": {"not": {"type": "string"}}}}),
        ("openai", OBJECT),
        ("openai", {**OBJECT, "properties": {"a": {**OBJECT, "patternProperties": {"x": {}}}}}),
        ("plain", schema(Line)),
    ],
)
def test_what_strict_mode_cannot_say_goes_plain_and_is_taken(dialect: str, schema_: dict[str, Any]) -> None:
    assert not one(schema_, dialect)[1]
    assert complaints([spec(schema_)], dialect) == []


def test_a_tree_is_strict_where_the_provider_knows_recursion() -> None:
    tree = {**OBJECT, "properties": {"root": {"$ref": "#/$defs/Tree"}}, "required": ["root"], **_defs(Tree)}
    assert one(tree, "openai")[1]
    assert not one(tree, "anthropic")[1]


@pytest.mark.parametrize("dialect", ["anthropic", "openai"])
def test_shipped_tools_are_taken(dialect: str) -> None:
    tools = [read_tool(fn).spec for fn in (calculator, current_time, fetch_url, find_order, issue_refund)]
    assert all(fitted.strict for fitted in fit_all(tools, DIALECTS[dialect]))
    assert complaints(tools, dialect) == []


def test_a_request_stays_below_the_providers_limits() -> None:
    tools = [spec(schema(Line), f"tool{n}") for n in range(30)]
    fitted = fit_all(tools, DIALECTS["anthropic"])
    assert [one.strict for one in fitted] == [True] * 12 + [False] * 18
    assert complaints(tools, "anthropic") == []


@pytest.mark.parametrize(
    ("kind", "sent", "given"),
    [
        (Line, {"item": "tea", "count": None, "size": None}, {"item": "tea", "size": None}),
        (Line, {"item": None, "other": None}, {"item": None, "other": None}),
        (
            Order,
            {"lines": [{"item": "tea", "count": None}], "due": None, "kind": None},
            {"lines": [{"item": "tea"}], "due": None},
        ),
        (Pet, {"pet": {"kind": "dog", "name": None}}, {"pet": {"kind": "dog", "name": None}}),
        (Tree, {"name": "a", "children": None}, {"name": "a"}),
    ],
)
def test_nulls_for_what_was_left_out_are_taken_out(kind: type[BaseModel], sent: Any, given: Any) -> None:
    assert without_nulls(sent, schema(kind)) == given


@pytest.mark.parametrize(
    ("schema_", "place", "words"),
    [
        ({"type": "string"}, (), "type: object"),
        ({**OBJECT, "oneOf": [OBJECT, OBJECT]}, ("oneOf",), "do not accept this keyword"),
        ({**OBJECT, "properties": {"ein Wort": {}}}, ("properties", "ein Wort"), "up to 64 letters"),
        (
            {**OBJECT, "properties": {"a": {"$ref": "http://x/y"}}},
            ("properties", "a", "$ref"),
            "'http://x/y' is not in",
        ),
        ({**OBJECT, "properties": {"a": {"type": "text"}}}, ("properties", "a", "type"), "not a JSON Schema"),
    ],
)
def test_what_no_provider_takes_is_named(schema_: dict[str, Any], place: tuple[str, ...], words: str) -> None:
    fault = input_fault(schema_)
    assert fault is not None
    assert fault[0] == place
    assert words in fault[1]


def _defs(kind: type[BaseModel]) -> dict[str, Any]:
    return {"$defs": schema(kind)["$defs"]}
