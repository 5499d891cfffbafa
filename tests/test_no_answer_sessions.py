"""What a session does about a server whose responses begin well and hold no answer, and what it costs."""

from collections.abc import AsyncIterator
from typing import Final

import httpx2
import pytest

from perdure.workflows.vocabulary import errors
from tests.support.body_server import JSON, Body, BodyServer, body_server
from tests.support.session_client import Sessions

pytestmark = [pytest.mark.server, pytest.mark.slow]

AGENT: Final = """
name: {name}
models: {{main: {{use: {use}/{name}, base_url: "{url}/v1", price: {{input: 3, output: 15}}}}}}
model: main
instructions: Be brief.
"""
USES: Final = {
    "page-a": "anthropic",
    **dict.fromkeys(("page-c", "empty", "key", "unknown", "lost"), "openai-chat"),
}
PAGE: Final = Body(b"<html>bad gateway</html>", "text/html")
KEY: Final = Body(b'{"code":40003,"msg":"invalid token"}', JSON)
#: Another error than any that is known, and an answer of which nothing but its beginning came.
UNKNOWN: Final = Body(b'{"error":{"message":"hiccup"}}', JSON)
BEGUN: Final = b'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


@pytest.fixture(scope="module")
def definitions(server: BodyServer) -> dict[str, str]:
    # Each has a model of its own, for one that fails again and again is not asked for a while.
    return {f"{name}.yaml": AGENT.format(name=name, use=use, url=server.url) for name, use in USES.items()}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"ANTHROPIC_API_KEY": "sk-test-not-a-key", "OPENAI_API_KEY": "sk-test-not-a-key"}


@pytest.mark.parametrize(
    ("agent", "body", "requests", "kind", "words"),
    [
        ("page-a", PAGE, 2, errors.MODEL_STREAM_TRUNCATED, "bad gateway"),
        ("page-c", PAGE, 2, errors.MODEL_STREAM_TRUNCATED, "bad gateway"),
        ("empty", Body(b""), 2, errors.MODEL_STREAM_TRUNCATED, "an empty response"),
        ("key", KEY, 1, errors.MODEL_AUTH, "does not accept a call without an API key"),
        ("unknown", UNKNOWN, 2, errors.MODEL_SERVER_ERROR, "hiccup"),
        ("lost", Body(BEGUN, broken=True), 4, errors.MODEL_CONNECTION, "dropped the connection"),
    ],
)
async def test_how_often_it_is_asked(
    http: httpx2.AsyncClient, server: BodyServer, agent: str, body: Body, requests: int, kind: str, words: str
) -> None:
    sessions = Sessions(http)
    before = len(server.requests)
    server.give(*[body] * requests)
    session = await sessions.create(agent, message="hello")
    async with sessions.view(session) as viewer:
        (turn,) = [frame.data for frame in await viewer.until("turn.finished") if frame.type == "turn.finished"]
    assert (turn["reason"], turn["error"]["type"]) == ("failed", kind)
    assert words in turn["error"]["message"]
    assert len(server.requests) == before + requests
