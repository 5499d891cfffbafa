"""What in a JSON value does not fit a schema: one way for all who check arguments, results and answers.

Rule 1: nothing is fetched. jsonschema by itself would follow unknown references over HTTP.
Rule 2: no schema can hold a process up. Patterns are matched in linear time (`perdure.temporal.schemas.patterns`);
one that this engine does not take is not applied: a definition with such a one is refused when it loads, and a
stranger checks by itself.
Rule 3: formats are not checked. JSON Schema leaves them open, and what checks them uses Python's expressions.
"""

from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry

from perdure.temporal.schemas.patterns import PatternInvalid, applies_foreign, matches


def _found(pattern: str, text: str) -> bool | None:
    """None: the pattern cannot be applied."""
    try:
        return matches(pattern, text)
    except PatternInvalid:
        return None


def _pattern(validator: Any, pattern: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and isinstance(pattern, str) and _found(pattern, value) is False:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    for pattern, below in patterns.items():
        for name, item in value.items():
            if _found(pattern, name):
                yield from validator.descend(item, below, path=name, schema_path=pattern)


def _additional(validator: Any, allowed: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    patterns = schema.get("patternProperties", {})
    known = schema.get("properties", {})
    # A name that a pattern might stand for, and cannot be compared with, is none too many.
    extra = [name for name in value if name not in known and all(_found(one, name) is False for one in patterns)]
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
    # Which properties are additional depends on patterns, if there are any.
    if "patternProperties" not in schema:
        yield from _additional(validator, allowed, value, schema)


def _nothing(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    return iter(())


_LINEAR: Final[Any] = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"pattern": _pattern, "patternProperties": _pattern_properties, "additionalProperties": _additional},
)
#: jsonschema looks for what was evaluated by patterns in its own way.
_NOT_UNEVALUATED: Final[Any] = validators.extend(_LINEAR, {"unevaluatedProperties": _nothing})  # type: ignore[no-untyped-call]
_NO_PATTERNS: Final[Any] = validators.extend(  # type: ignore[no-untyped-call]
    _NOT_UNEVALUATED,
    {"pattern": _nothing, "patternProperties": _nothing, "additionalProperties": _additional_unless_patterns},
)


def faults(value: object, schema: dict[str, Any], *, foreign: bool = False) -> Iterator[ValidationError]:
    """Each place in `value` that does not fit `schema`. `foreign`: the schema is an MCP server's.

    Raises what jsonschema does where the schema itself is broken: `Unresolvable`, `RecursionError`.
    """
    kind = _LINEAR
    if "patternProperties" in str(schema):
        kind = _NOT_UNEVALUATED
    if foreign:
        kind = _NOT_UNEVALUATED if applies_foreign(schema) else _NO_PATTERNS
    found: Iterator[ValidationError] = kind(schema, registry=Registry()).iter_errors(value)
    return found
