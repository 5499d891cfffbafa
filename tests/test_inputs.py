from typing import Any

import jsonschema
import pytest

from perdure.temporal.definitions.inputs import InputProblem, check_inputs, input_faults, inputs_schema
from perdure.workflows.definition.agent import AgentDefinition


def agent(inputs: dict[str, Any]) -> AgentDefinition:
    return AgentDefinition.model_validate(
        {"name": "a", "inputs": inputs, "models": {"m": {"use": "demo/x"}}, "model": "m", "instructions": "x"}
    )


SHOP = agent(
    {
        "customer": {"type": "string", "minLength": 1},
        "tier": {"enum": ["gold", "iron"], "default": "iron"},
        "address": {"type": "object", "properties": {"street": {"type": "string"}}, "default": {}},
    }
)


def test_the_schema_of_all_inputs() -> None:
    schema = inputs_schema(SHOP)
    assert schema["required"] == ["customer"]
    assert schema["additionalProperties"] is False
    jsonschema.Draft202012Validator(schema).validate({"customer": "Ann", "tier": "gold"})


def test_defaults_are_filled_in() -> None:
    assert check_inputs(SHOP, {"customer": "Ann"}) == {"customer": "Ann", "tier": "iron", "address": {}}


@pytest.mark.parametrize(
    ("inputs", "field", "words"),
    [
        ({}, "customer", "is required"),
        ({"customer": ""}, "customer", "short"),
        ({"customer": 3}, "customer", "not of type 'string'"),
        ({"customer": "Ann", "tier": "tin"}, "tier", "not one of"),
        ({"customer": "Ann", "address": {"street": 1}}, "address.street", "not of type 'string'"),
        ({"customer": "Ann", "age": 1}, "age", "takes no such input; there are: customer, tier, address"),
        ({"customer": ["x" * 10_000]}, "customer", "…"),
    ],
)
def test_a_wrong_input_is_named(inputs: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InputProblem) as raised:
        check_inputs(SHOP, inputs)
    assert raised.value.field == field
    # jsonschema has its own wording for a violated minLength.
    assert words in raised.value.message or (words == "short" and "non-empty" in raised.value.message)
    assert len(raised.value.message) < 400


def test_faulty_schemas_are_found_without_following_references() -> None:
    faults = dict(
        input_faults(
            agent(
                {
                    "odd": {"type": "strin"},
                    "far": {"anyOf": [{"$ref": "https://example.com/schema.json"}]},
                    "wrong": {"type": "integer", "default": "three"},
                    "right": {"type": "integer", "default": 3},
                }
            )
        )
    )
    assert [*faults] == [("odd", "type"), ("far",), ("wrong", "default")]
    assert "$ref" in faults["far",]
