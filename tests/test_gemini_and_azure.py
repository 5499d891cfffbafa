"""Sessions whose models are Gemini and Azure, over all of Perdure: a tool loop, a picture, and what of it goes back."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.support.body_server import BodyServer, body_server
from tests.support.gemini_bodies import SIGNATURE, answer, call, thought
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

AGENT = """
name: {name}
models: {{main: {{use: {use}, price: {{input: 2, output: 12}}}}}}
model: main
instructions: Be brief.
tools: [current_time]
"""
USES = {"google": "gemini/gemini-3-pro", "microsoft": "azure/gpt-4o"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {f"{name}.yaml": AGENT.format(name=name, use=use) for name, use in USES.items()}


@pytest.fixture(scope="module")
def environment(server: BodyServer) -> dict[str, str]:
    return {
        "GEMINI_API_KEY": "gemini-key-1",
        "GOOGLE_GEMINI_BASE_URL": server.url,
        "AZURE_OPENAI_API_KEY": "azure-key-2",
        "AZURE_OPENAI_ENDPOINT": server.url,
    }


@pytest.fixture(autouse=True)
def _fresh(server: BodyServer) -> None:
    server.requests.clear()


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


async def test_a_tool_loop_of_gemini(sessions: Sessions, server: BodyServer) -> None:
    asked = call("current_time", {}, id="c-1", thoughtSignature=SIGNATURE)
    server.give(answer(thought("Let me look."), asked), answer({"text": "It is late."}))
    session = await sessions.create("google")
    told = await sessions.ask(session, "What time is it?")
    assert told["turn"]["reason"] == "done"
    assert texts(told["messages"])[-1] == ("assistant", "It is late.")
    first, second = (json.loads(request) for request in server.requests)
    assert len(first["contents"]) == 1
    model, result = second["contents"][1:]
    assert model == {"role": "model", "parts": [asked]}
    (response,) = (part["functionResponse"] for part in result["parts"])
    assert (response["id"], response["name"]) == ("c-1", "current_time")
    # Both answers: 120 in and 82 out.
    assert (await sessions.snapshot(session))["cost_usd"] == pytest.approx(2 * (120 * 2 + 82 * 12) / 1e6)


async def test_a_picture_of_gemini_is_a_file_of_the_session(sessions: Sessions, server: BodyServer) -> None:
    data = "iVBORw0KGgo="
    picture = {"inlineData": {"mimeType": "image/png", "data": data}, "thoughtSignature": SIGNATURE}
    server.give(answer({"text": "Here."}, picture), answer({"text": "A dot."}))
    session = await sessions.create("google")
    told = await sessions.ask(session, "Draw a dot.")
    (file,) = (part for part in told["messages"][-1]["parts"] if part["type"] == "file")
    assert (file["media_type"], file["name"]) == ("image/png", "image-1.png")
    assert "data:" not in json.dumps(told)
    await sessions.ask(session, "What is it?")
    again = json.loads(server.requests[1])
    assert again["contents"][1]["parts"] == [{"text": "Here."}, picture]


async def test_a_tool_loop_in_azure(sessions: Sessions, server: BodyServer) -> None:
    def ended(item: dict[str, Any]) -> bytes:
        response = {"status": "completed", "output": [item], "usage": {"input_tokens": 9, "output_tokens": 2}}
        return f"data: {json.dumps({'type': 'response.completed', 'response': response})}\n\n".encode()

    item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "current_time", "arguments": "{}"}
    said = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Late."}]}
    server.give(ended(item), ended(said))
    session = await sessions.create("microsoft")
    told = await sessions.ask(session, "What time is it?")
    assert (told["turn"]["reason"], texts(told["messages"])[-1]) == ("done", ("assistant", "Late."))
    sent = json.loads(server.requests[1])["input"]
    assert [one.get("type") for one in sent] == [None, "function_call", "function_call_output"]
    assert sent[1] == item
