"""The fields of an agent definition, made from the JSON Schema of its YAML file."""

from typing import Any, Final

from perdure.gateway.guide.markdown import slug
from perdure.gateway.openapi.tables import fields
from perdure.temporal.definitions.json_schema import schema as yaml_schema

#: Sections by the names of schemas, in the order of the page. A schema that is not named here comes last.
_TITLES: Final = {
    "": "Fields",
    "ModelDefinition": "Models",
    "Price": "Prices",
    "LongInput": "Prices of long input",
    "Example": "Examples",
    "ToolOptions": "Options of a tool",
    "Retry": "Retries",
    "Approval": "Approvals",
    "McpServer": "MCP servers",
    "ClientTool": "Client tools",
    "AgentTool": "Other agents",
    "AnswerForm": "The form of answers",
    "Limits": "Limits",
    "TurnLimits": "Limits of a turn",
    "SessionLimits": "Limits of a session",
    "ContextPolicy": "Context",
    "Schedule": "Schedules",
    "Handler": "Handlers",
    "EventDefinition": "Events",
    "Block": "Blocks of handlers",
    "Respond": "respond",
    "Generate": "generate",
    "Choose": "choose",
    "CallTool": "call",
    "RunAgent": "run_agent",
    "Parallel": "parallel",
    "Branch": "Calls of parallel",
    "Compensation": "Compensations of calls",
    "Items": "Items of parallel",
    "WaitFor": "wait",
    "AskPerson": "ask",
    "Finish": "finish",
    "Case": "switch",
    "ForEach": "for_each",
    "Try": "try",
    "Catch": "catch",
}


def reference() -> str:
    whole = yaml_schema()
    schemas: dict[str, dict[str, Any]] = {"": whole, **whole["$defs"]}
    names = [name for name in _TITLES if name in schemas]
    names += [name for name in schemas if name not in _TITLES and schemas[name].get("properties")]
    return "\n\n".join(_section(name, schemas[name]) for name in names)


def _section(name: str, schema: dict[str, Any]) -> str:
    said = schema.get("description", "")
    return "\n\n".join(filter(None, [f"### {_title(name)}", said, fields(schema, _link, optional=False)]))


def _title(name: str) -> str:
    return _TITLES.get(name, name)


def _link(name: str) -> str:
    return f"#{slug(_title(name))}"
