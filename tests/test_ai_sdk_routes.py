"""The routes of the AI SDK over HTTP: what they take and refuse, and what they make of a session."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from perdure.gateway.http.sse import StreamMoved
from perdure.gateway.live.items import Item
from perdure.gateway.projections import ai_sdk_chunks
from perdure.gateway.routes.ai_sdk_turns import ChatTurns
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.ai_sdk_chat import chunks, messages, post, text, user
from tests.support.ai_sdk_story import Story
from tests.support.pictures import picture
from tests.support.session_client import told

pytestmark = pytest.mark.server

STALL = Reply(text="one two three four", fault="stall")
AGENTS = {
    "greeter": "inputs: {who: {type: string}}\ninstructions: Greet {{ who }}.",
    "boss": "instructions: Delegate.",
}
HEAD = "models: {main: {use: anthropic/claude-haiku-5-5}}\nmodel: main\n"
PNG = picture("PNG", (4, 4))


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {f"{name}.yaml": f"name: {name}\n{HEAD}{text}\n" for name, text in AGENTS.items()}


async def test_the_last_message_alone_is_enough_and_is_taken_once(
    http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.reset()
    provider.script(Reply(text="Hello."))
    first = await post(http, id="once", message=user("Hi"))
    again = await post(http, id="once", messages=[user("Hi")], trigger="submit-message")
    assert text(chunks(first)) == text(chunks(again)) == "Hello."
    assert chunks(first)[0]["messageId"] == chunks(again)[0]["messageId"] == "t1"
    assert told(await post(http, id="once", message=user("Something else"))) == (409, "id_conflict")
    assert [message["id"] for message in await messages(http, "once")] == ["u1", "t1"]
    assert first.headers["cache-control"] == "no-cache, no-transform"
    assert "content-encoding" not in first.headers


async def test_two_requests_begin_one_chat(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.reset()
    answers = await asyncio.gather(*(post(http, id="both", message=user(f"Hi {n}", f"u{n}")) for n in (1, 2)))
    assert {chunks(answer)[0]["messageId"] for answer in answers} == {"t1", "t2"}
    assert len(await messages(http, "both")) == 4


async def test_inputs_are_for_the_session_that_begins(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.reset()
    assert told(await post(http, "greeter", id="inputs", message=user("Hi"))) == (422, "validation")
    answer = await post(http, "greeter", id="inputs", message=user("Hi"), inputs={"who": "Ann"}, metadata={"from": "a"})
    assert chunks(answer)[-1]["finishReason"] == "stop"
    assert "Greet Ann." in json.dumps(provider.calls[-1].body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"id": "wrong"}, ""),
        ({"id": "wrong", "messages": [user("Hi")], "stream": True}, "stream"),
        ({"id": "a/b", "messages": [user("Hi")]}, "id"),
        ({"id": "wrong", "messages": [user("Hi", "no spaces, please")]}, "messages[0].id"),
        ({"id": "wrong", "messages": [user("x"), user(" ", "u2")]}, "messages[1].parts"),
        ({"id": "wrong", "message": user("Hi", "u1", {"type": "file", "url": "blob:x"})}, "message.parts[0].url"),
        ({"id": "wrong", "message": user("Hi", "u1", {"type": "data-timer", "data": 1})}, "message.parts[0].type"),
        ({"id": "wrong", "message": user("", "u1", {"type": "step-start"}, {"type": "file"})}, "message.parts[1].url"),
        ({"id": "wrong", "message": {**user("Hi"), "role": "system"}}, "message.role"),
        ({"id": "a~t1.s1.c1", "message": user("Hi")}, "id"),
    ],
)
async def test_what_is_wrong_is_named(http: httpx2.AsyncClient, body: dict[str, Any], field: str) -> None:
    answer = await post(http, **body)
    assert told(answer) == (422, "validation")
    assert [error["field"] for error in answer.json()["errors"]] in ([field], ["body"] if not field else [field])


async def test_a_chat_is_one_agents(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.reset()
    chunks(await post(http, id="mine", message=user("Hi")))
    assert told(await post(http, "boss", id="mine", message=user("Hi", "u2"))) == (404, "session_not_found")
    for operation in ("stream", "messages"):
        assert told(await http.get(f"/v1/ai-sdk/boss/mine/{operation}")) == (404, "session_not_found")
    assert told(await http.post("/v1/ai-sdk/boss/mine/stop")) == (404, "session_not_found")
    assert told(await post(http, "nobody", id="none", message=user("Hi"))) == (422, "validation")


async def test_a_chat_that_has_not_begun(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/v1/ai-sdk/assistant/unbegun/stream")).status_code == 204
    assert await messages(http, "unbegun") == []
    assert told(await http.post("/v1/ai-sdk/assistant/unbegun/stop")) == (404, "session_not_found")
    continues = {"id": "t1", "role": "assistant", "parts": []}
    assert told(await post(http, id="unbegun", messages=[user("Hi"), continues])) == (404, "session_not_found")
    # A session may be there before anybody has said anything.
    assert (await http.post("/v1/sessions", json={"agent": "assistant", "session_id": "silent"})).status_code == 201
    assert (await http.get("/v1/ai-sdk/assistant/silent/stream")).status_code == 204


async def test_only_the_answer_that_is_named_is_stopped(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.reset()
    provider.script(STALL)
    url = "/v1/ai-sdk/assistant"
    async with http.stream("POST", url, json={"id": "stopped", "message": user("Hi")}) as response:
        lines = response.aiter_lines()
        async for line in lines:
            if "one" in line:
                break
        for name in ("t7", "of another maker"):
            other = await http.post(f"{url}/stopped/stop", json={"activeStreamId": name})
            assert (other.status_code, other.json()) == (200, {"success": True})
        assert (await http.get("/v1/sessions/stopped")).json()["status"] == "working"
        named = {"assistantMessage": {"id": "t1", "role": "assistant", "parts": []}}
        assert (await http.post(f"{url}/stopped/stop", json=named)).json() == {"success": True}
        rest = [line.removeprefix("data: ") async for line in lines if line.startswith("data: ")]
    assert [json.loads(line)["type"] for line in rest[-4:-1]] == ["finish-step", "message-metadata", "abort"]
    assert rest[-1] == "[DONE]"


async def test_a_message_that_never_came_is_sent_by_an_edit_and_a_regeneration(
    http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    """As where the first request was lost on its way, and the page tries again."""
    provider.reset()
    first: dict[str, Any] = {"trigger": "regenerate-message", "messages": [user("Hi")]}
    assert chunks(await post(http, id="lost", **first))[0]["messageId"] == "t1"
    second: dict[str, Any] = {"messageId": "u2", "messages": [user("Hi"), user("And?", "u2")]}
    assert chunks(await post(http, id="lost", **second))[0]["messageId"] == "t2"
    assert [message["id"] for message in await messages(http, "lost")] == ["u1", "t1", "u2", "t2"]
    unknown: dict[str, Any] = {"trigger": "regenerate-message", "messageId": "t9"}
    assert chunks(await post(http, id="lost", messages=[user("And?", "u2")], **unknown))[0]["messageId"] == "t3"
    assistant = {"id": "t9", "role": "assistant", "parts": []}
    assert told(await post(http, id="lost", messages=[assistant], **unknown)) == (404, "message_not_found")
    assert told(await post(http, id="lost", messages=[{**assistant, "id": "x"}])) == (404, "message_not_found")


async def test_a_closed_chat_is_still_read(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.reset()
    provider.script(Reply(text="Hello."))
    chunks(await post(http, id="closed", message=user("Hi")))
    assert (await http.delete("/v1/sessions/closed")).is_success
    assert told(await post(http, id="closed", message=user("And?", "u2"))) == (409, "session_closed")
    assert text(chunks(await http.get("/v1/ai-sdk/assistant/closed/stream"))) == "Hello."
    assert [message["id"] for message in await messages(http, "closed")] == ["u1", "t1"]


async def test_a_fork_is_a_chat_with_the_same_past(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.reset()
    provider.script(*(Reply(text=f"Answer {number}.") for number in (1, 2, 3)))
    for number in (1, 2):
        chunks(await post(http, id="forked", message=user(f"Question {number}", f"u{number}")))
    fork = (await http.post("/v1/sessions/forked/fork", json={"turn_id": "t1"})).json()["session_id"]
    assert [message["id"] for message in await messages(http, fork)] == ["u1", "t1"]
    assert text(chunks(await http.get(f"/v1/ai-sdk/assistant/{fork}/stream"))) == "Answer 1."
    assert text(chunks(await post(http, id=fork, message=user("Question 3", "u3")))) == "Answer 3."
    assert [message["id"] for message in await messages(http, fork)] == ["u1", "t1", "u3", "t2"]


async def test_files_come_and_go(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    """As `data:` URIs, as uploads, and as the addresses under which the conversation was loaded."""
    provider.reset()
    uploaded = (await http.post("/v1/files?name=b.png", content=PNG)).json()["uri"]
    data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    files = [
        {"type": "file", "mediaType": "image/png", "filename": "a.png", "url": data},
        {"type": "file", "mediaType": "image/png", "url": uploaded},
    ]
    chunks(await post(http, id="files", message=user("Look", "u1", *files)))
    loaded = (await messages(http, "files"))[0]
    assert [part.get("filename") for part in loaded["parts"]] == ["a.png", "b.png", None]
    for part in loaded["parts"][:2]:
        assert (await http.get(part["url"])).content == PNG
    edited = {**loaded, "parts": [loaded["parts"][0], {"type": "text", "text": "Look again"}]}
    chunks(await post(http, id="files", messages=[edited], messageId="u1"))
    (image, _) = (await messages(http, "files"))[0]["parts"]
    assert (image["filename"], (await http.get(image["url"])).content) == ("a.png", PNG)
    assert str(provider.calls[-1].body).count("'type': 'image'") == 1


async def test_a_message_that_waits_is_loaded_and_its_answer_followed(
    http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.reset()
    provider.script(STALL, Reply(text="Second."))
    chat = {"id": "waits"}
    running = asyncio.create_task(post(http, **chat, message=user("Hi")))
    await provider.until(lambda calls: bool(calls) and len(calls[-1].tokens) >= 2)
    second = asyncio.create_task(post(http, **chat, message=user("And?", "u2")))
    async with asyncio.timeout(30):
        while [message["id"] for message in await messages(http, "waits")] != ["u1", "u2"]:
            pass
    await http.post("/v1/ai-sdk/assistant/waits/stop")
    assert chunks(await running)[-1] == {"type": "abort", "reason": "stopped"}
    assert text(chunks(await second)) == "Second."
    assert [message["id"] for message in await messages(http, "waits")] == ["u1", "t1", "u2", "t2"]


async def test_a_stream_that_breaks_is_no_whole_answer() -> None:
    """A body that ends well passes for one. So what breaks the source, as where a gateway stops, breaks the body."""

    async def items() -> AsyncGenerator[Item]:
        for value in Story().begin().step_begins().delta(0, 0, "one").items:
            yield Item(value)
        raise StreamMoved

    opened: Any = SimpleNamespace(session_id="broken")
    turns = ChatTurns(cast(Any, None), cast(Any, None), opened)
    seen: list[bytes] = []

    async def read() -> None:
        async for frame in turns.of(items()):
            seen.append(frame)

    with pytest.raises(StreamMoved):
        await read()
    assert (b'"delta":"one"' in seen[-1], ai_sdk_chunks.DONE in seen) == (True, False)


async def test_a_session_that_ends_without_an_answer_says_so() -> None:
    async def items() -> AsyncGenerator[Item]:
        for value in Story().begin().items:
            yield Item(value)

    opened: Any = SimpleNamespace(session_id="closed")
    turns = ChatTurns(cast(Any, None), cast(Any, None), opened)
    seen = [frame async for frame in turns.of(items())]
    assert (b'"type":"error"' in seen[-2], seen[-1]) == (True, ai_sdk_chunks.DONE)
