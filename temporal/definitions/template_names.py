"""What a template reads of the values that it is given, compared with the JSON Schema of these values.

Rule: a schema that leaves a value open lets everything pass. Nothing here refuses: a tool's worker has the last word on
what the tool takes.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jinja2 import TemplateSyntaxError, nodes

from perdure.temporal.definitions.template_tree import Tree, tree_of
from perdure.workflows.vocabulary.near_names import did_you_mean, near_name

#: What has no fields.
_PLAIN: Final = {"string", "number", "boolean"}

Schema = Mapping[str, Any]

_ORDER: Final = {"gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}
_TYPES: Final = {bool: "boolean", int: "number", float: "number", str: "string"}
_KINDS: Final = {
    "string": "a text",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def misread_names(template: str, schemas: Mapping[str, Schema]) -> list[tuple[int, str]]:
    """Line and message of each place where `template` reads what is not there, or compares what cannot be compared.

    `schemas` are those of the values by name, as in `args`; names without one are not looked at.
    """
    try:
        tree = tree_of(template)
    except (TemplateSyntaxError, RecursionError):
        return []
    found = [*_unknown(tree, schemas), *_compared(tree, schemas)]
    return sorted(dict.fromkeys(found))


def names_read(template: str) -> frozenset[str]:
    """The names that a template reads; none where it is not one."""
    try:
        tree = tree_of(template)
    except (TemplateSyntaxError, RecursionError):
        return frozenset()
    return frozenset(name.name for name in tree.of(nodes.Name) if name.ctx == "load")


def _unknown(tree: Tree, schemas: Mapping[str, Schema]) -> Iterator[tuple[int, str]]:
    methods = {id(call.node) for call in tree.of(nodes.Call)}
    # What the template itself sets, as a loop does, is not what is given.
    own = {name.name for name in tree.of(nodes.Name) if name.ctx != "load"}
    for node in tree.of(nodes.Getattr, nodes.Getitem):
        path = _path(node)
        if path is None or path[0] not in schemas or path[0] in own or id(node) in methods:
            continue
        *above, name = path
        known = _fields(schemas, tuple(above))
        if (
            known is None
            and isinstance(name, str)
            and (kinds := _kinds(_at(schemas, tuple(above))))
            and kinds <= _PLAIN
        ):
            what = " or ".join(_KINDS[kind] for kind in sorted(kinds))
            yield node.lineno, f"{_written(tuple(above))} is {what}, which has no field {name!r}"
        if known is not None and isinstance(name, str) and name not in known:
            whole, holder = _written(path), _written(tuple(above))
            near = near_name(name, known)
            there = f"{holder} has {', '.join(known) or 'nothing'}"
            yield node.lineno, f"there is no {whole}; {there if near is None else f'did you mean {holder}.{near}?'}"


def _compared(tree: Tree, schemas: Mapping[str, Schema]) -> Iterator[tuple[int, str]]:
    for compare in tree.of(nodes.Compare):
        left: nodes.Node = compare.expr
        for operand in compare.ops:
            for value, constant in ((left, operand.expr), (operand.expr, left)):
                path = _path(value)
                if path is not None and path[0] in schemas and isinstance(constant, nodes.Const):
                    why = _odd(_at(schemas, path), operand.op, constant.value)
                    if why is not None:
                        yield compare.lineno, f"{_written(path)} {why}"
            left = operand.expr


def _odd(schema: Schema | None, operator: str, constant: Any) -> str | None:
    kinds, given = _kinds(schema), _TYPES.get(type(constant))
    if schema is None or not kinds or given is None:
        return None
    if given not in kinds:
        what = " or ".join(_KINDS.get(kind, kind) for kind in sorted(kinds))
        if operator in _ORDER:
            return f"is {what}, which cannot be compared with {constant!r} by {_ORDER[operator]}"
        return f"is {what}, and so never {constant!r}" if operator == "eq" else None
    choices = schema.get("enum")
    if operator == "eq" and isinstance(choices, list) and constant not in choices:
        texts = [choice for choice in choices if isinstance(choice, str)]
        return f"is never {constant!r}{did_you_mean(str(constant), texts) or f'; it is one of {choices}'}"
    return None


def _path(node: nodes.Node) -> tuple[str | int, ...] | None:
    """`args.a['b'][0]` → `("args", "a", "b", 0)`; None where a step is not known beforehand."""
    steps: list[str | int] = []
    while not isinstance(node, nodes.Name):
        match node:
            case nodes.Getattr():
                steps.append(node.attr)
            case nodes.Getitem(arg=nodes.Const(value=str() | int() as step)):
                steps.append(step)
            case _:
                return None
        node = node.node
    return (node.name, *reversed(steps))


def _written(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _fields(schemas: Mapping[str, Schema], path: tuple[str | int, ...]) -> list[str] | None:
    """Names of what the value at `path` holds; None where it may hold anything."""
    schema = _at(schemas, path)
    if schema is None or _kinds(schema) != {"object"} or "patternProperties" in schema:
        return None
    open_ended = schema.get("additionalProperties")
    if isinstance(open_ended, dict) or open_ended is True:
        return None
    properties = schema.get("properties")
    if not properties and open_ended is not False:
        return None
    return list(properties or ())


def _at(schemas: Mapping[str, Schema], path: tuple[str | int, ...]) -> Schema | None:
    """The schema of the value at `path`; None where it says nothing of it, or several things."""
    root = schemas[str(path[0])]
    found = _plain(root, root)
    for step in path[1:]:
        if found is None:
            return None
        inner = found.get("items") if isinstance(step, int) else (found.get("properties") or {}).get(step)
        found = _plain(inner, root) if isinstance(inner, dict) else None
    return found


def _plain(schema: Schema, root: Schema) -> Schema | None:
    """`schema` without references and without null as an alternative; None where there are other alternatives."""
    for _ in range(10):
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/$defs/"):
            schema = (root.get("$defs") or {}).get(reference.rpartition("/")[2]) or {}
            continue
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            others = [one for one in choices if isinstance(one, dict) and one.get("type") != "null"]
            if len(others) != 1:
                return None
            (schema,) = others
            continue
        return None if "allOf" in schema or "$ref" in schema else schema
    return None


def _kinds(schema: Schema | None) -> set[str]:
    """JSON types, null left out and whole numbers counted as numbers; empty where any may come."""
    given = (schema or {}).get("type")
    kinds = {given} if isinstance(given, str) else set(given) if isinstance(given, list) else set()
    return {"number" if kind == "integer" else kind for kind in kinds - {"null"}}
