"""Validation errors of a JSON value against a schema: the one validator for arguments, results and answers.

Rule 1: nothing is fetched. By default, jsonschema would fetch unknown references over HTTP.
Rule 2: no schema can block a process. Patterns are matched in linear time (`perdure.temporal.schemas.patterns`). A
pattern that this engine does not support is not applied: our definitions with such a pattern are refused at load, and
an MCP server validates its arguments itself.
Rule 3: formats are not checked. JSON Schema leaves them optional, and the format checkers use Python's expressions.
"""

from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry

from perdure.temporal.schemas.patterns import PatternInvalid, applies_foreign, matches


def _matches(pattern: str, text: str) -> bool | None:
    """Whether `pattern` matches; None if the engine does not support the pattern."""
    try:
        return matches(pattern, text)
    except PatternInvalid:
        return None


def _pattern(validator: Any, pattern: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and isinstance(pattern, str) and _matches(pattern, value) is False:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    for pattern, below in patterns.items():
        for name, item in value.items():
            if _matches(pattern, name):
                yield from validator.descend(item, below, path=name, schema_path=pattern)


def _additional(validator: Any, allowed: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    patterns = schema.get("patternProperties", {})
    known = schema.get("properties", {})
    # A name is not additional if an unsupported pattern might match it.
    extra = [name for name in value if name not in known and all(_matches(one, name) is False for one in patterns)]
    if validator.is_type(allowed, "object"):
        for name in extra:
            yield from validator.descend(value[name], allowed, path=name)
    elif not allowed and extra:
        names = ", ".join(map(repr, extra))
        were = "was" if len(extra) == 1 else "were"
        rule = f"do not match any of the regexes: {', '.join(map(repr, sorted(patterns)))}" if patterns else ""
        if rule:
            yield ValidationError(f"{names} {rule}")
        else:
            yield ValidationError(f"Additional properties are not allowed ({names} {were} unexpected)")


def _additional_unless_patterns(validator: Any, allowed: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    # If there are patterns, they determine which properties are additional, and they are not applied here.
    if "patternProperties" not in schema:
        yield from _additional(validator, allowed, value, schema)


def _no_check(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    return iter(())


_LINEAR: Final[Any] = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"pattern": _pattern, "patternProperties": _pattern_properties, "additionalProperties": _additional},
)
#: jsonschema matches patterns with Python's engine to find which properties were evaluated.
_NOT_UNEVALUATED: Final[Any] = validators.extend(_LINEAR, {"unevaluatedProperties": _no_check})  # type: ignore[no-untyped-call]
_NO_PATTERNS: Final[Any] = validators.extend(  # type: ignore[no-untyped-call]
    _NOT_UNEVALUATED,
    {"pattern": _no_check, "patternProperties": _no_check, "additionalProperties": _additional_unless_patterns},
)


def faults(value: object, schema: dict[str, Any], *, foreign: bool = False) -> Iterator[ValidationError]:
    """Each validation error of `value` against `schema`. `foreign`: the schema comes from an MCP server.

    Raises jsonschema's errors for a broken schema: `Unresolvable`, `RecursionError`.
    """
    kind = _LINEAR
    if "patternProperties" in str(schema):
        kind = _NOT_UNEVALUATED
    if foreign:
        kind = _NOT_UNEVALUATED if applies_foreign(schema) else _NO_PATTERNS
    found: Iterator[ValidationError] = kind(schema, registry=Registry()).iter_errors(value)
    return found
