"""What in a JSON value does not fit a schema: one way for all who check arguments, results and answers.

Rule 1: nothing is fetched. jsonschema by itself would follow unknown references over HTTP.
Rule 2: a stranger's schema cannot hold a process up. A pattern may take for ever on a short text, so those of an MCP
server are not applied here; it checks by itself.
"""

from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry


def _nothing(validator: Any, rule: Any, value: Any, schema: Any) -> tuple[()]:
    return ()


def _additional(validator: Any, allowed: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    # Which properties are additional depends on patterns, if there are any.
    if "patternProperties" not in schema:
        yield from _ADDITIONAL(validator, allowed, value, schema)


_ADDITIONAL: Final[Any] = Draft202012Validator.VALIDATORS["additionalProperties"]
_NO_PATTERNS: Final[Any] = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _nothing,
        "patternProperties": _nothing,
        "unevaluatedProperties": _nothing,
        "additionalProperties": _additional,
    },
)


def faults(value: object, schema: dict[str, Any], *, foreign: bool = False) -> Iterator[ValidationError]:
    """Each place in `value` that does not fit `schema`. `foreign`: the schema is an MCP server's.

    Raises what jsonschema does where the schema itself is broken: `Unresolvable`, `RecursionError`, `re.error`.
    """
    kind = _NO_PATTERNS if foreign else Draft202012Validator
    found: Iterator[ValidationError] = kind(schema, registry=Registry()).iter_errors(value)
    return found
