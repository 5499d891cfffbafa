"""Real MCP servers that ask people, called as the activities do: by a result and on the open connection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from mcp_types import ElicitRequest, ElicitRequestFormParams
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.mcp.calls import McpServers
from perdure.activities.mcp.questions import Dialogue, NotAskable
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.definition.tools import McpAddress
from perdure.workflows.protocol.activities import CallMcpToolInput, ToolOutput
from perdure.workflows.vocabulary.elicitation import ServerAsks, ServerInput, after, answered
from tests.support.mcp_running import SHELF, HttpServer, http_server, program

SIZE = {"properties": {"size": {"title": "Size", "type": "integer"}}, "required": ["size"]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def new_server() -> AsyncIterator[HttpServer]:
    async with http_server() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def old_server() -> AsyncIterator[HttpServer]:
    async with http_server("old") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[McpServers]:
    made = McpServers({}, LocalBlobs(tmp_path_factory.mktemp("blobs")), SHELF.by_digest)
    yield made
    await made.aclose()


@pytest.fixture(params=["new http", "old http", "new program", "old program"])
def address(request: pytest.FixtureRequest, new_server: HttpServer, old_server: HttpServer) -> McpAddress:
    match request.param:
        case "new http":
            return McpAddress(url=new_server.url)
        case "old http":
            return McpAddress(url=old_server.url)
        case "new program":
            return program()
        case _:
            return program("tests.support.mcp_server", "old")


@pytest.fixture(params=["http", "program"])
def old(request: pytest.FixtureRequest, old_server: HttpServer) -> McpAddress:
    if request.param == "program":
        return program("tests.support.mcp_server", "old")
    return McpAddress(url=old_server.url)


class Call:
    """One call, activity by activity, as a session makes them."""

    def __init__(
        self, servers: McpServers, address: McpAddress, tool: str, args: dict[str, JsonValue], once: bool = False
    ) -> None:
        self._servers = servers
        self._request = SHELF.call(address, tool, args, once)
        self.so_far: ServerInput | None = None

    async def go_on(self) -> JsonValue | ServerAsks:
        request = self._request.model_copy(update={"so_far": self.so_far})
        async with asyncio.timeout(60):
            given = await ActivityEnvironment().run(self._servers.call_mcp_tool, request)
        if isinstance(given, ServerAsks):
            self.so_far = after(self.so_far, given)
            return given
        assert isinstance(given, ToolOutput)
        return given.output

    async def asked(self) -> list[str]:
        given = await self.go_on()
        assert isinstance(given, ServerAsks), given
        return [question.prompt for question in given.questions]

    def answer(self, **content: JsonValue) -> None:
        assert self.so_far is not None
        self.so_far = answered(self.so_far, "accept", content)

    def decline(self) -> None:
        assert self.so_far is not None
        self.so_far = answered(self.so_far, "decline")

    async def failure(self) -> tuple[str | None, str]:
        with pytest.raises(ApplicationError) as raised:
            await self.go_on()
        return raised.value.type, raised.value.message


async def test_what_a_tool_needs_is_asked_and_answered(servers: McpServers, address: McpAddress) -> None:
    call = Call(servers, address, "ask_first", {"item": "cup"})
    given = await call.go_on()
    assert isinstance(given, ServerAsks)
    (question,) = given.questions
    assert question.prompt == "shop asks: Which size of cup?"
    assert {name: question.output[name] for name in SIZE} == SIZE
    call.answer(size=3)
    assert await call.go_on() == "cup 3"


async def test_declined(servers: McpServers, address: McpAddress) -> None:
    call = Call(servers, address, "ask_first", {"item": "cup"})
    await call.asked()
    call.decline()
    kind, message = await call.failure()
    assert kind == "tool_failed"
    assert "decline" in message.lower()


async def test_a_question_that_depends_on_an_answer(servers: McpServers, address: McpAddress) -> None:
    call = Call(servers, address, "ask_twice", {"item": "cup"})
    assert await call.asked() == ["shop asks: Which size of cup?"]
    call.answer(size=3)
    assert await call.asked() == ["shop asks: Which colour, in size 3?"]
    call.answer(colour="red")
    assert await call.go_on() == "cup 3 red"
    assert call.so_far is not None
    assert call.so_far.rounds == 2


async def test_two_questions_at_once(servers: McpServers, new_server: HttpServer) -> None:
    call = Call(servers, McpAddress(url=new_server.url), "ask_both", {"item": "cup"})
    assert sorted(await call.asked()) == ["shop asks: Which size of cup?", "shop asks: Whose?"]
    assert call.so_far is not None
    while (question := call.so_far.open) is not None:
        call.answer(**({"size": 2} if "size" in question.prompt else {"colour": "Ann"}))
    assert await call.go_on() == "cup 2 Ann"


async def test_a_server_that_no_longer_knows_the_call(servers: McpServers, new_server: HttpServer) -> None:
    address = McpAddress(url=new_server.url)
    calls = [Call(servers, address, "ask_twice", {"item": "cup"}, once) for once in (False, True)]
    for call in calls:
        await call.asked()
        call.answer(size=3)
        await call.asked()
        call.answer(colour="red")
    assert await Call(servers, address, "forget", {}).go_on() == "forgotten"
    assert await calls[0].go_on() == "cup 3 red"
    # A `once` call must not be started over.
    assert await calls[1].failure() == (
        "expired",
        "shop no longer accepts the answer to its question: shop_ask_twice did not continue.",
    )


async def test_a_tool_that_runs_once_is_asked_by_a_result(servers: McpServers, new_server: HttpServer) -> None:
    call = Call(servers, McpAddress(url=new_server.url), "ask_first", {"item": "cup"}, once=True)
    await call.asked()
    call.answer(size=3)
    assert await call.go_on() == "cup 3"


async def test_asked_on_the_open_connection(servers: McpServers, old: McpAddress) -> None:
    async def counted(name: str) -> int:
        return int(str(await Call(servers, old, "count", {"name": name}).go_on()))

    before, cancelled = await counted("ask"), await counted("ask_cancelled")
    call = Call(servers, old, "ask", {})
    assert await call.asked() == ["shop asks: Which size?"]
    async with asyncio.timeout(60):
        while await counted("ask_cancelled") != cancelled + 1:
            pass
    call.answer(size=4)
    assert await call.go_on() == "action='accept' data=Size(size=4)"
    assert (await counted("ask"), await counted("ask_cancelled")) == (before + 2, cancelled + 1)


async def test_the_same_again_is_another_question(servers: McpServers, old: McpAddress) -> None:
    call = Call(servers, old, "ask_more", {"until": 6})
    for size in (1, 2, 3):
        assert await call.asked() == ["shop asks: How many more?"]
        call.answer(size=size)
    assert await call.go_on() == "[1, 2, 3]"

    call = Call(servers, old, "ask_more", {"until": 6})
    await call.asked()
    call.answer(size=5)
    await call.asked()
    call.decline()
    assert await call.go_on() == "decline after [5]"


async def test_a_tool_that_runs_once_is_not_asked_on_the_open_connection(servers: McpServers, old: McpAddress) -> None:
    kind, message = await Call(servers, old, "ask", {}, once=True).failure()
    assert kind == "input_not_supported"
    assert message == (
        "shop asked for input while shop_ask ran and got no answer: it asks while it runs, and a call that must "
        "not be repeated cannot wait for a person"
    )


async def test_calls_at_the_same_time_on_one_connection(servers: McpServers) -> None:
    """A question does not say which call it is for; if only one call is under way, it can be asked."""
    address = program("tests.support.mcp_server", "old", OWN="1")
    assert await Call(servers, address, "add", {"a": 1, "b": 1}).go_on() == {"result": 2}
    hanging = asyncio.create_task(Call(servers, address, "hang", {"name": "x"}).go_on())
    async with asyncio.timeout(60):
        while await Call(servers, address, "count", {"name": "hang"}).go_on() == "0":
            pass
    kind, message = await Call(servers, address, "ask", {}).failure()
    assert kind == "tool_failed"
    assert "several calls are under way" in message
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert await Call(servers, address, "ask", {}).asked() == ["shop asks: Which size?"]


async def test_what_has_to_be_done_elsewhere(servers: McpServers, old_server: HttpServer) -> None:
    call = Call(servers, McpAddress(url=old_server.url), "visit", {})
    assert await call.asked() == ["shop asks: Sign in\nComplete it at https://shop.example/in and confirm here."]
    assert call.so_far is not None
    assert call.so_far.asks.questions[0].output == {"type": "object", "maxProperties": 0}
    call.answer()
    assert await call.go_on() == "signed in"


@pytest.mark.parametrize("old", ["http"], indirect=True)
async def test_a_model_s_words_are_not_given(servers: McpServers, new_server: HttpServer, old: McpAddress) -> None:
    for address in (McpAddress(url=new_server.url), old):
        kind, message = await Call(servers, address, "ponder", {"item": "cup"}).failure()
        assert kind == "input_not_supported", message


async def test_asked_while_it_runs_where_the_protocol_has_no_way_for_that(
    servers: McpServers, new_server: HttpServer
) -> None:
    kind, _ = await Call(servers, McpAddress(url=new_server.url), "ask", {}).failure()
    assert kind == "input_not_supported"


@pytest.mark.parametrize(
    ("answer", "words"),
    [({"size": {"deep": {}}}, "is not a flat object"), ({"size": "big"}, "")],
    ids=["deep", "wrong"],
)
async def test_an_answer_that_fits_nowhere(
    servers: McpServers, new_server: HttpServer, answer: dict[str, Any], words: str
) -> None:
    call = Call(servers, McpAddress(url=new_server.url), "ask_first", {"item": "cup"})
    await call.asked()
    call.answer(**answer)
    kind, message = await call.failure()
    assert kind in ("input_not_supported", "tool_failed")
    assert words in message


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("password", {"type": "string"}),
        ("userPassword", {"type": "string"}),
        ("apiKey", {"type": "string"}),
        ("API_KEY", {"type": "string"}),
        ("access-token", {"type": "string"}),
        ("client_secret", {"type": "string"}),
        ("card_number", {"type": "integer"}),
        ("cvv", {"type": "integer"}),
        ("pin", {"type": "integer"}),
        ("a", {"type": "string", "format": "password"}),
        ("a", {"type": "string", "title": "Your password"}),
    ],
)
def test_a_form_asks_for_no_secret(name: str, field: dict[str, Any]) -> None:
    with pytest.raises(NotAskable) as raised:
        asked(name, field)
    assert "asks for a secret" in str(raised.value)
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("key", {"type": "string"}),
        ("monkey", {"type": "string"}),
        ("max_tokens", {"type": "integer"}),
        ("secretary", {"type": "string"}),
        ("reset_password", {"type": "boolean"}),
        ("sort_key", {"type": "string"}),
        ("kind", {"type": "string", "enum": ["password", "key"], "title": "Password or key"}),
    ],
)
def test_a_form_may_ask_for_what_only_sounds_like_one(name: str, field: dict[str, Any]) -> None:
    assert isinstance(asked(name, field), ServerAsks)


def asked(name: str, field: dict[str, Any]) -> object:
    dialogue = Dialogue(CallMcpToolInput(label="shop", name="a", tool="a", args={}))
    form = {"type": "object", "properties": {"size": {"type": "integer"}, name: field}}
    params = ElicitRequestFormParams(message="Fill in", requested_schema=form)
    return dialogue.take({"a": ElicitRequest(params=params)}, None)
