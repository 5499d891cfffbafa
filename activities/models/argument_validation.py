"""Arguments of a model's calls, validated once, when the answer arrives: conditions, people and tools then see the same.

Rule 1: if this worker has the very Python tool that the model was shown, its own types validate. Otherwise the schema
that the model was shown does. The call records which of the two it was (`ToolCall.checked`).
Rule 2: arguments that could not be validated stay as they were written, and the call records that. Whoever decides about the
call must not rely on them.
Rule 3: what the model wrote is kept beside the validated arguments.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from perdure.activities.models.optional_nulls import without_nulls
from perdure.activities.models.schema_references import resolved
from perdure.activities.tools.argument_check import misfits, wrong_arguments
from perdure.activities.tools.arguments import Arguments, BadArguments
from perdure.temporal.schemas.faults import faults
from perdure.temporal.schemas.patterns import PatternInvalid, applies_foreign, pattern_fault
from perdure.workflows.vocabulary.parts import Part, ToolCall, ToolSpec

#: Returns the arguments of the Python tool that a spec describes, if this worker has it.
OwnTool = Callable[[ToolSpec], Arguments | None]


def validated(parts: Iterable[Part], tools: Iterable[ToolSpec], own: OwnTool) -> tuple[Part, ...]:
    """`parts`, with validated arguments in each complete call of a known tool."""
    specs = {tool.name: tool for tool in tools}
    return tuple(
        _validated(part, specs[part.name], own)
        if isinstance(part, ToolCall) and part.args_raw is None and part.name in specs
        else part
        for part in parts
    )


def _validated(call: ToolCall, tool: ToolSpec, own: OwnTool) -> ToolCall:
    # Strict mode makes a model send null for an optional argument. Tools are called without it.
    sent = without_nulls(call.args, tool.input)
    mine = own(tool)
    checked = call.model_copy(update={"checked": "schema" if mine is None else "tool"})
    try:
        args = _by_schema(sent, tool) if mine is None else mine.normal(sent)
    except BadArguments as error:
        return _with(checked.model_copy(update={"misfit": wrong_arguments(tool.name, str(error))}), sent)
    except Exception:
        # The user's own validator broke, or the schema cannot be applied: nothing is known of these arguments.
        args = None
    return _with(call, sent) if args is None else _with(checked, args)


def _with(call: ToolCall, args: dict[str, JsonValue]) -> ToolCall:
    # Compared as text: for Python, 1 and True are equal.
    if json.dumps(args, sort_keys=True) == json.dumps(call.args, sort_keys=True):
        return call
    return call.model_copy(update={"args": args, "written": call.args})


def _applies_in_full(tool: ToolSpec) -> bool:
    return (not tool.foreign or applies_foreign(tool.input)) and pattern_fault(tool.input) is None


def _by_schema(sent: dict[str, JsonValue], tool: ToolSpec) -> dict[str, JsonValue]:
    """Raises `BadArguments`, or whatever a broken schema raises."""
    # In the form in which they travel: infinity is a text there.
    sent = from_json(to_json(sent, inf_nan_mode="strings"))
    wrong = misfits(sent, tool)
    if wrong:
        raise BadArguments("; ".join(wrong))
    if not _applies_in_full(tool):
        raise PatternInvalid("a pattern of the schema was not applied")
    filled: dict[str, JsonValue] = with_defaults(sent, tool, tool.input)
    return sent if misfits(filled, tool) else filled


def with_defaults(value: Any, tool: ToolSpec, schema: Mapping[str, Any]) -> Any:
    """`value` with the schema's defaults for missing properties, except for a default that violates its own schema."""
    schema = resolved(schema, tool.input)
    properties = schema.get("properties")
    if isinstance(value, dict) and isinstance(properties, Mapping):
        filled = {
            name: with_defaults(item, tool, properties[name]) if isinstance(properties.get(name), Mapping) else item
            for name, item in value.items()
        }
        for name, part in properties.items():
            if name not in value and isinstance(part, Mapping) and "default" in part and _fits_itself(part, tool):
                filled[name] = deepcopy(part["default"])
        return filled
    if isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
        return [with_defaults(item, tool, items) for item in value]
    return value


def _fits_itself(part: Mapping[str, Any], tool: ToolSpec) -> bool:
    # With the definitions that the part's references point to.
    whole = {**part, "$defs": tool.input["$defs"]} if "$defs" in tool.input else dict(part)
    return next(faults(part["default"], whole, foreign=tool.foreign), None) is None
