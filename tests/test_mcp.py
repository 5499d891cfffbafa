"""MCP servers in sessions: listed for each turn, called as activities, unavailable without harm."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from starlette.requests import HTTPConnection
from temporalio.api.enums.v1 import EventType

from perdure.gateway.app import create_app
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect
from perdure.temporal.sessions.answers import check_answer
from perdure.temporal.sessions.errors import InvalidRequest
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import AnswerBody
from perdure.temporal.settings import Settings
from perdure.temporal.stores.files import put_file
from perdure.workflows.protocol.queries import QuestionState
from perdure.workflows.protocol.steps import ModelInputRequest, Prompt
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, ToolFinished
from perdure.workflows.vocabulary.question_events import InputRequested
from tests.support.mcp_running import HttpServer, http_server, program
from tests.support.session_lab import Lab, Play, Talk, ends, kinds, open_lab

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
    """A lab whose agents have a server's tools; a test can kill and start the server."""

    def __init__(self, lab: Lab, server: HttpServer) -> None:
        self.lab = lab
        self.server = server

    async def start(self, agent: str, *plays: Play) -> Talk:
        self.lab.stage.plays = list(plays)
        return await self.lab.start(agent)


def agents(folder: Path, url: str) -> None:
    folder.mkdir()
    nowhere = "http://127.0.0.1:9/mcp"
    old = program("tests.support.mcp_server", "old")
    for name, tools in {
        "shop": f"  - mcp: {{url: '{url}', name: shop, allow: [add, hang, grow, shout, die], retry: {{attempts: 1}}}}",
        "careful": f"  - mcp: {{url: '{url}', allow: [add], approval: {{when: '{{{{ args.a > 10 }}}}'}}}}",
        "once": f"  - mcp: {{url: '{url}', allow: [die, add], side_effects: once}}",
        "away": f"  - add\n  - mcp: {{url: '{nowhere}', name: stock}}",
        "twice": f"  - add\n  - mcp: {{url: '{url}', allow: [add, say]}}",
        "asking": f"  - mcp: {{url: '{url}', allow: [ask_first, ask_twice, add, picture]}}",
        "hurried": f"  - mcp: {{url: '{url}', allow: [ask_first], expires: 1s}}",
        "old": f"  - mcp: {{command: {old.command}, env: {old.env}, name: shop}}".replace("(", "[").replace(")", "]"),
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
    """Results in the order of the calls."""
    finished = [event for event in events if isinstance(event, ToolFinished)]
    return [event.result.output for event in sorted(finished, key=lambda event: event.call_id)]


async def asks(talk: Talk, count: int = 1) -> InputRequested:
    """The session's latest question, once there are `count`."""
    events = await talk.until(lambda events: kinds(events).count("input.requested") >= count)
    asked = [event for event in events if isinstance(event, InputRequested)]
    assert len(asked) == count
    return asked[-1]


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
    costs: list[int] = []
    for _ in range(3):
        before = (await talk.handle.fetch_history()).events
        await talk.turn("hello")
        added = (await talk.handle.fetch_history()).events[len(before) :]
        (looked,) = [event for event in added if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED]
        assert looked.ByteSize() < 2000
        costs.append(len(added))
    # A look that takes seconds, as on a machine that has too much to do, extends its workflow task: three events more.
    assert min(costs) <= 13


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
    assert told.instructions == "Be brief.\n\nThe tools of these servers cannot be reached at the moment: stock."


async def test_a_name_that_is_taken_costs_the_server_s_tool_alone(shop: Shop) -> None:
    talk = await shop.start("twice", Play("", [("add", {"a": 1, "b": 2}), ("say", {"text": "x"})]))
    # Both servers' tools would return an object.
    assert results(await talk.turn("add")) == [3, "x"]
    told = await prompt(talk, "t1.s1")
    assert "You do not have these tools: add of " in told.instructions
    assert told.instructions.endswith(", because another tool has the name.")


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


async def tenant_named(request: HTTPConnection) -> Principal:
    return Principal.trusted(request.headers.get("tenant", "lab"))


@pytest.fixture
async def http(shop: Shop) -> AsyncIterator[httpx2.AsyncClient]:
    """A gateway to the lab's sessions."""
    lab = shop.lab
    app = create_app(
        client=lab.client,
        live=lab.live,
        blobs=lab.parts.blobs,
        definitions=lab.parts.definitions,
        settings=lab.parts.settings,
        authenticate=tenant_named,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_a_picture_can_be_fetched(shop: Shop, http: httpx2.AsyncClient) -> None:
    talk = await shop.start("asking", Play("", [("picture", {})]))
    (output,) = results(await talk.turn("show me"))
    (uri,) = [one["uri"] for one in output if one["type"] == "image"]
    session, _, sha256 = uri.removeprefix("lab/").partition("/")
    path = f"/v1/sessions/{session}/files/{sha256}"

    got = await http.get(path)
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, b"\x89PNG", "image/png")
    assert got.headers["content-disposition"] == f'inline; filename="{sha256[:12]}.png"'
    assert (got.headers["x-content-type-options"], got.headers["cache-control"][:7]) == ("nosniff", "private")
    for other in (
        await http.get(path, headers={"tenant": "other"}),
        await http.get(f"/v1/sessions/other/files/{sha256}"),
        await http.get(f"/v1/sessions/{session}/files/{'0' * 64}"),
    ):
        assert (other.status_code, other.json()["code"]) == (404, "not_found")
    assert (await http.get(f"/v1/sessions/{session}/files/x")).status_code == 422


@pytest.mark.parametrize("told", ["image/svg+xml", "text/html", "nonsense\r\nx: y", ""])
async def test_what_a_browser_might_run_is_only_downloaded(shop: Shop, http: httpx2.AsyncClient, told: str) -> None:
    data = f"<script>{told}</script>".encode()
    sha256 = hashlib.sha256(data).hexdigest()
    await put_file(shop.lab.parts.blobs, "lab/s1", sha256, data, told)
    got = await http.get(f"/v1/sessions/s1/files/{sha256}")
    assert got.content == data
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"] == f'attachment; filename="{sha256[:12]}"'
    assert "sandbox" in got.headers["content-security-policy"]


async def test_a_blob_that_is_no_file_cannot_be_fetched(shop: Shop, http: httpx2.AsyncClient) -> None:
    sha256 = hashlib.sha256(b"{}").hexdigest()
    await shop.lab.parts.blobs.put(f"lab/s1/{sha256}", b"{}")
    assert (await http.get(f"/v1/sessions/s1/files/{sha256}")).status_code == 404


ASKED = "t1.s1.c1.input"


async def activities(talk: Talk) -> list[str]:
    return [
        event.activity_task_scheduled_event_attributes.activity_id
        for event in (await talk.handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


async def test_what_a_server_asks_becomes_a_question(shop: Shop) -> None:
    talk = await shop.start("asking", Play("", [("ask_first", {"item": "cup"}), ("add", {"a": 1, "b": 2})]), Play("ok"))
    await talk.send("order a cup")
    asked = await asks(talk)
    assert (asked.question_id, asked.call_id, asked.name, asked.args) == (
        *(ASKED, "t1.s1.c1", "ask_first"),
        {"item": "cup"},
    )
    assert asked.prompt is not None
    assert asked.prompt.endswith("/mcp asks: Which size of cup?")
    await talk.until(lambda events: "tool.finished" in kinds(events))

    state: QuestionState = await talk.ask(SessionWorkflow.question, ASKED)
    assert state.question is not None
    assert state.output == asked.output
    for body, field in (({"result": {"size": "big"}}, "result.size"), ({"result": {}}, "result"), ({}, "result")):
        with pytest.raises(InvalidRequest) as refused:
            check_answer(AnswerBody.model_validate({"question_id": ASKED, **body}), state.question, state)
        assert [error.field for error in refused.value.errors] == [field]

    await talk.answer(ASKED, result={"size": 3})
    events = await talk.until(ends)
    assert results(events) == ["cup 3", {"result": 3}]
    of_it = [event.type for event in events if (getattr(event, "call_id", None) or ASKED[:8]) == asked.call_id]
    assert [one for one in of_it if one.partition(".")[0] in ("tool", "input")] == [
        *("tool.started", "input.requested", "input.received", "tool.finished"),
    ]
    assert [one for one in await activities(talk) if "c1" in one] == ["t1.s1.c1", "t1.s1.c1.again1"]


async def test_a_question_outlives_the_run_that_asked_and_another_follows(shop: Shop) -> None:
    shop.lab.stage.plays = [Play("", [("ask_twice", {"item": "cup"})]), Play("ok")]
    talk = await shop.lab.start("asking", continue_as_new_after=30)
    await talk.send("order a cup")
    await asks(talk)
    first = (await talk.handle.describe()).run_id
    async with asyncio.timeout(60):
        while (await talk.handle.describe()).run_id == first:
            await talk.configure(metadata={"k": 1})
    await talk.answer(ASKED, result={"size": 3})
    second = await asks(talk, 2)
    assert second.question_id == f"{ASKED}2"
    assert (second.prompt or "").endswith(" asks: Which colour, in size 3?")
    await talk.answer(f"{ASKED}2", result={"colour": "red"})
    assert results(await talk.until(ends)) == ["cup 3 red"]


async def test_a_server_that_asks_on_the_open_connection(shop: Shop) -> None:
    talk = await shop.start("old", Play("", [("shop_ask_more", {"until": 6})]), Play("ok"))
    await talk.send("go")
    assert (await asks(talk)).prompt == "shop asks: How many more?"
    await talk.answer(ASKED, result={"size": 5})
    await asks(talk, 2)
    await talk.answer(f"{ASKED}2", approved=False)
    assert results(await talk.until(ends)) == ["decline after [5]"]


async def test_a_server_that_asks_for_ever(shop: Shop) -> None:
    talk = await shop.start("old", Play("", [("shop_ask_more", {"until": 100})]), Play("ok"))
    await talk.send("go")
    for number in range(1, 9):
        question = await asks(talk, number)
        await talk.answer(question.question_id, result={"size": 1})
    (failed,) = results(await talk.until(ends))
    assert failed["type"] == "too_many_questions"


@pytest.mark.parametrize("agent", ["asking", "old"])
async def test_stopped_while_its_server_waits(shop: Shop, agent: str) -> None:
    name = "ask_first" if agent == "asking" else "shop_ask_first"
    talk = await shop.start(agent, Play("", [(name, {"item": "cup"})]))
    await talk.send("order a cup")
    await asks(talk)
    await talk.stop()
    (stopped,) = results(await talk.until(ends))
    assert stopped["type"] == "stopped"
    assert (await talk.page()).working is False
    shop.lab.stage.plays = []
    assert kinds(await talk.turn("and now?"))[-1] == "turn.finished"


async def test_a_question_that_nobody_answers_in_time(shop: Shop) -> None:
    talk = await shop.start("hurried", Play("", [("ask_first", {"item": "cup"})]), Play("ok"))
    await talk.send("order a cup")
    assert (await asks(talk)).expires_at is not None
    (failed,) = results(await talk.until(ends))
    # The server was notified that the question expired, and reports that in its own words.
    assert failed["type"] == "tool_failed"
    assert "cancel" in failed["message"]
