"""Whether an answer keeps to the schema that its prompt asks for (`Prompt.output`): its value, or what is wrong. Pure.

Rule 1: only a final answer is checked: one that ended well, and calls no tool.
Rule 2: nothing is guessed. Around the JSON, only the fence of a code block is passed over, for models like to put one there.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from perdure.activities.models.optional_nulls import without_nulls
from perdure.activities.tools.argument_check import in_words
from perdure.temporal.schemas.faults import faults
from perdure.workflows.protocol.checked_answers import CheckedAnswer
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, Part, StopReason, Text, ToolCall

#: How a final answer ends. What calls no tool has nothing to wait for, whatever its model says.
_FINAL: Final = frozenset(("end", "stop_sequence", "tool_calls"))
_FENCED: Final = re.compile(r"\A```[A-Za-z]*[ \t]*\n(.*?)\n?```\Z", re.DOTALL)
#: Characters of what is told of an answer.
_LONGEST: Final = 1000


def checked_answer(parts: Iterable[Part], stop: StopReason, schema: Mapping[str, JsonValue]) -> CheckedAnswer | None:
    """The verdict on an answer; None: it is not a final one, or says nothing."""
    said = tuple(parts)
    text = "".join(part.text for part in said if isinstance(part, Text)).strip()
    if stop not in _FINAL or not text or any(isinstance(part, ToolCall) for part in said):
        return None
    return checked_text(text, schema)


def checked_text(text: str, schema: Mapping[str, JsonValue]) -> CheckedAnswer:
    """The verdict on a text that has to be JSON of `schema`."""
    fenced = _FENCED.match(text.strip())
    try:
        value: Any = from_json(fenced[1] if fenced else text, allow_inf_nan=False)
    except ValueError as error:
        return CheckedAnswer(misfit=f"it is not JSON: {str(error)[:_LONGEST]}")
    if not isinstance(value, dict):
        return CheckedAnswer(misfit=f"it is JSON, but {_kind(value)} and not an object")
    # Strict mode makes a model send null for an optional property.
    value = without_nulls(value, schema)
    misfit = misfit_of(value, schema)
    return CheckedAnswer(value=value) if misfit is None else CheckedAnswer(misfit=misfit)


def misfit_of(value: dict[str, Any], schema: Mapping[str, JsonValue]) -> str | None:
    """What is wrong with a value that has to be of `schema`; None: it fits."""
    try:
        wrong = in_words(faults(value, dict(schema)), "a field of the answer; its fields")
    except Exception as error:
        # References that lead nowhere, or in a circle. Reading the definition refuses what it can see of them.
        return f"its schema cannot be applied: {str(error)[:_LONGEST]}"
    if wrong:
        return "; ".join(wrong)[:_LONGEST]
    size = len(to_json(value))
    return f"it has {size} bytes, and {INLINE_LIMIT} is the most" if size > INLINE_LIMIT else None


def _kind(value: object) -> str:
    match value:
        case list():
            return "an array"
        case str():
            return "a string"
        case None | bool():
            return json.dumps(value)
        case _:
            return "a number"
