"""Calls of real MCP servers, as the activity makes them, over HTTP and to programs; servers that hang, die or lie."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.mcp.calls import McpServers
from perdure.activities.mcp.listing import describe, fit_name
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.definition.tools import McpAddress, McpServer
from perdure.workflows.protocol.activities import ToolOutput
from tests.support.mcp_running import SHELF, HttpServer, http_server, program

SECRETS = {"TOKEN": "t0p"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def over_http() -> AsyncIterator[HttpServer]:
    async with http_server() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[McpServers]:
    """Shared, so that each test inherits the state of earlier ones: open connections, programs that died."""
    made = McpServers(SECRETS, LocalBlobs(tmp_path_factory.mktemp("blobs")), SHELF.by_digest)
    yield made
    await made.aclose()


@pytest.fixture(params=["http", "program"])
def address(request: pytest.FixtureRequest, over_http: HttpServer) -> McpAddress:
    if request.param == "program":
        return program(SECRET="${TOKEN}")
    return McpAddress(url=over_http.url, headers={"Authorization": "Bearer ${TOKEN}"})


class Calls(ActivityEnvironment):
    def __init__(self, servers: McpServers) -> None:
        super().__init__()
        self._servers = servers
        self.beats: list[Any] = []
        self.on_heartbeat = lambda *details: self.beats.append(details[0])

    async def call(self, address: McpAddress, tool: str, **args: JsonValue) -> ToolOutput:
        request = SHELF.call(address, tool, args)
        async with asyncio.timeout(60):
            output = await self.run(self._servers.call_mcp_tool, request)
        assert isinstance(output, ToolOutput)
        return output

    async def failure(self, address: McpAddress, tool: str, **args: JsonValue) -> tuple[str | None, str, bool]:
        with pytest.raises(ApplicationError) as raised:
            await self.call(address, tool, **args)
        return raised.value.type, raised.value.message, raised.value.non_retryable


@pytest.fixture
def calls(servers: McpServers) -> Calls:
    return Calls(servers)


async def test_a_result_is_what_the_tool_gave(calls: Calls, address: McpAddress) -> None:
    assert (await calls.call(address, "add", a=1, b=2)).output == {"result": 3}
    assert (await calls.call(address, "order", number=11)).output == {"number": 11, "late": True}
    assert (await calls.call(address, "say", text="hm", times=2)).output == "hmhm"


async def test_content_of_other_kinds_is_told_and_its_bytes_are_kept(calls: Calls, address: McpAddress) -> None:
    sha256 = hashlib.sha256(b"\x89PNG").hexdigest()
    workflow_id = calls.info.workflow_id
    assert (await calls.call(address, "picture")).output == [
        {"type": "text", "text": "Here it is."},
        {"type": "image", "media_type": "image/png", "bytes": 4, "uri": f"{workflow_id}/{sha256}"},
        {"type": "resource_link", "uri": "file:///more.txt", "name": "more"},
        {"type": "resource", "of": "memo://1", "text": "remember"},
        {"type": "text", "text": "That is all."},
    ]


async def test_a_big_result_is_put_away(calls: Calls, address: McpAddress) -> None:
    output = await calls.call(address, "say", text="x" * 1000, times=2000)
    assert output.blob is not None
    assert output.blob.size > 2_000_000


async def test_secrets_reach_the_server_alone(calls: Calls, address: McpAddress) -> None:
    told = (await calls.call(address, "secret")).output
    assert told == ("Bearer t0p" if address.url else "t0p")
    assert "t0p" not in address.model_dump_json()


async def test_a_failure_of_the_tool_has_its_words(calls: Calls, address: McpAddress) -> None:
    kind, message, final = await calls.failure(address, "fail", why="no such order")
    assert (kind, final) == ("tool_failed", True)
    assert "no such order" in message


async def test_wrong_arguments_name_the_field(calls: Calls, address: McpAddress) -> None:
    kind, message, final = await calls.failure(address, "add", a="one", b=2)
    assert (kind, final) == ("invalid_arguments", True)
    assert message == "shop_add was not called, because its arguments are wrong. a: 'one' is not of type 'integer'."


async def test_an_unknown_tool(calls: Calls, address: McpAddress) -> None:
    assert (await calls.failure(address, "nothing"))[0] == "unknown_tool"


async def test_progress_is_a_heartbeat(calls: Calls, address: McpAddress) -> None:
    await calls.call(address, "slow")
    assert {"message": "a quarter", "fraction": 0.25} in calls.beats


async def test_a_call_that_is_given_up_is_cancelled_at_the_server(servers: McpServers, address: McpAddress) -> None:
    calls = Calls(servers)

    async def counted(name: str) -> int:
        return int(str((await calls.call(address, "count", name=name)).output))

    before, cancelled = await counted("hang"), await counted("cancelled")
    hanging = asyncio.create_task(calls.call(address, "hang", name="x"))
    async with asyncio.timeout(60):
        while await counted("hang") == before:
            pass
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        while await counted("cancelled") == cancelled:
            pass


async def test_calls_run_at_the_same_time(calls: Calls, address: McpAddress) -> None:
    outputs = await asyncio.gather(*(calls.call(address, "add", a=n, b=n) for n in range(10)))
    assert [output.output for output in outputs] == [{"result": 2 * n} for n in range(10)]


async def test_a_program_that_dies_is_started_again(calls: Calls) -> None:
    address = program()
    for _ in range(2):
        kind, message, final = await calls.failure(address, "die")
        assert (kind, final) == ("mcp_lost", False)
        assert "shop" in message
        assert (await calls.call(address, "add", a=1, b=1)).output == {"result": 2}


async def test_a_server_that_dies_and_comes_back(servers: McpServers) -> None:
    calls = Calls(servers)
    async with http_server() as server:
        address = McpAddress(url=server.url)
        assert (await calls.failure(address, "die"))[0] == "mcp_lost"
        kind: str | None = "mcp_lost"
        async with asyncio.timeout(30):
            # A dying server may still accept a connection.
            while kind == "mcp_lost":
                kind, message, final = await calls.failure(address, "say", text="x")
        assert (kind, final) == ("mcp_unavailable", False)
        assert (
            message == "The server shop cannot be reached, so shop_say did not run: no connection to it could be made."
        )
        await server.start()
        assert (await calls.call(address, "say", text="x")).output == "x"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (McpAddress(url="http://127.0.0.1:9/mcp"), "no connection to it could be made"),
        (McpAddress(command=("no-such-program",)), "its program cannot be started"),
        (McpAddress(command=("true",)), "it does not accept the connection: Connection closed"),
        (McpAddress(url="http://${NOWHERE}/mcp"), "the environment variable NOWHERE that its address needs is not set"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_server_that_is_not_there(calls: Calls, address: McpAddress, why: str) -> None:
    kind, message, _ = await calls.failure(address, "add", a=1, b=2)
    assert kind == "mcp_unavailable"
    assert message == f"The server shop cannot be reached, so shop_add did not run: {why}."


async def test_a_list_that_is_none(calls: Calls) -> None:
    kind, message, _ = await calls.failure(program("tests.support.mcp_liar", "wholly"), "liar")
    assert kind == "mcp_unavailable"
    assert message.endswith("its list of tools is not valid MCP.")


@pytest.mark.parametrize(
    ("tool", "kind", "words"),
    [
        ("liar", "invalid_result", "does not fit its output schema: n: 'seven' is not of type 'integer'"),
        ("not_base64", "invalid_result", "content of type image/png that is not base64"),
        ("no_result", "invalid_result", "is not a valid MCP result"),
        ("refuses", "tool_failed", "shop: tools/call"),
        ("add", "unknown_tool", "no longer has a tool 'add'"),
    ],
)
async def test_a_server_that_lies(calls: Calls, tool: str, kind: str, words: str) -> None:
    failed, message, _ = await calls.failure(program("tests.support.mcp_liar"), tool)
    assert failed == kind
    assert words in message


async def test_tools_whose_schemas_are_none_are_left_out(servers: McpServers) -> None:
    address = program("tests.support.mcp_liar")
    listed = await servers.listings.tools(address, patience=60)
    server = McpServer(name="shop", command=address.command, env=address.env)
    assert list(describe(server, listed)) == ["liar", "not_base64", "no_result", "refuses"]


async def test_only_allowed_tools_are_told(servers: McpServers, over_http: HttpServer) -> None:
    address = McpAddress(url=over_http.url)
    listed = await servers.listings.tools(address, patience=60)
    server = McpServer(name="shop", url=over_http.url, allow=("add", "odd name.é", "missing"))
    specs = describe(server, listed)
    assert {name: (spec.name, spec.description) for name, spec in specs.items()} == {
        "add": ("shop_add", "Adds two numbers."),
        "odd name.é": ("shop_odd_name__", "Has a name that no provider takes."),
    }
    assert specs["add"].output is not None


def test_names_that_every_provider_takes(tmp_path: Path) -> None:
    assert fit_name(None, "search") == "search"
    assert fit_name(None, "1st") == "tool_1st"
    long = [fit_name("shop", "x" * 80), fit_name("shop", "x" * 81)]
    assert [len(name) for name in long] == [64, 64]
    assert long[0] != long[1]
