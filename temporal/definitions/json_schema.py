"""The JSON Schema of an agent's YAML file, for editors that complete and check while one writes.

It is the schema of `AgentDefinition` where people write the same as the engine keeps; where they may write less (a tool
by its name, a text from a file, models that come from elsewhere) it says what they may write.
"""

from datetime import timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from perdure.temporal.definitions.handlers_schema import write_handlers
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import KEYWORDS
from perdure.workflows.vocabulary import durations
from perdure.workflows.vocabulary.durations import format_duration

_KEYED: Final = {"client": "ClientTool", "agent": "AgentTool", "mcp": "McpServer"}


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one agent file."""
    made = AgentDefinition.model_json_schema()
    properties, definitions = made["properties"], made["$defs"]
    properties["tools"]["items"] = _tools(definitions)
    file = {"type": "string", "description": "The file that holds the template, in this file's folder or below it."}
    properties["instructions"] = {
        "anyOf": [{"type": "string"}, _record({"file": file})],
        "description": properties["instructions"]["description"],
    }
    for name, record in (("references", "References"), ("skills", "Skills")):
        paths = {"type": "array", "items": {"type": "string", "minLength": 1}}
        properties[name] = {**paths, "description": properties[name]["description"]}
        del definitions[record]
    del definitions["Skill"]
    fallbacks = definitions["ModelDefinition"]["properties"]["fallback"]["items"]["oneOf"]
    fallbacks.insert(0, {**definitions["FallbackRole"]["properties"]["role"], "title": "Role"})
    # They may come from models.yaml or --models instead.
    properties["models"].pop("minProperties", None)
    made["required"] = [name for name in made["required"] if name != "models"]
    write_handlers(made)
    _write_durations(made)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Perdure agent"}


def _tools(definitions: dict[str, Any]) -> dict[str, Any]:
    """One entry of `tools:`; takes the records that it is read into out of `definitions`, or makes them what is written."""
    del definitions["SessionTool"]
    options = definitions["ToolOptions"] = definitions.pop("ToolUse")
    name = options["properties"].pop("name")
    del options["required"], options["description"]
    options["title"] = "ToolOptions"
    for kind in ("ToolOptions", "ClientTool", "AgentTool", "McpServer"):
        del definitions[kind]["properties"]["kind"]
    for kind in ("ToolOptions", "AgentTool", "McpServer"):
        approval = definitions[kind]["properties"]["approval"]
        definitions[kind]["properties"]["approval"] = {
            "anyOf": [{"enum": ["always", "never"]}, {"$ref": "#/$defs/Approval"}, {"type": "null"}],
            "default": "never",
            "description": approval["description"],
        }
    return {
        "anyOf": [
            {"type": "string", "pattern": name["pattern"], "description": "A tool, by its name."},
            *(_keyed(key, record, definitions[record]["description"]) for key, record in _KEYED.items()),
            {
                "description": "A tool, by its name, and its options.",
                "type": "object",
                "propertyNames": {"pattern": name["pattern"], "not": {"enum": list(KEYWORDS)}},
                "additionalProperties": {"anyOf": [{"$ref": "#/$defs/ToolOptions"}, {"type": "null"}]},
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }


def _keyed(key: str, record: str, description: str) -> dict[str, Any]:
    return _record({key: {"$ref": f"#/$defs/{record}", "description": description}})


def _record(properties: dict[str, Any]) -> dict[str, Any]:
    """A mapping of just these fields, all of them required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _write_durations(schema: Any) -> None:
    """Durations as people write them, in place of those of ISO 8601."""
    match schema:
        case {"type": "string", "pattern": durations.PATTERN}:
            for key in ("ge", "le"):
                schema.pop(key, None)
            if "default" in schema:
                default = TypeAdapter(timedelta).validate_python(schema["default"])
                schema["default"] = format_duration(default)
        case dict():
            for value in schema.values():
                _write_durations(value)
        case list():
            for value in schema:
                _write_durations(value)
        case _:
            pass
