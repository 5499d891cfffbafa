"""The JSON Schema of an agent's YAML file, for editors that complete and check while one writes.

It is the schema of `AgentDefinition` where people write the same as the engine keeps; where they may write less (a tool
by its name, a text from a file, models that come from elsewhere) it says what they may write.
"""

from datetime import timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import KEYWORDS
from perdure.workflows.vocabulary.durations import format_duration

#: What `perdure.workflows.definition.agent.parse_duration` takes.
DURATION: Final = r"^\d+(\.\d+)?(ms|s|m|h|d)$"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one agent file."""
    made = AgentDefinition.model_json_schema()
    properties, definitions = made["properties"], made["$defs"]
    properties["tools"]["items"] = _tools(definitions)
    properties["instructions"] = {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"file": {"type": "string", "description": "Relative to this file, in its folder"}},
                "required": ["file"],
                "additionalProperties": False,
            },
        ],
        "description": "A Jinja2 template over the inputs, session, user and turn.",
    }
    # They may come from models.yaml or --models instead.
    properties["models"].pop("minProperties", None)
    made["required"] = [name for name in made["required"] if name != "models"]
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
        definitions[kind]["properties"]["approval"] = {
            "anyOf": [{"enum": ["always", "never"]}, {"$ref": "#/$defs/Approval"}, {"type": "null"}],
            "default": "never",
        }
    return {
        "anyOf": [
            {"type": "string", "pattern": name["pattern"]},
            _keyed("client", "ClientTool"),
            _keyed("agent", "AgentTool"),
            _keyed("mcp", "McpServer"),
            {
                "type": "object",
                "propertyNames": {"pattern": name["pattern"], "not": {"enum": list(KEYWORDS)}},
                "additionalProperties": {"anyOf": [{"$ref": "#/$defs/ToolOptions"}, {"type": "null"}]},
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }


def _keyed(key: str, record: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {key: {"$ref": f"#/$defs/{record}"}},
        "required": [key],
        "additionalProperties": False,
    }


def _write_durations(schema: Any) -> None:
    """Durations as people write them, in place of those of ISO 8601."""
    match schema:
        case {"type": "string", "format": "duration"}:
            for key in ("format", "ge", "le"):
                schema.pop(key, None)
            schema["pattern"] = DURATION
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
