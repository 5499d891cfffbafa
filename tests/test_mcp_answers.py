"""How a call ends, depending on what its MCP server sends: errors of its own, broken responses, none, or too much.

The servers are raw sockets and a raw program, because no SDK writes such responses.
"""

import asyncio
import base64
import hashlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.mcp.calls import McpServers
from perdure.activities.mcp.lines import Lines
from perdure.activities.mcp.listing import describe
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.temporal.stores.files import get_file
from perdure.temporal.telemetry.log import configure
from perdure.workflows.definition.tools import McpAddress, McpServer
from perdure.workflows.protocol.activities import ToolOutput
from tests.support.mcp_raw_http import TOOL, Answer, RawServer, raw_server
from tests.support.mcp_running import SHELF, program

#: Far below a tool's time-out: a call that ends at once must end within this.
AT_ONCE_S = 15
STDIO = program("tests.support.mcp_raw")
GOOD = '{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"fine"}]}}'
CODES = (-32000, -32001, -32600, -32601, -32603, -32700, 0, 7, 401)
BROKEN = {
    "cut": '{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"te',
    "cut before the id": '{"jsonrpc":"2.0","i',
    "cut at the first byte": "{",
    "another id": '{"jsonrpc":"2.0","id":4711,"result":{"content":[]}}',
    "no id": '{"jsonrpc":"2.0","result":{"content":[]}}',
    "id null": '{"jsonrpc":"2.0","id":null,"result":{"content":[]}}',
    "neither": '{"jsonrpc":"2.0","id":{id}}',
    "both": '{"jsonrpc":"2.0","id":{id},"result":{},"error":{"code":1,"message":"?"}}',
    "no JSON": "oops",
    "nothing": '{"jsonrpc":"2.0","id":{id},"result":null}',
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[McpServers]:
    made = McpServers({}, LocalBlobs(tmp_path_factory.mktemp("blobs")), SHELF.by_digest)
    yield made
    await made.aclose()


@pytest_asyncio.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


class Caller(ActivityEnvironment):
    def __init__(self, servers: McpServers) -> None:
        super().__init__()
        self.servers = servers

    async def call(self, address: McpAddress, **args: JsonValue) -> ToolOutput:
        request = SHELF.call(address, "say", dict(args))
        async with asyncio.timeout(AT_ONCE_S):
            output = await self.run(self.servers.call_mcp_tool, request)
        assert isinstance(output, ToolOutput)
        return output

    async def failure(self, address: McpAddress, **args: JsonValue) -> tuple[str | None, str, bool]:
        with pytest.raises(ApplicationError) as raised:
            await self.call(address, **args)
        return raised.value.type, raised.value.message, raised.value.non_retryable


@pytest.fixture
def caller(servers: McpServers) -> Caller:
    return Caller(servers)


def error(code: int, words: str, request_id: str = "{id}") -> str:
    return f'{{"jsonrpc":"2.0","id":{request_id},"error":{{"code":{code},"message":{json.dumps(words)}}}}}'


def events(*data: str) -> Answer:
    body = "".join(f"event: message\r\ndata: {one}\r\n\r\n" for one in data)
    return Answer(body.encode(), content_type="text/event-stream")


def refused(status: str) -> Answer:
    return Answer(b"<h1>No</h1>", status=status, content_type="text/html")


WAYS = {
    "json": lambda text: Answer(text.encode()),
    "events": lambda text: events('{"jsonrpc":"2.0","method":"notifications/progress","params":{}}', text),
    "400": lambda text: Answer(text.encode(), status="400 Bad Request"),
    "500": lambda text: Answer(text.encode(), status="500 Internal Server Error"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("words", ["the order is locked", "Connection closed"])
async def test_an_error_is_the_servers_word(caller: Caller, raw: RawServer, code: int, way: str, words: str) -> None:
    raw.answer = WAYS[way](error(code, words))
    assert await caller.failure(raw.address) == ("tool_failed", f"shop: {words}", True)
    assert raw.calls == 1


@pytest.mark.parametrize("code", CODES)
async def test_an_error_is_the_programs_word(caller: Caller, code: int) -> None:
    for words in ("the order is locked", "Connection closed"):
        told = await caller.failure(STDIO, lines=[error(code, words)])
        assert told == ("tool_failed", f"shop: {words}", True)


async def test_an_error_without_an_id_is_that_of_the_call(caller: Caller, raw: RawServer) -> None:
    words = error(-32700, "what was that?", "null")
    raw.answer = Answer(words.encode())
    assert await caller.failure(raw.address) == ("tool_failed", "shop: what was that?", True)
    raw.answer = events(words)
    assert await caller.failure(raw.address) == ("tool_failed", "shop: what was that?", True)
    assert await caller.failure(STDIO, lines=[words]) == ("tool_failed", "shop: what was that?", True)


MODERN = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
ABOUT = {
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "r", "version": "1"},
}


def modern(raw: RawServer) -> None:
    """Lets the server speak the protocol of 2026-07-28."""
    for method, result in (("server/discover", ABOUT), ("tools/list", {"tools": [TOOL]})):
        body = json.dumps({"jsonrpc": "2.0", "result": MODERN | result})[:-1] + ',"id":{id}}'
        raw.other[method] = Answer(body.encode())


@pytest.mark.parametrize("code", [*CODES, -32022, -32042])
async def test_an_error_is_the_word_of_a_server_of_the_new_protocol(caller: Caller, raw: RawServer, code: int) -> None:
    modern(raw)
    raw.answer = Answer(GOOD.replace('"result":{', '"result":{"resultType":"complete",').encode())
    assert (await caller.call(raw.address)).output == "fine"
    raw.answer = Answer(error(code, "the order is locked").encode())
    assert await caller.failure(raw.address) == ("tool_failed", "shop: the order is locked", True)
    assert raw.calls == 2


async def test_a_server_that_was_replaced_did_not_run_the_call(caller: Caller, raw: RawServer) -> None:
    modern(raw)
    raw.answer = Answer(error(-32601, "no such method").encode())
    await caller.servers.listings.tools(raw.address, patience=AT_ONCE_S)
    del raw.other["server/discover"], raw.other["tools/list"]
    kind, message, final = await caller.failure(raw.address)
    assert (kind, final) == ("mcp_unavailable", False)
    assert "it no longer speaks the same protocol version" in message


@pytest.mark.parametrize("code", [-32020, -32042])
async def test_codes_of_the_new_protocol_mean_nothing_in_the_old_one(caller: Caller, raw: RawServer, code: int) -> None:
    raw.answer = Answer(error(code, "the order is locked").encode())
    assert await caller.failure(raw.address) == ("tool_failed", "shop: the order is locked", True)
    assert raw.calls == 1
    assert await caller.failure(STDIO, lines=[error(code, "locked")]) == ("tool_failed", "shop: locked", True)


async def test_what_an_error_says_beside_its_words_is_told(caller: Caller) -> None:
    line = '{"jsonrpc":"2.0","id":{id},"error":{"code":-32000,"message":"locked","data":{"by":"Ada"}}}'
    assert (await caller.failure(STDIO, lines=[line]))[1] == 'shop: locked {"by":"Ada"}'


ODD = {
    "no version": '{"id":{id},"result":{"content":[{"type":"text","text":"fine"}]}}',
    "a text": '{"jsonrpc":"2.0","id":{id},"result":"fine"}',
    "a text before its id": '{"jsonrpc":"2.0","result":"fine","id":{id}}',
    "a list of items": '{"jsonrpc":"2.0","id":{id},"result":[{"type":"text","text":"fine"}]}',
    "a batch": f"[{GOOD}]",
}
WORDS = {
    "a code in letters": ('{"code":"E42","message":"sold out"}', "sold out (E42)"),
    "a code in digits": ('{"code":"-32000","message":"sold out"}', "sold out"),
    "no code": ('{"message":"sold out"}', "sold out"),
    "a mere text": ('"sold out"', "sold out"),
    "words in an object": ('{"code":"E42","reason":"sold out"}', '{"code":"E42","reason":"sold out"}'),
    "data": ('{"message":"sold out","data":{"left":0}}', 'sold out {"left":0}'),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
async def test_an_odd_response_is_an_answer(caller: Caller, raw: RawServer, text: str) -> None:
    for way in ("json", "events"):
        raw.answer = WAYS[way](text)
        assert (await caller.call(raw.address)).output == "fine"
    assert (await caller.call(STDIO, lines=[text])).output == "fine"


async def test_what_is_no_text_is_given_as_json(caller: Caller) -> None:
    for result, output in (("7", "7"), ("[1,2]", "[1,2]")):
        answer = f'{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}'
        assert (await caller.call(STDIO, lines=[answer])).output == output


@pytest.mark.parametrize(("said", "words"), WORDS.values(), ids=WORDS.keys())
async def test_an_odd_error_is_the_servers_word(caller: Caller, raw: RawServer, said: str, words: str) -> None:
    text = f'{{"jsonrpc":"2.0","id":{{id}},"error":{said}}}'
    for way in WAYS:
        raw.answer = WAYS[way](text)
        assert await caller.failure(raw.address) == ("tool_failed", f"shop: {words}", True)
    assert await caller.failure(STDIO, lines=[text]) == ("tool_failed", f"shop: {words}", True)


@pytest.mark.parametrize("line", ["INFO starting", "[INFO] starting", "[1] starting", '{"level":"info"}', "", "[]"])
async def test_a_line_that_an_answer_follows_is_harmless(caller: Caller, line: str) -> None:
    assert (await caller.call(STDIO, lines=[line, GOOD])).output == "fine"


def test_a_line_counts_for_one_call_alone_and_only_until_something_follows() -> None:
    def request(number: int, method: str = "tools/call") -> JSONRPCRequest:
        return JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params={"name": "say"})

    lines = Lines()
    lines.received(b"a banner")
    lines.sent(request(1, "tools/list"))
    lines.received(b"a log line")
    assert not lines.doubtful
    lines.received(b'{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}')
    lines.sent(request(2))
    lines.received(b"a log line")
    assert lines.doubtful
    lines.received(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":1}}')
    assert not lines.doubtful
    lines.sent(request(3))
    lines.received(b"a log line")
    assert (lines.doubtful, lines.silent()) == (False, [])
    assert len(lines.received(b'{"jsonrpc":"2.0","id":2,"result":{"content":[]}}')) == 1
    lines.received(b"[a log line")
    (told,) = lines.silent()
    assert isinstance(told.message, JSONRPCError)
    assert told.message.id == 3
    assert not lines.doubtful
    # The answer comes after all, so the next call is waited for.
    assert lines.received(b'{"jsonrpc":"2.0","id":3,"result":{"content":[]}}') == []
    lines.sent(request(4))
    lines.received(b"a log line")
    assert not lines.doubtful


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_answer_leaves_the_outcome_open(caller: Caller, raw: RawServer, text: str) -> None:
    raw.answer = Answer(text.encode())
    assert (await caller.failure(raw.address))[::2] == ("mcp_lost", False)
    raw.answer = events(text)
    assert (await caller.failure(raw.address))[::2] == ("mcp_lost", False)
    assert raw.calls == 2
    assert (await caller.failure(STDIO, lines=[text]))[::2] == ("mcp_lost", False)
    assert (await caller.call(STDIO, lines=[GOOD])).output == "fine"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        Answer(GOOD.encode(), cut=True),
        Answer(content_type="text/event-stream"),
        Answer(b"data: " + GOOD.encode(), content_type="text/event-stream"),
        Answer(b"<h1>Welcome</h1>", content_type="text/html"),
        Answer(status="202 Accepted"),
        Answer(status="204 No Content"),
        refused("500 Internal Server Error"),
        refused("502 Bad Gateway"),
        refused("504 Gateway Timeout"),
        refused("408 Request Timeout"),
    ],
    ids=repr,
)
async def test_no_answer_leaves_the_outcome_open(caller: Caller, raw: RawServer, answer: Answer | None) -> None:
    raw.answer = answer
    assert (await caller.failure(raw.address))[::2] == ("mcp_lost", False)
    assert raw.calls == 1


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "413 Too Large", "429 Too Many Requests"])
async def test_what_the_server_refused_did_not_run(caller: Caller, raw: RawServer, status: str) -> None:
    raw.answer = refused(status)
    kind, message, final = await caller.failure(raw.address)
    assert (kind, final) == ("mcp_unavailable", False)
    assert message == f"The server shop is there, but shop_say did not run: it refuses the request (HTTP {status[:3]})."


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
@pytest.mark.parametrize("method", ["tools/call", "initialize", "tools/list"])
async def test_refused_credentials_are_said(caller: Caller, raw: RawServer, status: str, method: str) -> None:
    raw.other = {method: refused(status), "server/discover": refused(status)}
    kind, message, final = await caller.failure(raw.address)
    assert (kind, final) == ("mcp_unavailable", True)
    assert f"it refuses our credentials (HTTP {status[:3]})" in message
    assert "hush" not in message


async def test_other_refusals_of_the_connection_are_said(caller: Caller, raw: RawServer) -> None:
    raw.other = {"initialize": refused("503 Service Unavailable"), "server/discover": refused("404 Not Found")}
    assert "it refuses the connection (HTTP 503)" in (await caller.failure(raw.address))[1]


async def test_a_program_may_print_what_it_likes(caller: Caller) -> None:
    banner = [
        "Server 1.0 running on stdio",
        "",
        "[INFO] {id} called",
        '{"level":30,"msg":"called","id":7}',
        '{"level":30,"msg":"ca',
        "{'error': 'no JSON'}",
        "[1, 2]",
        "null",
        "Traceback (most recent call last):",
        "caf{e9}",
    ]
    assert (await caller.call(STDIO, lines=[*banner, GOOD, *banner])).output == "fine"
    assert (await caller.call(STDIO, lines=["\ufeff  " + GOOD + " \r"])).output == "fine"


async def test_a_program_that_ends_leaves_the_outcome_open(caller: Caller) -> None:
    endings: tuple[list[JsonValue], ...] = (["exit"], ["Killed", "exit"])
    for lines in endings:
        assert (await caller.failure(STDIO, lines=lines))[::2] == ("mcp_lost", False)


async def test_a_broken_answer_among_several_is_that_of_the_call_that_is_left(caller: Caller) -> None:
    cut = '{"jsonrpc":"2.0","i'
    lines: tuple[list[JsonValue], ...] = ([cut], [GOOD], [GOOD])
    given = await asyncio.gather(*(caller.call(STDIO, lines=line, after=3) for line in lines), return_exceptions=True)
    failed, *good = given
    assert isinstance(failed, ApplicationError)
    assert failed.type == "mcp_lost"
    assert [output.output for output in good if isinstance(output, ToolOutput)] == ["fine", "fine"]


def test_late_and_foreign_answers() -> None:
    def request(number: int) -> JSONRPCRequest:
        return JSONRPCRequest(jsonrpc="2.0", id=number, method="tools/call")

    def answer(number: int) -> bytes:
        return GOOD.replace("{id}", str(number)).encode()

    def ids(told: list[Any]) -> list[int]:
        return [one.message.id for one in told]

    lines = Lines()
    for number in (1, 2, 3):
        assert lines.sent(request(number)) == []
    given_up = JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params={"requestId": 1})
    assert lines.sent(given_up) == []
    assert lines.received(answer(1)) == []
    # While two calls are open, the error may belong to either; it does not belong to a later call.
    assert lines.received(b'{"jsonrpc": "2.0", ') == []
    assert lines.sent(request(4)) == []
    assert ids(lines.received(answer(3))) == [3, 2]
    assert lines.received(answer(2)) == []
    assert ids(lines.received(b'{"jsonrpc":"2.0","id":4,"result":{"cut')) == [4]


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ({"content": ["Done."], "structuredContent": {"n": 1}}, {"structured": {"n": 1}, "content": ["Done."]}),
        ({"content": ["Done."], "structuredContent": {}}, {"structured": {}, "content": ["Done."]}),
        ({"content": ['{"n": 1}'], "structuredContent": {"n": 1}}, {"n": 1}),
        ({"content": ["3"], "structuredContent": {"result": 3}}, {"result": 3}),
        ({"content": ["a", "b"], "structuredContent": {"result": ["a", "b"]}}, {"result": ["a", "b"]}),
        ({"content": ["1"], "structuredContent": {"result": True}}, {"structured": {"result": True}, "content": ["1"]}),
        ({"content": [], "structuredContent": {"n": 1}}, {"n": 1}),
        ({"content": [], "structuredContent": {}}, {}),
        ({"content": ["a", "b"]}, "a\n\nb"),
        ({"content": []}, ""),
    ],
)
async def test_nothing_is_dropped(caller: Caller, result: dict[str, Any], output: JsonValue) -> None:
    given = result | {"content": [{"type": "text", "text": text} for text in result["content"]]}
    if isinstance(output, dict) and "content" in output:
        output = output | {"content": given["content"]}
    line = json.dumps({"jsonrpc": "2.0", "result": given})[:-1] + ',"id":{id}}'
    assert (await caller.call(STDIO, lines=[line])).output == output


async def test_a_failure_keeps_what_it_shows(caller: Caller) -> None:
    picture = {"type": "image", "data": base64.b64encode(b"\x89PNG").decode(), "mimeType": "image/png"}
    text = {"type": "text", "text": "The form is wrong."}
    result = {"isError": True, "content": [text, picture], "structuredContent": {"field": "name"}}
    output = await caller.call(STDIO, lines=[json.dumps({"jsonrpc": "2.0", "result": result})[:-1] + ',"id":{id}}'])
    failed = output.error
    assert failed is not None
    assert (failed.type, failed.message, failed.retryable) == ("tool_failed", "The form is wrong.", False)
    session, sha256 = caller.info.workflow_id, hashlib.sha256(b"\x89PNG").hexdigest()
    assert failed.content == [
        {"type": "data", "value": {"field": "name"}},
        {"type": "image", "media_type": "image/png", "bytes": 4, "uri": f"{session}/{sha256}"},
    ]
    assert await get_file(caller.servers.blobs, session or "", sha256) == (b"\x89PNG", "image/png")


HALF = r'{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"a\ud83db \\ud83d \ud83d\ude00"}]}}'


async def test_half_a_character_costs_that_character(caller: Caller, raw: RawServer) -> None:
    for answer in (Answer(HALF.encode()), events(HALF)):
        raw.answer = answer
        assert (await caller.call(raw.address)).output == "a\ufffdb \\ud83d \U0001f600"
    assert (await caller.call(STDIO, lines=[HALF])).output == "a\ufffdb \\ud83d \U0001f600"
    # Bytes that are not UTF-8.
    assert (await caller.call(STDIO, lines=[GOOD.replace("fine", "caf{e9}")])).output == "caf\ufffd"


async def test_a_tool_that_was_asked_is_not_asked_again_for_its_list(caller: Caller, raw: RawServer) -> None:
    raw.tools = [TOOL | {"outputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}]
    raw.answer = Answer(b'{"jsonrpc":"2.0","id":{id},"result":{"content":[],"structuredContent":{"n":"one"}}}')
    assert (await caller.failure(raw.address))[::2] == ("invalid_result", True)
    raw.other = {"tools/list": Answer(error(-32603, "not now").encode())}
    raw.answer = Answer(b'{"jsonrpc":"2.0","id":{id},"result":{"content":[],"structuredContent":{"n":1}}}')
    assert (await caller.call(raw.address)).output == {"n": 1}


async def test_a_list_is_bounded(caller: Caller, raw: RawServer) -> None:
    long = {**TOOL, "name": "long", "description": "x" * 100_000}
    huge = {**TOOL, "name": "huge", "outputSchema": {"type": "object", "description": "x" * 200_000}}
    many = [{**TOOL, "name": f"t{number}"} for number in range(10_000)]
    raw.tools = [{**TOOL, "name": "n" * 300}, huge, long, *many]
    listed = await caller.servers.listings.tools(raw.address, patience=AT_ONCE_S)
    specs = describe(McpServer(name="shop", url=raw.address.url), listed)
    assert "huge" not in specs
    assert "n" * 300 not in specs
    assert len(specs["long"].description) < 5000
    assert specs["long"].description.endswith("… (95904 characters left out)")
    assert len(specs) == 498


async def test_all_that_a_server_says_of_its_tools_is_bounded(caller: Caller, raw: RawServer) -> None:
    raw.tools = [
        {**TOOL, "name": f"t{number}", "inputSchema": {"type": "object", "$comment": "x" * 90_000}}
        for number in range(50)
    ]
    listed = await caller.servers.listings.tools(raw.address, patience=AT_ONCE_S)
    assert len(describe(McpServer(name="shop", url=raw.address.url), listed)) == 11


async def test_no_log_holds_the_address_or_what_is_said(caller: Caller, raw: RawServer) -> None:
    written = io.StringIO()
    configure(Settings(log_level="DEBUG"), written)
    try:
        raw.answer = Answer(GOOD.replace("fine", "between us").encode())
        await caller.call(raw.address)
        raw.answer = events(GOOD.replace("fine", "between us"))
        await caller.call(raw.address)
        raw.answer = None
        await caller.failure(raw.address)
    finally:
        configure(Settings())
    assert "hush" not in written.getvalue()
    assert "between us" not in written.getvalue()
