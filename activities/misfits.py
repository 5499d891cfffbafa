"""What does not fit in the arguments of a model's calls, found while its answer is taken in: a call that cannot run is
never put before a person or an app. Pure.

Rule 1: a call is compared with the schema that the model was shown, and the explanation names each bad field.
Rule 2: a schema that cannot be applied says nothing against a call.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from jsonschema.exceptions import ValidationError

from activities.results import told
from temporal.schema_faults import faults
from temporal.yaml_source import field_name
from workflows.types import Part, ToolCall, ToolSpec

_MOST: Final = 10
_LONGEST_NAME: Final = 80


def with_misfits(parts: Iterable[Part], tools: Iterable[ToolSpec]) -> tuple[Part, ...]:
    """`parts`, each call that does not fit its tool's input schema with its `misfit`."""
    specs = {tool.name: tool for tool in tools}
    return tuple(
        part.model_copy(update={"misfit": wrong})
        if isinstance(part, ToolCall)
        and part.args_raw is None
        and part.name in specs
        and (wrong := misfit(part.args, specs[part.name])) is not None
        else part
        for part in parts
    )


def misfit(args: dict[str, Any], tool: ToolSpec) -> str | None:
    """Why a call of `tool` with `args` cannot run, in words for the model; None: it fits."""
    try:
        errors = faults(args, tool.input, foreign=tool.foreign)
        wrong = list(dict.fromkeys(line for error in islice(errors, _MOST) for line in _lines(error)))[:_MOST]
    except Exception:
        # References to nowhere, patterns of another dialect: it fails in whatever way the schema is broken.
        return None
    return f"{tool.name} was not called, because its arguments are wrong. {'; '.join(wrong)}." if wrong else None


def _lines(error: ValidationError) -> Iterable[str]:
    """Fault by fault, each with its field; in the words that a Python tool's arguments are refused with."""
    place = tuple(error.absolute_path)
    schema: Any = error.schema
    expected: Any = error.validator_value
    given: Any = error.instance
    match error.validator:
        case "required":
            return [f"{field_name((*place, name))}: is required" for name in expected if name not in given]
        case "additionalProperties" if expected is False and "patternProperties" not in schema:
            properties = schema.get("properties", {})
            known = f"no argument of this tool; its arguments: {', '.join(properties) or 'none'}"
            what = "no field that is known here" if place else known
            extra = [name[:_LONGEST_NAME] for name in given if name not in properties]
            return [f"{field_name((*place, name))}: is {what}" for name in extra]
        case _:
            return [told(error)]
