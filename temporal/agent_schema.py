"""The JSON Schema of an agent's YAML file, for editors that complete and check while one writes.

It is the schema of `AgentDefinition` where people write the same as the engine keeps; where they may write less (a tool
by its name, a text from a file, models that come from elsewhere) it says what they may write.
"""

from typing import Any, Final

from workflows.definition import AgentDefinition

#: What `workflows.definition.parse_duration` takes.
DURATION: Final = r"^\d+(\.\d+)?(ms|s|m|h|d)$"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one agent file."""
    made = AgentDefinition.model_json_schema()
    properties, definitions = made["properties"], made["$defs"]
    options = definitions["ToolUse"]
    name = options["properties"].pop("name")
    del options["required"], options["description"]
    options["properties"]["timeout"] = {"type": "string", "pattern": DURATION, "default": "60s"}
    options["title"] = "ToolOptions"
    definitions["ToolOptions"] = definitions.pop("ToolUse")
    properties["tools"]["items"] = {
        "anyOf": [
            {"type": "string", "pattern": name["pattern"]},
            {
                "type": "object",
                "propertyNames": {"pattern": name["pattern"], "not": {"enum": ["agent", "mcp", "client"]}},
                "additionalProperties": {"anyOf": [{"$ref": "#/$defs/ToolOptions"}, {"type": "null"}]},
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }
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
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Perdure agent"}
