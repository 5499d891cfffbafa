"""Patterns of JSON Schemas: no text can keep a process busy, and unsupported patterns are refused at load."""

import time
from pathlib import Path
from typing import Any

import pytest

from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.temporal.definitions.inputs import InputProblem, check_inputs
from perdure.temporal.schemas.faults import faults
from perdure.temporal.schemas.patterns import applies_foreign, matches, pattern_fault
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition

SLOW = "^(a+)+$"
TEXT = "a" * 5_000 + "!"


def wrong(value: object, schema: dict[str, Any], foreign: bool = False) -> list[str]:
    return [error.message for error in faults(value, schema, foreign=foreign)]


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        ({"pattern": SLOW}, TEXT, False),
        ({"pattern": SLOW}, TEXT[:-1], True),
        ({"items": {"pattern": "(x+x+)+y"}}, ["x" * 5_000], False),
        ({"patternProperties": {SLOW: {"type": "integer"}}}, {TEXT: 1, "aa": 1}, True),
        ({"patternProperties": {SLOW: {"type": "integer"}}}, {"aa": "x"}, False),
        ({"patternProperties": {SLOW: {}}, "additionalProperties": False}, {"aa": 1}, True),
        ({"patternProperties": {SLOW: {}}, "additionalProperties": False}, {TEXT: 1}, False),
        ({"patternProperties": {"^x-": {}}, "additionalProperties": {"type": "string"}}, {"x-a": 1, "b": "c"}, True),
        ({"patternProperties": {"^x-": {}}, "additionalProperties": {"type": "string"}}, {"x-a": 1, "b": 2}, False),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1, "b": 2}, False),
        ({"propertyNames": {"pattern": SLOW}}, {TEXT: 1}, False),
        ({"$defs": {"p": {"pattern": SLOW}}, "$ref": "#/$defs/p"}, TEXT, False),
        ({"patternProperties": {SLOW: {}}, "unevaluatedProperties": False}, {TEXT: 1}, True),
        # A pattern is a search, and does not apply to values other than text.
        ({"pattern": "b"}, "abc", True),
        ({"pattern": "^b$"}, "b\n", False),
        ({"pattern": "b"}, 7, True),
        ({"pattern": "b"}, "\ud800", False),
    ],
)
def test_what_fits(schema: dict[str, Any], value: object, fits: bool, foreign: bool) -> None:
    before = time.thread_time()
    assert (wrong(value, schema, foreign) == []) == fits
    # Python's engine would need longer than the age of the universe.
    assert time.thread_time() - before < 30


def test_the_words_are_those_of_json_schema() -> None:
    assert wrong("x", {"pattern": "^a$"}) == ["'x' does not match '^a$'"]
    assert wrong({"b": 1}, {"additionalProperties": False}) == [
        "Additional properties are not allowed ('b' was unexpected)"
    ]
    (error,) = faults({"a": "x"}, {"patternProperties": {"^a": {"type": "integer"}}})
    assert (error.validator, list(error.absolute_path)) == ("type", ["a"])


@pytest.mark.parametrize("foreign", [False, True])
def test_a_pattern_of_another_dialect_says_nothing(foreign: bool) -> None:
    """Whether it is a Python tool's or a server's: its owner validates by itself."""
    assert wrong("b", {"pattern": "(?=a)"}, foreign) == []
    assert wrong({"b": 1}, {"patternProperties": {"(?=a)": False}, "additionalProperties": False}, foreign) == []


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"pattern": "(?=a)"}, ("pattern",)),
        ({"properties": {"a": {"items": {"pattern": r"(a)\1"}}}}, ("properties", "a", "items", "pattern")),
        ({"anyOf": [{}, {"patternProperties": {"(?<!x)": {}}}]}, ("anyOf", 1, "patternProperties", "(?<!x)")),
        ({"pattern": r"\w{1000}"}, ("pattern",)),
        ({"pattern": "("}, ("pattern",)),
        ({"properties": {"pattern": {"type": "string"}}}, None),
        ({"const": {"pattern": "(?=a)"}, "default": {"pattern": "("}}, None),
        ({"pattern": r"^\p{L}[\w.-]+/\d{2,4}$"}, None),
    ],
)
def test_what_the_engine_does_not_take(schema: dict[str, Any], place: tuple[str | int, ...] | None) -> None:
    fault = pattern_fault(schema)
    assert (fault and fault[0]) == place
    assert fault is None or "cannot be applied" in fault[1]


def test_a_definition_with_such_a_pattern_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "name: a\nmodel: m\nmodels: {m: {use: demo/x}}\ninstructions: x\n"
        "inputs:\n  code: {type: string, pattern: '(?=a)'}\n"
        "tools:\n  - client:\n      name: pick\n      description: x\n"
        "      input: {type: object, properties: {a: {type: string, pattern: '(a)\\1'}}}\n"
    )
    found = [(problem.line, problem.field) for problem in load_agent_file(file, {}, None).problems]
    assert found == [(6, "inputs.code.pattern"), (11, "tools[0].input.properties.a.pattern")]


def test_an_input_that_a_caller_gives() -> None:
    definition = AgentDefinition(
        name="a",
        models={"m": ModelDefinition(use="demo/x")},
        model="m",
        instructions="",
        inputs={"code": {"type": "string", "pattern": SLOW}},
    )
    assert check_inputs(definition, {"code": "aaa"}) == {"code": "aaa"}
    with pytest.raises(InputProblem):
        check_inputs(definition, {"code": "a" * 24 + "!"})


@pytest.mark.parametrize(
    ("schema", "applies"),
    [
        ({"pattern": "a{2,5}"}, True),
        ({"pattern": r"\w{1000}"}, False),
        ({"pattern": r"(\w{20}){20}"}, False),
        ({"pattern": "a{99999999999999999999}"}, False),
        ({"pattern": "a" * 1001}, False),
        ({"allOf": [{"pattern": f"a{number}"} for number in range(51)]}, False),
    ],
)
def test_a_stranger_s_patterns_are_bounded(schema: dict[str, Any], applies: bool) -> None:
    assert applies_foreign(schema) is applies
    assert applies or wrong("b", schema, foreign=True) == []


def test_a_text_is_searched() -> None:
    assert matches("b+", "abbc")
    assert not matches("^b", "ab")
