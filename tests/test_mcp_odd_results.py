"""Results of MCP servers that are not quite what the protocol demands: nothing of them is dropped."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.mcp.calls import McpServers
from perdure.activities.mcp.mending import mended, whole_result
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.definition.tools import McpAddress
from perdure.workflows.protocol.activities import ToolOutput
from tests.support.mcp_raw_http import Answer, RawServer, raw_server
from tests.support.mcp_running import SHELF, program

STDIO = program("tests.support.mcp_raw")
TEXT: dict[str, JsonValue] = {"type": "text", "text": "hi"}
PNG = b"\x89PNG\x01\x02\x03"
PICTURE = base64.b64encode(PNG).decode()
FILE: dict[str, JsonValue] = {
    "media_type": "image/png",
    "bytes": len(PNG),
    "uri": f"test/{hashlib.sha256(PNG).hexdigest()}",
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


async def call(servers: McpServers, address: McpAddress, **args: JsonValue) -> ToolOutput:
    output = await ActivityEnvironment().run(servers.call_mcp_tool, SHELF.call(address, "say", dict(args)))
    assert isinstance(output, ToolOutput)
    return output


ODD: list[tuple[dict[str, Any], JsonValue]] = [
    ({"structuredContent": {"n": 1}}, {"n": 1}),
    ({"content": None, "structuredContent": {"n": 1}}, {"n": 1}),
    ({"content": TEXT}, "hi"),
    ({"content": ["hi", TEXT]}, "hi\n\nhi"),
    ({"content": [{"text": "hi"}]}, "hi"),
    ({"content": [TEXT], "isError": None}, "hi"),
    ({"content": [{"type": "text", "text": {"n": 1}}]}, '{"type":"text","text":{"n":1}}'),
    ({"content": [TEXT, {"type": "chart", "points": [1, 2]}]}, 'hi\n\n{"type":"chart","points":[1,2]}'),
    ({"content": [{"type": "image", "data": PICTURE, "mime_type": "image/png"}]}, [{"type": "image", **FILE}]),
    (
        {"content": [{"type": "image", "data": PICTURE.rstrip("="), "mimeType": "image/png"}]},
        [{"type": "image", **FILE}],
    ),
    (
        {"content": [{"type": "image", "data": f"data:image/png;base64,{PICTURE}", "mimeType": "image/png"}]},
        [{"type": "image", **FILE}],
    ),
    (
        {"content": [{"type": "video", "data": PICTURE, "mimeType": "image/png"}]},
        [{"type": "resource", "of": "mcp:video", **FILE}],
    ),
    ({"content": [TEXT], "structuredContent": [1, 2]}, {"structured": {"result": [1, 2]}, "content": [TEXT]}),
    (
        {"content": [{"type": "image", "data": "?", "mimeType": "image/png"}, TEXT]},
        [{"type": "unreadable", "about": "content of type image/png that is not base64"}, TEXT],
    ),
    ({"toolResult": {"n": 1}}, {"toolResult": {"n": 1}}),
]


@pytest.mark.parametrize(("result", "output"), ODD, ids=[json.dumps(one)[:60] for one, _ in ODD])
async def test_nothing_is_dropped(
    servers: McpServers, raw: RawServer, result: dict[str, Any], output: JsonValue
) -> None:
    line = '{"jsonrpc":"2.0","id":{id},"result":' + json.dumps(result) + "}"
    raw.answer = Answer(line.encode())
    assert (await call(servers, raw.address)).output == output
    raw.answer = Answer(f"event: message\r\ndata: {line}\r\n\r\n".encode(), content_type="text/event-stream")
    assert (await call(servers, raw.address)).output == output
    assert (await call(servers, STDIO, lines=[line])).output == output


async def test_a_failure_keeps_its_odd_blocks(servers: McpServers, raw: RawServer) -> None:
    result = {"isError": True, "content": ["No.", {"type": "chart", "points": [1]}]}
    raw.answer = Answer(b'{"jsonrpc":"2.0","id":{id},"result":' + json.dumps(result).encode() + b"}")
    with pytest.raises(ApplicationError, match="No") as failed:
        await call(servers, raw.address)
    assert failed.value.message == 'No.\n\n{"type":"chart","points":[1]}'


@pytest.mark.parametrize(
    "result",
    [
        {"content": [TEXT]},
        {"content": [], "structuredContent": {}},
        {"content": [TEXT], "isError": True},
        {"content": [TEXT], "structuredContent": [1], "resultType": "complete"},
        {"resultType": "input_required", "inputRequests": {}},
        {"content": "what is this"},
        None,
    ],
    ids=json.dumps,
)
def test_what_is_right_or_cannot_be_mended_passes_unchanged(result: Any) -> None:
    assert whole_result(result) is result
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
    assert mended(data) is data


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_what_a_server_says_with_a_refusal_is_told(servers: McpServers, raw: RawServer, status: str) -> None:
    words = b'{"jsonrpc":"2.0","id":{id},"error":{"code":-32000,"message":"orders are for managers"}}'
    raw.answer = Answer(words, status=status)
    with pytest.raises(ApplicationError) as refused:
        await call(servers, raw.address)
    assert (refused.value.type, refused.value.non_retryable) == ("mcp_unavailable", True)
    assert f"it refuses our credentials (HTTP {status[:3]}): orders are for managers." in refused.value.message
