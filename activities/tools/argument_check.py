"""Validation errors of a call's arguments against the schema that the model was shown. Pure.

Rule: the explanation names each bad field.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from jsonschema.exceptions import ValidationError

from perdure.activities.tools.results import explained
from perdure.temporal.schemas.faults import faults
from perdure.temporal.schemas.yaml_source import field_name
from perdure.workflows.vocabulary.parts import ToolSpec

_MOST: Final = 10
_LONGEST_NAME: Final = 80


def misfits(args: dict[str, Any], tool: ToolSpec) -> list[str]:
    """How `args` violate the tool's input schema, in words for the model. Empty: they are valid.

    Raises whatever comes of a schema that cannot be applied (dangling references, patterns of another dialect).
    """
    return in_words(faults(args, tool.input, foreign=tool.foreign), "an argument of this tool; its arguments")


def in_words(errors: Iterable[ValidationError], known: str) -> list[str]:
    """A line for each field at fault. `known`: what the names at the top level are, before a list of them."""
    return list(dict.fromkeys(line for error in islice(errors, _MOST) for line in _lines(error, known)))[:_MOST]


def wrong_arguments(name: str, why: str) -> str:
    """The message to the model about a call whose arguments do not fit."""
    return f"{name} was not called, because its arguments are wrong. {why}."


def _lines(error: ValidationError, top: str) -> Iterable[str]:
    """One line for each field at fault, in the words that a Python tool uses for its arguments."""
    place = tuple(error.absolute_path)
    schema: Any = error.schema
    expected: Any = error.validator_value
    given: Any = error.instance
    match error.validator:
        case "required":
            return [f"{field_name((*place, name))}: is required" for name in expected if name not in given]
        case "additionalProperties" if expected is False and "patternProperties" not in schema:
            properties = schema.get("properties", {})
            known = f"not {top}: {', '.join(properties) or 'none'}"
            what = "not a known field" if place else known
            extra = [name[:_LONGEST_NAME] for name in given if name not in properties]
            return [f"{field_name((*place, name))}: is {what}" for name in extra]
        case _:
            return [explained(error)]
