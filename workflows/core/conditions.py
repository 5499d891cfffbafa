"""Conditions of a definition: templates that are exactly one `{{ }}` and give true or false."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from perdure.workflows.core.prompt import environment

_ONE_EXPRESSION: Final = re.compile(r"\s*\{\{(.*)\}\}\s*", re.DOTALL)


class ConditionError(Exception):
    """The condition cannot be decided; the message says why."""


def expression_of(template: str) -> str | None:
    """What stands between the braces; None where the template is not exactly one `{{ }}`."""
    match = _ONE_EXPRESSION.fullmatch(template)
    return match[1].strip() if match and "}}" not in match[1] and "{{" not in match[1] else None


def is_true(template: str, names: Mapping[str, object]) -> bool:
    """Whether the condition holds for `names`. Raises ConditionError."""
    expression = expression_of(template)
    if expression is None:
        raise ConditionError("is not exactly one {{ }}")
    try:
        value = _compiled(expression)(**names)
        if isinstance(value, bool):
            return value
        told = f"gives {str(value)[:80]!r} ({type(value).__name__})"
    except Exception as error:
        # A template may fail in whatever way Python can.
        raise ConditionError(str(error)) from error
    raise ConditionError(f"{told}; a condition gives true or false")


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Any:
    return environment().compile_expression(expression, undefined_to_none=False)
