"""What is wrong with the templates in the headers and the environment of a definition's MCP servers."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jinja2 import TemplateSyntaxError, nodes

from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.references import names_in
from perdure.temporal.definitions.template_check import VALUES, template_faults
from perdure.temporal.definitions.template_names import misread_names
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.core.prompt import environment
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import McpServer
from perdure.workflows.definition.tools.mcp import is_template

_TEXT: Final = {"type": "string"}


def mcp_findings(definition: AgentDefinition) -> Iterator[Finding]:
    """In the order of the tools."""
    for index, server in enumerate(definition.tools):
        if not isinstance(server, McpServer):
            continue
        loc: Loc = ("tools", index)
        for place, text in (("url", server.url or ""), *(("command", word) for word in server.command)):
            if is_template(text):
                yield Finding((*loc, place), "templates are filled in only in headers and env")
        for field, texts in (("headers", server.headers), ("env", server.env)):
            for name, text in texts.items():
                if is_template(text):
                    yield from _template_findings((*loc, field, name), text, definition.inputs)


def _template_findings(loc: Loc, text: str, inputs: Mapping[str, Any]) -> Iterator[Finding]:
    names = _names(inputs)
    refused = [
        Finding(loc, fault.message, (("inputs",),)) for fault in template_faults(text, frozenset((*inputs, *names)))
    ]
    yield from refused
    if refused:
        return
    for name in names_in(_quoted(text)):
        yield Finding(loc, f"${{{name}}} counts only outside of {{{{ }}}}")
    for _, message in misread_names(text, {**inputs, **names}):
        yield Finding(loc, message, (("inputs",),), kind="warning")


def _names(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schemas of what such a template may name beside the inputs (`address_templates`)."""
    session = {"type": "object", "properties": {"id": _TEXT, "agent": _TEXT, "timezone": _TEXT}}
    return {
        "tenant": _TEXT,
        "user": VALUES["user"],
        "session": session,
        "turn": {"type": "object", "properties": {"id": _TEXT}},
        "call": {"type": "object", "properties": {"id": _TEXT, "idempotency_key": _TEXT}},
        "inputs": {"type": "object", "properties": dict(inputs), "additionalProperties": False},
        "metadata": {"type": "object", "additionalProperties": True},
    }


def _quoted(text: str) -> Iterator[str]:
    """The texts within a template's expressions."""
    try:
        tree = environment().parse(text)
    except TemplateSyntaxError:
        return
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, str):
            yield constant.value
