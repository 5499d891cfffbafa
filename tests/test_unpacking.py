"""Responses that are small on the wire but huge when decompressed, or endless, to clients of MCP servers and models."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.mcp.calls import McpServers
from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.activities.models.wire import Wire
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.activities.models.wires.openai_responses import OpenAIResponses
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.tools import McpAddress
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.protocol.steps import Prompt
from tests.support.mcp_raw_http import Answer, RawServer, raw_server
from tests.support.mcp_running import SHELF, program

MB = 1024 * 1024
BOMB_MB = 300
#: Half of a bomb, and several times the largest response that is read.
MOST_MEMORY = 150 * MB
GOOD = b'{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"fine"}]}}'


def bomb(wbits: int, head: bytes, piece: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=wbits)
    pieces = [packer.compress(head)]
    block = piece * (MB // len(piece))
    pieces += [packer.compress(block) for _ in range(BOMB_MB)]
    return b"".join(pieces) + packer.flush()


@contextmanager
def measured() -> Iterator[None]:
    """Fails if the memory of the block grows by as much as a bomb."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def packed() -> dict[str, Answer]:
    text = bomb(31, b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"', b"x")
    line = bomb(31, b"data: ", b"x")
    noise = bomb(15, b"", b":" + b"x" * (32 * 1024 - 3) + b"\n\n")
    assert len(text) < 4 * MB
    gzipped, stream = ("content-encoding: gzip",), "text/event-stream"
    return {
        "a body": Answer(text, headers=gzipped),
        "an endless line": Answer(line, content_type=stream, headers=gzipped),
        "endless lines": Answer(noise, content_type=stream, headers=("content-encoding: deflate",)),
    }


@pytest_asyncio.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


class Caller(ActivityEnvironment):
    def __init__(self, servers: McpServers) -> None:
        super().__init__()
        self._servers = servers

    async def call(self, address: McpAddress, **args: int) -> ToolOutput:
        request = SHELF.call(address, "say", dict(args))
        output = await self.run(self._servers.call_mcp_tool, request)
        assert isinstance(output, ToolOutput)
        return output

    async def failure(self, address: McpAddress, **args: int) -> tuple[str | None, str, bool]:
        with pytest.raises(ApplicationError) as raised:
            await self.call(address, **args)
        return raised.value.type, raised.value.message, raised.value.non_retryable


@pytest_asyncio.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    servers = McpServers({}, LocalBlobs(tmp_path), SHELF.by_digest)
    yield Caller(servers)
    await servers.aclose()


@pytest.mark.parametrize("kind", ["a body", "an endless line", "endless lines"])
async def test_a_bomb_of_an_mcp_server(caller: Caller, raw: RawServer, packed: dict[str, Answer], kind: str) -> None:
    raw.answer = packed[kind]
    with measured():
        assert (await caller.failure(raw.address))[::2] == ("result_too_large", True)
    assert raw.calls == 1


async def test_a_bomb_in_place_of_a_list(caller: Caller, raw: RawServer, packed: dict[str, Answer]) -> None:
    raw.other = {"tools/list": packed["a body"]}
    with measured():
        kind, message, _ = await caller.failure(raw.address)
    assert (kind, raw.calls) == ("mcp_unavailable", 0)
    assert message.endswith("its list of tools is too long.")


async def test_a_program_whose_line_does_not_end(caller: Caller) -> None:
    address = program("tests.support.mcp_raw")
    with measured():
        assert (await caller.failure(address, endless=BOMB_MB // 4))[::2] == ("result_too_large", True)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, partial(zlib.compress, wbits=-15)])
async def test_what_is_packed_and_small_is_read(caller: Caller, raw: RawServer, pack: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    # A call's id is the number of the request on its connection: a handshake, its older form, and the call.
    good = GOOD.replace(b"{id}", b"3").replace(b"fine", b"fine" * 200_000)
    raw.answer = Answer(pack(good), headers=(f"content-encoding: {encoding}",))
    assert (await caller.call(raw.address)).blob is not None


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
async def test_other_packings_are_refused(caller: Caller, raw: RawServer, encoding: str) -> None:
    raw.answer = Answer(GOOD, headers=(f"content-encoding: {encoding}",))
    kind, message, _ = await caller.failure(raw.address)
    assert kind == "mcp_lost"
    assert "the response has a content encoding that was not requested" in message


WIRES: dict[str, tuple[str, Callable[[], Wire]]] = {
    "anthropic": ("anthropic/claude-sonnet-5-5", lambda: AnthropicMessages({}, partial(AsyncAnthropic, api_key="k"))),
    "chat": ("openai-chat/any", lambda: OpenAIChat({})),
    "responses": ("openai/gpt-6-sol", lambda: OpenAIResponses({})),
}


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("kind", ["a body", "an endless line", "endless lines"])
async def test_a_bomb_of_a_model_server(raw: RawServer, packed: dict[str, Answer], name: str, kind: str) -> None:
    use, make = WIRES[name]
    model = ModelDefinition(use=use, base_url=f"http://127.0.0.1:{raw.port}/v1")
    prompt = Prompt(model=model, system="")
    answer = packed[kind]
    # An error's body is read at once, a stream line by line.
    status = "400 Bad Request" if kind == "a body" else "200 OK"
    raw.other = {"post": Answer(answer.body, status, answer.content_type, answer.headers)}
    wire = make()
    with measured():
        failed = await failure(wire, prompt)
    assert (failed.kind, failed.retryable) == ("model_unexpected", False)
    assert "has more than" in failed.message


async def failure(wire: Wire, prompt: Prompt) -> ModelFailure:
    try:
        async with asyncio.timeout(60):
            async for _ in wire.stream(wire.request(prompt, ()), prompt, "t1.s1"):
                pass
    except ModelFailed as failed:
        return failed.failure
    raise AssertionError("the answer was taken for good")
