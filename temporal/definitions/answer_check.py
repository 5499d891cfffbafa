"""What is wrong with the form that a definition asks of its answers (`answer:`)."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from perdure.temporal.definitions.finding import Finding
from perdure.temporal.schemas.check import Place, input_fault, schema_faults
from perdure.temporal.schemas.faults import faults
from perdure.temporal.schemas.patterns import pattern_fault
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.definition.agent import AgentDefinition

_PLACE: Loc = ("answer", "schema")


def answer_findings(definition: AgentDefinition) -> Iterator[Finding]:
    """A schema has to be one that providers take for a whole answer. An example that does not keep to it misleads a model."""
    if definition.answer is None:
        return
    schema = definition.answer.form
    wrong = form_faults(schema)
    for place, message in wrong:
        yield Finding((*_PLACE, *place), message)
    if wrong:
        return
    for index, example in enumerate(definition.examples):
        if not _keeps_to(example.assistant, schema):
            message = "is not of the form that answer.schema asks for, so it teaches the model a wrong one"
            yield Finding(("examples", index, "assistant"), message, kind="warning")


def form_faults(schema: dict[str, Any]) -> list[tuple[Place, str]]:
    """Why providers do not take this schema for a whole answer, each with the place in it."""
    wrong = schema_faults(schema)
    if not wrong and (fault := input_fault(schema) or pattern_fault(schema)) is not None:
        wrong = [fault]
    return [(place, _about_answers(message)) for place, message in wrong]


def _about_answers(message: str) -> str:
    return message.replace("at the arguments' top level", "at the answer's top level")


def _keeps_to(text: str, schema: dict[str, JsonValue]) -> bool:
    try:
        return next(faults(json.loads(text), schema), None) is None
    except ValueError:
        return False
