"""Which answers keep to a schema, what is said of the others, and what the demo model answers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.activities.models.answer_validation import checked_answer, checked_text
from perdure.activities.models.demo.answers import answer
from perdure.temporal.schemas.faults import faults
from perdure.workflows.vocabulary.parts import Part, Reasoning, StopReason, Text, ToolCall

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "topic": {"enum": ["order", "refund"]},
        "urgency": {"type": "integer", "minimum": 1},
        "note": {"type": "string"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
    },
    "required": ["topic", "urgency"],
    "additionalProperties": False,
}
GOOD = '{"topic": "order", "urgency": 2}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"\n {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}```",
        # Of a model that is made to send every property.
        '{"topic": "order", "urgency": 2, "note": null}',
    ],
)
def test_what_fits(text: str) -> None:
    assert checked_text(text, SCHEMA).value == {"topic": "order", "urgency": 2}


@pytest.mark.parametrize(
    ("text", "misfit"),
    [
        ("Here you are:\n" + GOOD, "it is not JSON: "),
        (GOOD[:-1], "it is not JSON: "),
        ('{"topic": "order", "urgency": NaN}', "it is not JSON: "),
        ("[" * 5000, "it is not JSON: "),
        ("[]", "it is JSON, but an array and not an object"),
        ("null", "it is JSON, but null and not an object"),
        ("7", "it is JSON, but a number and not an object"),
        ('{"topic": "order"}', "urgency: is required"),
        ('{"topic": "order", "urgency": 0}', "urgency: "),
        ('{"topic": "gossip", "urgency": 1}', "topic: "),
        ('{"topic": "order", "urgency": 1, "lines": [{"sku": "a"}, {"sku": 1}]}', "lines[1].sku: "),
        (
            '{"topic": "order", "urgency": 1, "mood": "good"}',
            "mood: is not a field of the answer; its fields: topic, urgency, note, lines",
        ),
        (f'{{"topic": "order", "urgency": 1, "note": "{"x" * 40_000}"}}', "it has 400"),
    ],
)
def test_what_does_not(text: str, misfit: str) -> None:
    checked = checked_text(text, SCHEMA)
    assert checked.value is None
    assert checked.misfit is not None
    assert checked.misfit.startswith(misfit)
    assert len(checked.misfit) < 1100


@pytest.mark.parametrize(
    ("parts", "stop"),
    [
        ((Text(text=GOOD), ToolCall(call_id="c", name="add", args={})), "tool_calls"),
        ((Text(text=GOOD),), "max_tokens"),
        ((Text(text=GOOD),), "refusal"),
        ((Reasoning(text=GOOD),), "end"),
        ((Text(text="  "),), "end"),
    ],
)
def test_what_is_no_final_answer_is_not_checked(parts: tuple[Part, ...], stop: StopReason) -> None:
    assert checked_answer(parts, stop, SCHEMA) is None


def test_texts_of_one_answer_belong_together() -> None:
    checked = checked_answer((Reasoning(text="Hm."), Text(text=GOOD[:9]), Text(text=GOOD[9:])), "end", SCHEMA)
    assert checked is not None
    assert checked.value == {"topic": "order", "urgency": 2}


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    number = st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": st.integers(-5, 5), "maximum": st.integers(10, 50), "exclusiveMinimum": st.integers(0, 5)},
    )
    text = st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": st.integers(0, 9), "maxLength": st.integers(9, 20)}
    )
    choice = st.fixed_dictionaries({"enum": st.lists(st.sampled_from(["a", 1, None, True]), min_size=1, max_size=3)})
    others = st.sampled_from(
        [
            {"type": "boolean"},
            {"const": 7},
            {"type": ["null", "string"]},
            {"type": "string", "format": "date"},
            {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]},
            {"$ref": "#/$defs/tree"},
        ]
    )
    return st.one_of(number, text, choice, others)


def nested(below: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["a", "b", "city", "order_id"])
    record = st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.dictionaries(names, below, max_size=3),
            "required": st.lists(names, unique=True, max_size=3),
        }
    )
    several = st.fixed_dictionaries(
        {"type": st.just("array"), "items": below}, optional={"minItems": st.integers(0, 3), "maxItems": st.just(4)}
    )
    return st.one_of(record, several)


OBJECTS = st.recursive(leaves(), nested, max_leaves=8).map(
    lambda part: {
        "type": "object",
        "properties": {"part": part, "city": {"type": "string"}},
        "required": ["part", "city"],
        "additionalProperties": False,
        "$defs": {"tree": {"type": "object", "properties": {"below": {"$ref": "#/$defs/tree"}}}},
    }
)


@given(OBJECTS, st.text(max_size=60))
def test_the_demo_model_answers_in_any_form(schema: dict[str, Any], text: str) -> None:
    made = answer(schema, text)
    assert [error.message for error in faults(made, schema)] == []
    assert answer(schema, text) == made


def test_the_demo_model_takes_from_the_text_what_it_can() -> None:
    assert answer(SCHEMA, "A refund, please") == {"topic": "refund", "urgency": 1}
