"""Files of messages, of tools and of MCP servers, on their way to models: what each wire sends, and nothing internal."""

import base64
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.pictures import pdf, picture

pytestmark = [pytest.mark.server, pytest.mark.slow]

PNG = picture("PNG", (40, 20))
DATA = base64.b64encode(PNG).decode()
TOOLS = f'''
import base64
from temporalio import activity

@activity.defn
async def draw() -> bytes:
    """Draws a picture."""
    return base64.b64decode("{DATA}")
'''
#: An MCP server by hand: it answers each request on its own line.
SERVER = f'''
import json, sys

def result(name):
    if name == "initialize":
        return {{"protocolVersion": "2025-06-18", "capabilities": {{"tools": {{}}}},
                 "serverInfo": {{"name": "paint", "version": "1"}}}}
    if name == "tools/list":
        return {{"tools": [{{"name": "paint", "description": "Paints", "inputSchema": {{"type": "object"}}}}]}}
    if name == "tools/call":
        return {{"content": [{{"type": "text", "text": "Here it is"}},
                             {{"type": "image", "data": "{DATA}", "mimeType": "image/png"}}]}}
    return {{}}

for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        print(json.dumps({{"jsonrpc": "2.0", "id": asked["id"], "result": result(asked["method"])}}), flush=True)
'''
MODELS = """
  messages: {use: anthropic/claude-haiku-5-5, files: [image, document]}
  responses: {use: openai/gpt-6-sol, files: [image, document]}
  chat: {use: openai-chat/local, files: [image]}
  blind: {use: openai-chat/blind, files: []}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> AsyncIterator[Dev]:
    folder: Path = tmp_path_factory.mktemp("dev")
    (folder / "agents").mkdir()
    (folder / "tools.py").write_text(TOOLS)
    (folder / "server.py").write_text(SERVER)
    mcp = json.dumps({"name": "paint", "command": [sys.executable, str(folder / "server.py")]})
    for role in ("messages", "responses", "chat", "blind"):
        tools = f"[draw, mcp: {mcp}, client: {{name: snap, description: Takes a photo}}]"
        text = f"name: {role}\ninstructions: Look.\nmodels:{MODELS}model: {role}\ntools: {tools}\n"
        (folder / "agents" / f"{role}.yaml").write_text(text)
    environment = {
        "ANTHROPIC_BASE_URL": provider.url,
        "OPENAI_BASE_URL": provider.chat_url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "OPENAI_API_KEY": "sk-test-not-a-key",
    }
    running = Dev(folder, environment, ["--agents", str(folder / "agents"), "--tools", str(folder / "tools.py")])
    await running.start()
    yield running
    await running.stop()


async def ask(http: httpx2.AsyncClient, role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    made = await http.post("/v1/sessions", json={"agent": role})
    assert made.status_code == 201, made.text
    answer = await http.post(f"/v1/sessions/{made.json()['session_id']}/messages?wait=60", json={"parts": list(parts)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["turn"]["reason"] == "done", found["turn"]
    return found


def blocks(body: Any) -> list[dict[str, Any]]:
    """All objects in a body, from the outermost on."""
    if isinstance(body, list):
        return [one for item in body for one in blocks(item)]
    if not isinstance(body, dict):
        return []
    return [body, *(one for item in body.values() for one in blocks(item))]


@pytest.fixture(autouse=True)
def _fresh(provider: FakeProvider) -> None:
    provider.reset()


#: How each wire sends the picture.
PICTURES: dict[str, dict[str, Any]] = {
    "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
    "responses": {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"},
    "chat": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
}


def holds_picture(body: Any, role: str) -> bool:
    return any(PICTURES[role].items() <= block.items() for block in blocks(body))


@pytest.mark.parametrize("role", PICTURES)
async def test_a_picture_of_a_message_reaches_the_model(
    http: httpx2.AsyncClient, provider: FakeProvider, role: str
) -> None:
    provider.script(Reply(text="A cat."))
    await ask(http, role, {"type": "file", "uri": f"data:image/png;base64,{DATA}", "name": "cat.png"})
    assert holds_picture(provider.calls[-1].body, role)


@pytest.mark.parametrize("role", ["messages", "responses"])
async def test_a_document_reaches_the_model(http: httpx2.AsyncClient, provider: FakeProvider, role: str) -> None:
    provider.script(Reply(text="A report."))
    data = base64.b64encode(pdf(2)).decode()
    await ask(http, role, {"type": "file", "uri": f"data:application/pdf;base64,{data}", "name": "report.pdf"})
    assert data in json.dumps(provider.calls[-1].body)


@pytest.mark.parametrize("tool", ["draw", "paint_paint"])
@pytest.mark.parametrize("role", [*PICTURES, "blind"])
async def test_a_picture_of_a_tool_reaches_the_model(
    http: httpx2.AsyncClient, provider: FakeProvider, role: str, tool: str
) -> None:
    provider.script(Reply(text="", tools=((tool, {}),)), Reply(text="Drawn."))
    answer = await ask(http, role, {"type": "text", "text": "Draw"})
    body = provider.calls[-1].body
    sent = json.dumps(body)
    assert f"default/{answer['session_id']}" not in sent
    if role == "blind":
        assert f"image/png, {len(PNG)} bytes): this model cannot be shown it" in sent
        assert DATA not in sent
    else:
        assert holds_picture(body, role)
        assert f"image/png, {len(PNG)} bytes): shown beside this result" in sent


@pytest.mark.parametrize("shape", ["text", "object"])
async def test_a_picture_that_an_app_gives_as_a_result_is_a_file_like_any_other(
    http: httpx2.AsyncClient, provider: FakeProvider, shape: str
) -> None:
    provider.script(Reply(text="", tools=(("snap", {}),)), Reply(text="A cat."))
    session = (await http.post("/v1/sessions", json={"agent": "chat", "message": "Snap"})).json()["session_id"]
    url = f"/v1/sessions/{session}"
    async with http.stream("GET", f"{url}/events") as events:
        async for line in events.aiter_lines():
            if line == "event: input.requested":
                break
    question = (await http.get(url)).json()["questions"][0]["question_id"]
    data = f"data:image/png;base64,{DATA}"
    wrong = {"question_id": question, "result": {"photo": {"type": "image", "uri": "data:;base64,*"}}}
    assert (await http.post(f"{url}/answers", json=wrong)).status_code == 422
    given = data if shape == "text" else {"photo": {"type": "image", "uri": data, "name": "me.png"}}
    assert (await http.post(f"{url}/answers", json={"question_id": question, "result": given})).status_code == 202
    await provider.until(lambda calls: len(calls) == 2)
    assert holds_picture(provider.calls[-1].body, "chat")
    messages = (await http.get(url)).json()["messages"]
    output = next(part for one in messages for part in one["parts"] if part["type"] == "tool_result")["output"]
    file = output if shape == "text" else output["photo"]
    assert file.items() >= {"media_type": "image/png", "bytes": len(PNG)}.items()
    assert (await http.get(f"{url}/files/{file['uri'].rpartition('/')[2]}")).content == PNG


async def test_after_a_move_to_a_model_that_cannot_see_older_pictures_are_told_in_words(
    http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(Reply(text="A cat."), Reply(text="It was a cat."))
    part = {"type": "file", "uri": f"data:image/png;base64,{DATA}", "name": "cat.png"}
    session = (await ask(http, "messages", part))["session_id"]
    await http.patch(f"/v1/sessions/{session}", json={"model": "blind"})
    answer = await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": "What was it?"})
    assert answer.json()["turn"]["reason"] == "done"
    sent = json.dumps(provider.calls[-1].body)
    assert f"[file cat.png (image/png, {len(PNG)} bytes): this model cannot be shown it]" in sent
    # The door knows the model that was asked for, too.
    refused = await http.post(f"/v1/sessions/{session}/messages", json={"parts": [part]})
    assert (refused.status_code, refused.json()["code"]) == (422, "file_not_taken")
    assert "openai-chat/blind" in refused.json()["detail"]
