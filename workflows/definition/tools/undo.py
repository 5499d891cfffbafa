"""What a tool that takes a call of another one back is given. Pure.

Rule: its parameters are found by name, first among the fields of the call's result, which say what was done, then among the
arguments. One named `result` or `args` gets all of them, where nothing bears that name; a tool with these two and no other
always does.
"""

from collections.abc import Iterable
from typing import Any, Final

from pydantic import JsonValue

_WHOLE: Final = ("args", "result")


def undo_args(
    schema: dict[str, Any], args: dict[str, JsonValue], output: JsonValue
) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """The arguments of a tool with this input `schema` for a call that ran with `args` and returned `output`, and the names
    of those that it needs and that nothing gives."""
    names = schema.get("properties", {})
    fields = output if isinstance(output, dict) else {}
    whole: dict[str, JsonValue] = {"args": args, "result": output}
    if set(names) == set(_WHOLE):
        return whole, ()
    sources = (fields, args, whole)
    given = {name: next(one[name] for one in sources if name in one) for name in names if _found(name, sources)}
    return given, tuple(name for name in schema.get("required", ()) if name not in given)


def undo_fault(
    schema: dict[str, Any] | None, called_with: dict[str, Any] | None, returns: dict[str, Any] | None
) -> str | None:
    """Why a tool with this input `schema` cannot take back calls of one that is called with and returns these; None: it can,
    or that is not known here. What goes before it is the tool's name."""
    if schema is None or called_with is None:
        return None
    fields = _fields(returns)
    if fields is None:
        # Its fields are known only once a call has returned.
        return None
    known = {*fields, *called_with.get("properties", {}), *_WHOLE}
    missing = [name for name in schema.get("required", ()) if name not in known]
    if not missing:
        return None
    return (
        f"needs {_listed(missing)}, which is neither an argument nor a field of the result; these are: "
        f"{_listed(sorted(known - set(_WHOLE))) or 'nothing'}; a parameter named `result` or `args` gets all of them"
    )


def _found(name: str, sources: Iterable[dict[str, JsonValue]]) -> bool:
    return any(name in one for one in sources)


def _fields(schema: dict[str, Any] | None) -> tuple[str, ...] | None:
    """The fields that a result of this schema can have; None: not known."""
    if schema is None:
        return None
    reference = schema.get("$ref")
    if isinstance(reference, str):
        schema = schema.get("$defs", {}).get(reference.rpartition("/")[2], {})
    properties = schema.get("properties")
    if properties is not None:
        return tuple(properties)
    # An object without named fields, or anything at all; what is no object has none.
    return () if schema.get("type") in ("string", "number", "integer", "boolean", "null", "array") else None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
