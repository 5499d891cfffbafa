"""Contracts between the packages: stubs and activities, the closed union of events, and imports of workflow code."""

import ast
import asyncio
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import JsonValue
from temporalio import activity

from perdure.activities.mcp.calls import McpServers
from perdure.activities.models.call import ModelCalls
from perdure.activities.models.given_results import GivenResults
from perdure.activities.sessions.agents import Agents
from perdure.activities.sessions.delivery import Deliveries
from perdure.activities.sessions.purses import Purses
from perdure.activities.sessions.sealing import Sealing
from perdure.activities.shipped.builtin_tools import current_time
from perdure.activities.tools.document_reading import DocumentReading
from perdure.activities.tools.remote_results import Taking
from perdure.activities.tools.sub_agents import SubAgentCalls
from perdure.activities.tools.tool import read_tool
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.core import changes as notes
from perdure.workflows.protocol import activities as contract
from perdure.workflows.protocol import purse_activities as purses
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.protocol.checked_answers import check_answer
from perdure.workflows.protocol.document_activities import read_documents
from perdure.workflows.protocol.sealing import seal_past
from perdure.workflows.vocabulary import events

ROOT = Path(__file__).parent.parent


def signature(fn: Callable[..., Any]) -> tuple[str | None, list[type] | None, type | None]:
    """Name, argument types without `self`, result type."""
    definition = activity._Definition.must_from_callable(fn)
    return definition.name, definition.arg_types, definition.ret_type


@pytest.mark.parametrize(
    ("stub", "implementation"),
    [
        (contract.load_agent, Agents.load_agent),
        (contract.call_model, ModelCalls.call_model),
        (contract.take_result, Taking.take_result),
        (contract.open_agent, SubAgentCalls.open_agent),
        (check_answer, GivenResults.check_answer),
        (contract.take_answer, SubAgentCalls.take_answer),
        (contract.call_mcp_tool, McpServers.call_mcp_tool),
        (contract.tools_changed, Agents.tools_changed),
        (contract.current_agent, Agents.current_agent),
        (contract.deliver_message, Deliveries.deliver_message),
        (purses.draw_leases, Purses.draw_leases),
        (purses.visit_sessions, Purses.visit_sessions),
        (read_documents, DocumentReading.read_documents),
        (seal_past, Sealing.seal_past),
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
    assert records - set(get_args(notes.Note)) == {notes.Stamp}


@pytest.mark.parametrize("room", ["workflows", "activities", "gateway", "temporal"])
def test_a_room_is_imported_from_this_repository_as_a_part_of_perdure(room: str) -> None:
    found = importlib.util.find_spec(f"perdure.{room}")
    assert found is not None
    assert found.origin is not None
    assert Path(found.origin).resolve().parent == ROOT / room


def test_workflow_code_imports_what_it_is_allowed_to() -> None:
    """No SDK and no I/O, because a session's code is replayed anywhere."""
    allowed = {"perdure", "temporalio", "pydantic", "pydantic_core", "jinja2"}
    modules = {
        alias.name if isinstance(node, ast.Import) else node.module or ""
        for file in (ROOT / "workflows").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    # It only takes addresses apart.
    imported = {module.partition(".")[0] for module in modules - {"urllib.parse"}}
    assert imported - sys.stdlib_module_names <= allowed
    assert imported & {"asyncio", "random", "socket", "subprocess", "threading", "time", "urllib"} <= {"asyncio"}


@pytest.mark.parametrize("room", ["workflows", "activities", "gateway", "temporal"])
def test_no_room_is_imported_by_its_bare_name(room: str) -> None:
    bare = re.compile(rf"^\s*(?:from|import) {room}\b", re.MULTILINE)
    files = [
        file for folder in ("workflows", "activities", "gateway", "temporal") for file in (ROOT / folder).rglob("*.py")
    ]
    assert files
    assert [str(file) for file in files if bare.search(file.read_text())] == []


def test_pure_tests_import_the_core_alone() -> None:
    pure = [
        file
        for file in Path(__file__).parent.glob("test_*.py")
        if "\npytestmark = pytest.mark.pure\n" in file.read_text()
    ]
    assert len(pure) > 10
    imported = {
        (file.name, node.module)
        for file in pure
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
        if node.module.startswith("perdure.") and not node.module.startswith("perdure.workflows")
    }
    assert imported == set()


def test_workflow_code_loads_no_sdk() -> None:
    """A worker may import anything; a session's code must not, because other processes replay it."""
    code = "import sys, perdure.workflows.session; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = run.stdout.split()
    loaded = {name.partition(".")[0] for name in modules}
    rooms = {name.split(".")[1] for name in modules if name.startswith("perdure.")}
    assert rooms == {"workflows"}
    assert "temporalio" in loaded
    heavy = {"anthropic", "openai", "httpx2", "fastapi", "starlette", "structlog", "yaml", "genai_prices", "orjson"}
    assert loaded & (heavy) == set()
