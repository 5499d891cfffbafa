"""MCP servers in a definition."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from perdure.workflows.definition.agent import AgentDefinition, LoadedAgent
from perdure.workflows.definition.tools import McpServer, McpTool, ToolEntry, ToolUse, name_of

pytestmark = pytest.mark.pure

ENTRY: TypeAdapter[Any] = TypeAdapter(ToolEntry)
AGENT = {"name": "a", "models": {"m": {"use": "demo/x"}}, "model": "m", "instructions": "x"}


@pytest.mark.parametrize(
    "options",
    [
        {
            "url": "http://localhost:9000/mcp",
            "allow": ["search"],
            "headers": {"Authorization": "Bearer ${STOCK_TOKEN}"},
        },
        {"url": "${STOCK_URL}", "name": "stock", "side_effects": "once", "on_unknown": "ask", "approval": "always"},
        {"command": ["python", "server.py"], "env": {"TOKEN": "${TOKEN}"}, "timeout": "5m", "parallel": 2},
    ],
)
def test_it_is_the_same_after_a_journey_as_json(options: dict[str, Any]) -> None:
    server = ENTRY.validate_python({"mcp": options})
    assert isinstance(server, McpServer)
    assert ENTRY.validate_json(server.model_dump_json()) == server


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "url: an MCP server has a url, or a command and its arguments, not both"),
        ({"url": "http://x", "command": ["y"]}, "url: an MCP server has a url, or a command"),
        ({"url": "localhost:9000"}, "url: starts with http:// or https://"),
        ({"command": ["x"], "headers": {"A": "b"}}, "headers: only count with url"),
        ({"url": "http://x", "env": {"A": "b"}}, "env: only counts with command"),
        ({"command": ["x", "${TOKEN}"]}, "command: ${NAME} is filled in only in url, headers and env"),
        ({"url": "http://x", "on_unknown": "ask"}, "on_unknown: only counts with side_effects: once"),
        (
            {"url": "http://x", "side_effects": "once", "retry": {"attempts": 2}},
            "retry: a tool whose side effects happen",
        ),
        ({"url": "http://x", "allow": []}, "at least 1 item"),
        ("http://x", "mcp: is a mapping of url or command, and its options"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(options: Any, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ENTRY.validate_python({"mcp": options})
    assert told in str(refused.value)


def test_its_tools_are_under_its_policy() -> None:
    definition = AgentDefinition.model_validate(
        {**AGENT, "tools": ["find", {"mcp": {"url": "http://x", "name": "find", "timeout": "5s"}}]}
    )
    agent = LoadedAgent(digest="d", definition=definition, mcp={"find_it": McpTool(server=1, tool="it")})
    own, found = agent.policy("find"), agent.policy("find_it")
    assert own is not None
    assert (own.runner, own.activity) == ("worker", ToolUse(name="find"))
    assert found is not None
    assert (found.runner, found.activity) == ("mcp", ToolUse.model_validate({"find_it": {"timeout": "5s"}}))
    assert agent.policy("find_that") is None
    assert found.server is not None
    assert (found.server.label, found.index, found.tool) == ("find", 1, "it")
    assert [name_of(tool) for tool in definition.tools] == ["find", "mcp find"]
