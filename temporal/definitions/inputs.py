"""The inputs of an agent: their JSON Schema, and the check of what a caller gave.

An input is required unless it has a default. Nothing here follows a `$ref`, so no schema can reach the network.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema.exceptions import ValidationError
from pydantic import JsonValue

from perdure.temporal.schemas.check import schema_faults
from perdure.temporal.schemas.faults import faults
from perdure.temporal.schemas.patterns import pattern_fault
from perdure.temporal.schemas.yaml_source import Loc, field_name
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.schedules import Schedule

_MAX_MESSAGE: Final = 300
_REFERENCES: Final = frozenset(["$ref", "$dynamicRef", "$recursiveRef"])


class InputProblem(Exception):
    """An input that the agent does not take. `field` names it: `customer_name`, `address.street`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def inputs_schema(definition: AgentDefinition) -> dict[str, JsonValue]:
    """JSON Schema of a session's `inputs` as a whole."""
    return schema_of(definition.inputs)


def schema_of(schemas: Mapping[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The same of any inputs, by name."""
    return {
        "type": "object",
        "properties": dict(schemas),
        "required": [name for name, schema in schemas.items() if "default" not in schema],
        "additionalProperties": False,
    }


def check_inputs(definition: AgentDefinition, inputs: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """`inputs` with defaults filled in. Raises InputProblem for the first that is missing, unknown or wrong."""
    return check_values(definition.name, definition.inputs, inputs)


def check_values(
    agent: str, schemas: Mapping[str, dict[str, JsonValue]], inputs: dict[str, JsonValue]
) -> dict[str, JsonValue]:
    """The same for an agent of which only the schemas of its inputs are known."""
    defaults = {name: schema["default"] for name, schema in schemas.items() if "default" in schema}
    for name in inputs:
        if name not in schemas:
            there = ", ".join(schemas) or "none"
            raise InputProblem(name, f"{agent} takes no such input; there are: {there}")
    for name, schema in schemas.items():
        if name not in inputs and name not in defaults:
            raise InputProblem(name, "is required")
        if name in inputs:
            for error in faults(inputs[name], schema):
                raise InputProblem(field_name((name, *error.absolute_path)), _short(error))
    return {**defaults, **inputs}


def scheduled_inputs(
    definition: AgentDefinition, schedule: Schedule
) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """What a schedule gives a session that it starts, and its handler, with defaults filled in. A name that both take, both
    are given. The handler has to be there. Raises InputProblem."""
    given = dict(schedule.inputs)
    if schedule.handler is None:
        return check_inputs(definition, given), {}
    taken = definition.handlers[schedule.handler].inputs
    for name in given:
        if name not in taken and name not in definition.inputs:
            there = ", ".join(dict.fromkeys([*taken, *definition.inputs])) or "none"
            who = f"neither the handler {schedule.handler} nor {definition.name}"
            raise InputProblem(name, f"{who} takes such an input; there are: {there}")
    session = check_inputs(definition, {name: value for name, value in given.items() if name in definition.inputs})
    own = {name: value for name, value in given.items() if name in taken}
    return session, check_values(schedule.handler, taken, own)


def input_faults(definition: AgentDefinition) -> Iterator[tuple[Loc, str]]:
    """What is wrong with the schemas themselves: where below `inputs`, and why."""
    return faults_of(definition.inputs)


def faults_of(schemas: Mapping[str, dict[str, JsonValue]]) -> Iterator[tuple[Loc, str]]:
    """The same of any inputs, by name."""
    for name, schema in schemas.items():
        if (reference := _reference(schema)) is not None:
            yield (name,), f"{reference} cannot be used in an input"
            continue
        if wrong := schema_faults(schema):
            yield from (((name, *place), message) for place, message in wrong)
            continue
        if (broken := pattern_fault(schema)) is not None:
            yield (name, *broken[0]), broken[1]
            continue
        if "default" in schema:
            for fault in faults(schema["default"], schema):
                yield (name, "default"), f"does not fit its own schema: {_short(fault)}"
                break


def _reference(schema: Any) -> str | None:
    """A reference anywhere in `schema`; a property that merely bears such a name counts too, which harms nobody."""
    if isinstance(schema, dict):
        return next((key for key in schema if key in _REFERENCES), None) or _reference(list(schema.values()))
    if isinstance(schema, list):
        return next((found for item in schema if (found := _reference(item)) is not None), None)
    return None


def _short(error: ValidationError) -> str:
    message = error.message
    return message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}…"
