"""MCP servers in sessions: listed for each turn, called as activities, away without harm."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType

from temporal.app.server import DevServer
from temporal.client import connect
from temporal.settings import Settings
from tests.mcp_running import HttpServer, http_server
from tests.session_lab import Lab, Play, Talk, open_lab
from workflows.commands import ModelInputRequest, Prompt
from workflows.events import Event, ToolFinished, TurnFinished
from workflows.session import SessionWorkflow

pytestmark = pytest.mark.server

AGENT = """\
name: {name}
model: main
models: {{main: {{use: demo/stage}}}}
instructions: Be brief.
tools:
{tools}
"""


class Shop:
    """A lab whose agents have a server's tools; the server is killed and started as a test likes."""

    def __init__(self, lab: Lab, server: HttpServer) -> None:
        self.lab = lab
        self.server = server

    async def start(self, agent: str, *plays: Play) -> Talk:
        self.lab.stage.plays = list(plays)
        return await self.lab.start(agent)


def agents(folder: Path, url: str) -> None:
    folder.mkdir()
    nowhere = "http://127.0.0.1:9/mcp"
    for name, tools in {
        "shop": f"  - mcp: {{url: '{url}', name: shop, allow: [add, hang, grow, shout, die], retry: {{attempts: 1}}}}",
        "careful": f"  - mcp: {{url: '{url}', allow: [add], approval: {{when: '{{{{ args.a > 10 }}}}'}}}}",
        "once": f"  - mcp: {{url: '{url}', allow: [die, add], side_effects: once}}",
        "away": f"  - add\n  - mcp: {{url: '{nowhere}', name: stock}}",
        "twice": f"  - add\n  - mcp: {{url: '{url}', allow: [add]}}",
        "hasty": f"  - mcp: {{url: '{url}', allow: [hang], timeout: 1s, retry: {{attempts: 1}}}}",
    }.items():
        (folder / f"{name}.yaml").write_text(AGENT.format(name=name, tools=tools))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    folder = tmp_path_factory.mktemp("lab")
    settings = Settings.load(data_dir=folder, graceful_shutdown_s=0)
    client = await connect(settings, address=temporal_server.address)
    async with http_server() as server:
        agents(folder / "agents", server.url)
        async with open_lab(client, folder, settings) as lab:
            yield Shop(lab, server)


def results(events: list[Event]) -> list[Any]:
    """In the order of the calls."""
    finished = [event for event in events if isinstance(event, ToolFinished)]
    return [event.result.output for event in sorted(finished, key=lambda event: event.call_id)]


async def prompt(talk: Talk, step_id: str) -> Prompt:
    page = await talk.handle.query(SessionWorkflow.model_input, ModelInputRequest(step_id=step_id))
    assert page.prompt is not None
    return page.prompt


async def tools(talk: Talk, step_id: str) -> list[str]:
    return [tool.name for tool in (await prompt(talk, step_id)).tools]


async def test_a_tool_of_a_server_is_called(shop: Shop) -> None:
    talk = await shop.start("shop", Play("", [("shop_add", {"a": 1, "b": 2}), ("shop_add", {"a": "x", "b": 2})]))
    events = await talk.turn("what is 1 + 2?")
    added, refused = results(events)
    assert added == {"result": 3}
    assert (refused["type"], refused["retryable"]) == ("invalid_arguments", False)
    assert "a: 'x' is not of type 'integer'" in refused["message"]
    history = (await talk.handle.fetch_history()).events
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in history
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert [(one.activity_type.name, one.activity_id) for one in scheduled if "mcp" in one.activity_type.name] == [
        ("call_mcp_tool", "t1.s1.c1"),
        ("call_mcp_tool", "t1.s1.c2"),
    ]


async def test_a_new_tool_is_there_at_the_next_turn(shop: Shop) -> None:
    talk = await shop.start("shop", Play("", [("shop_grow", {})]))
    await talk.turn("grow")
    assert await tools(talk, "t1.s1") == ["shop_add", "shop_hang", "shop_die", "shop_grow"]
    await talk.turn("and now?")
    assert await tools(talk, "t2.s1") == ["shop_add", "shop_hang", "shop_die", "shop_grow", "shop_shout"]


async def test_a_turn_with_the_same_tools_costs_one_event_more(shop: Shop) -> None:
    talk = await shop.start("careful")
    await talk.turn("hello")
    before = (await talk.handle.fetch_history()).events
    await talk.turn("hello")
    added = (await talk.handle.fetch_history()).events[len(before) :]
    marker = EventType.EVENT_TYPE_MARKER_RECORDED
    (looked,) = [event for event in added if event.event_type == marker]
    assert looked.ByteSize() < 2000
    assert len(added) <= 13


async def test_a_policy_holds_for_each_tool_of_a_server(shop: Shop) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [("add", {"a": 1, "b": 1}), ("add", {"a": 11, "b": 1})]
    talk = await shop.start("careful", Play("", calls))
    await talk.send("add")
    asked = await talk.until(
        lambda events: (
            "approval.requested" in [event.type for event in events]
            and "tool.finished" in [event.type for event in events]
        )
    )
    assert [getattr(event, "call_id", None) for event in asked if event.type == "approval.requested"] == ["t1.s1.c2"]
    assert results(asked) == [{"result": 2}]
    await talk.stop()
    await talk.until(lambda events: events[-1].type == "turn.finished")


async def test_a_server_that_was_never_there_costs_only_its_tools(shop: Shop) -> None:
    talk = await shop.start("away", Play("", [("add", {"a": 1, "b": 2}), ("stock_find", {})]))
    events = await talk.turn("add")
    found, missing = results(events)
    assert found == 3
    assert missing["type"] == "unknown_tool"
    told = await prompt(talk, "t1.s1")
    assert told.system == "Be brief.\n\nThe tools of these servers cannot be reached at the moment: stock."


async def test_two_tools_of_one_name_are_an_error(shop: Shop) -> None:
    talk = await shop.start("twice")
    end = (await talk.turn("hello"))[-1]
    assert isinstance(end, TurnFinished)
    assert end.error is not None
    assert end.error.type == "agent_unavailable"
    assert "has 2 tools named 'add'" in end.error.message


async def test_a_call_that_takes_too_long(shop: Shop) -> None:
    talk = await shop.start("hasty", Play("", [("hang", {"name": "x"})]))
    (output,) = results(await talk.turn("hang"))
    assert (output["type"], output["retryable"]) == ("timeout", True)


async def test_a_server_that_dies_in_mid_call_and_comes_back(shop: Shop) -> None:
    talk = await shop.start("shop", Play("", [("shop_die", {})]), Play("", [("shop_add", {"a": 1, "b": 2})]))
    lost, away = results(await talk.turn("die"))
    assert (lost["type"], away["type"]) == ("mcp_lost", "mcp_unavailable")
    await shop.server.start()
    shop.lab.stage.plays = [Play("", [("shop_add", {"a": 1, "b": 2})])]
    assert results(await talk.turn("again")) == [{"result": 3}]


async def test_nobody_knows_what_became_of_a_call_that_runs_once(shop: Shop) -> None:
    talk = await shop.start("once", Play("", [("die", {})]))
    (lost,) = results(await talk.turn("die"))
    assert lost["type"] == "outcome_unknown"
    await shop.server.start()
