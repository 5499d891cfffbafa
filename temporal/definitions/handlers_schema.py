"""The part of an agent file's JSON Schema that is about handlers: blocks as people write them, one key each."""

from typing import Any, Final

from perdure.workflows.definition.handlers import BRANCHES, FORMS, MESSAGE

#: The record of each block, and the field that stands in for all of it where its value is not a mapping of fields.
_RECORDS: Final[dict[str, tuple[str, str | None]]] = {
    "respond": ("Respond", None),
    "generate": ("Generate", None),
    "choose": ("Choose", None),
    "call": ("CallTool", None),
    "run_agent": ("RunAgent", None),
    "parallel": ("Parallel", None),
    "compensate": ("Compensate", None),
    "set": ("Set", "values"),
    "say": ("Say", "text"),
    "wait": ("WaitFor", None),
    "ask": ("AskPerson", None),
    "finish": ("Finish", None),
    "switch": ("Switch", "cases"),
    "for_each": ("ForEach", None),
    "try": ("Try", None),
}


def write_handlers(made: dict[str, Any]) -> None:
    """Puts handlers as they are written into the schema of a definition, in place of what they are read into."""
    definitions = made["$defs"]
    keys = {}
    _write_branches(definitions)
    for key in FORMS:
        record, field = _RECORDS[key]
        described = definitions[record]["description"]
        del definitions[record]["properties"]["kind"]
        value: dict[str, Any] = {"$ref": f"#/$defs/{record}"}
        if field is not None:
            value = definitions.pop(record)["properties"][field]
            described = f"{described} {value['description']}"
        elif not definitions[record]["properties"]:
            del definitions[record]
            value = {"type": ["object", "null"], "maxProperties": 0}
        elif not definitions[record].get("required"):
            value = {"anyOf": [value, {"type": "null"}]}
        if key == "parallel":
            value = {"anyOf": [definitions[record]["properties"].pop("branches"), value]}
        keys[key] = {**value, "description": described}
    definitions["Block"] = {
        "title": "Block",
        "type": "object",
        "description": "One thing that a handler does: a mapping with exactly one of these keys.",
        "properties": keys,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    _refer(made)
    handler = definitions["Handler"]
    handlers = made["properties"]["handlers"]
    handlers.pop("maxLength", None)
    # It would say of each handler that it is a mapping, and not a list of blocks.
    ((pattern, _),) = handlers.pop("patternProperties").items()
    handlers["propertyNames"] = {"pattern": pattern}
    forms = [handler["properties"]["do"], {"$ref": "#/$defs/Handler"}]
    handlers["properties"] = {MESSAGE: {"anyOf": forms, "description": "What is done when a message comes."}}
    handlers["additionalProperties"] = {"anyOf": forms, "description": "What is done when this handler is triggered."}


def _write_branches(definitions: dict[str, Any]) -> None:
    """Calls of `parallel` as people write them."""
    keys = {}
    for key in BRANCHES:
        record, _ = _RECORDS[key]
        keys[key] = {"$ref": f"#/$defs/{record}", "description": definitions[record]["description"]}
    definitions["Branch"] = {
        "title": "Branch",
        "type": "object",
        "description": "One of the calls of `parallel`: a mapping with exactly one of these keys.",
        "properties": keys,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    written = definitions["Parallel"]
    properties = written["properties"]
    one = properties["do"]
    described = one.pop("description")
    properties["do"] = {"anyOf": [{"$ref": "#/$defs/Branch"}, {**one, "minItems": 1}], "description": described}
    # Where these stand, they are no null.
    for field in ("branches", "for_each"):
        given = properties[field]
        properties[field] = {**given.pop("anyOf")[0], "description": given["description"]}
    written["required"] = ["for_each", "do"]


def _refer(schema: Any) -> None:
    """Names a block by its own definition wherever one may stand."""
    match schema:
        case {"items": {"discriminator": {"propertyName": "kind", "mapping": {"for_each": _}}}}:
            schema["items"] = {"$ref": "#/$defs/Block"}
        case {"items": {"discriminator": {"propertyName": "kind", "mapping": {"run_agent": _}}}}:
            schema["items"] = {"$ref": "#/$defs/Branch"}
        case dict():
            for value in schema.values():
                _refer(value)
        case list():
            for value in schema:
                _refer(value)
        case _:
            pass
