"""What holds between the packages: stubs and activities, the closed union of events, and what workflow code loads."""

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import JsonValue
from temporalio import activity

from perdure.activities.agents import Agents
from perdure.activities.builtin_tools import current_time
from perdure.activities.delivery import Deliveries
from perdure.activities.mcp_calls import McpServers
from perdure.activities.model_call import ModelCalls
from perdure.activities.sub_agents import SubAgentCalls
from perdure.activities.taking import Taking
from perdure.activities.tools import read_tool
from perdure.temporal.blobs import LocalBlobs
from perdure.workflows import contract, events, notes
from perdure.workflows.contract import ToolOutput

ROOT = Path(__file__).parent.parent


def signature(fn: Callable[..., Any]) -> tuple[str | None, list[type] | None, type | None]:
    """Name, types of the arguments without `self`, type of the result."""
    definition = activity._Definition.must_from_callable(fn)
    return definition.name, definition.arg_types, definition.ret_type


@pytest.mark.parametrize(
    ("stub", "implementation"),
    [
        (contract.load_agent, Agents.load_agent),
        (contract.call_model, ModelCalls.call_model),
        (contract.take_result, Taking.take_result),
        (contract.open_agent, SubAgentCalls.open_agent),
        (contract.take_answer, SubAgentCalls.take_answer),
        (contract.call_mcp_tool, McpServers.call_mcp_tool),
        (contract.tools_changed, Agents.tools_changed),
        (contract.current_agent, Agents.current_agent),
        (contract.deliver_message, Deliveries.deliver_message),
    ],
)
def test_a_stub_is_what_implements_it(stub: Callable[..., Any], implementation: Callable[..., Any]) -> None:
    name, arguments, result = signature(implementation)
    assert signature(stub) == (name, arguments, result)
    assert stub.__name__ == name


async def test_every_stub_is_implemented_and_every_tool_gives_what_the_session_takes(tmp_path: Path) -> None:
    stubs = {name for name, value in vars(contract).items() if activity._Definition.from_callable(value)}
    assert stubs == {
        "load_agent",
        "call_model",
        "take_result",
        "open_agent",
        "take_answer",
        "call_mcp_tool",
        "tools_changed",
        "current_agent",
        "deliver_message",
    }
    tool = read_tool(current_time).activity(LocalBlobs(tmp_path), asyncio.get_running_loop())
    assert signature(tool) == ("current_time", [dict[str, JsonValue], contract.CallOptions | None], ToolOutput)


def test_every_event_is_in_the_union() -> None:
    union = get_args(get_args(events.Event)[0])
    assert set(union) == set(events.EventBase.__subclasses__())
    kinds = [one.model_fields["type"].default for one in union]
    assert len(set(kinds)) == len(kinds)


def test_every_note_is_in_the_union() -> None:
    records = {
        value for value in vars(notes).values() if isinstance(value, type) and value.__module__ == notes.__name__
    }
    assert records - set(get_args(notes.Note)) == {notes.Handoff}


@pytest.mark.parametrize("room", ["workflows", "activities", "gateway", "temporal"])
def test_a_room_is_imported_from_this_repository_as_a_part_of_perdure(room: str) -> None:
    found = importlib.util.find_spec(f"perdure.{room}")
    assert found is not None
    assert found.origin is not None
    assert Path(found.origin).resolve().parent == ROOT / room


def test_workflow_code_loads_no_sdk() -> None:
    """A worker may import what it likes; a session's code must not, for it is replayed on others."""
    code = "import sys, perdure.workflows.session; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = run.stdout.split()
    loaded = {name.partition(".")[0] for name in modules}
    rooms = {name.split(".")[1] for name in modules if name.startswith("perdure.")}
    assert rooms == {"workflows"}
    assert "temporalio" in loaded
    heavy = {"anthropic", "openai", "httpx2", "fastapi", "starlette", "structlog", "yaml", "genai_prices", "orjson"}
    assert loaded & (heavy) == set()
