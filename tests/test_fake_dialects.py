"""The fake provider in the dialects of many servers: what each refuses, in what words, and how a request finds it."""

import asyncio
import json
import sys
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.dialects import DIALECTS, PLAIN, dialect_asked, refusal_of
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.app.fakes.seals import CallIds, seal, sealed_by, wrapped

USER: dict[str, Any] = {"role": "user", "content": "x"}
CHATS = [name for name, dialect in DIALECTS.items() if dialect.api == "chat"]


def called(call_id: str, **members: Any) -> list[dict[str, Any]]:
    function = {"name": "f", "arguments": "{}"}
    call = {"id": call_id, "type": "function", "function": function, **members.pop("call", {})}
    asked = {"role": "assistant", "content": None, "tool_calls": [call], **members}
    return [USER, asked, {"role": "tool", "tool_call_id": call_id, "content": "y"}]


def words(name: str, messages: list[dict[str, Any]], **body: Any) -> str | None:
    refusal = refusal_of(DIALECTS[name], {"model": "m", "messages": messages, **body})
    return refusal.message if refusal else None


def test_a_server_knows_its_own_ids_and_seals() -> None:
    ids = CallIds("call_0{n}_ds{mark}{seen:03}{n}")
    made = ids.make("deepseek", "hm", 7, "f", 1)
    assert ids.owns(made)
    assert ids.led_by(made, "deepseek", "hm")
    assert not ids.led_by(made, "deepseek", "hmm")
    assert not ids.owns("call_1")
    assert sealed_by(f"{seal('kimi', 'a')} {wrapped(seal('gemini', 'b'))} ZmFrZSno") == {"kimi", "gemini"}


def test_no_id_could_be_of_two_servers() -> None:
    made = {
        name: dialect.manner.call_ids.make(name, "hm", 5, "find_order", 1)
        for name, dialect in DIALECTS.items()
        if dialect.manner.call_ids is not None
    }
    assert len(made) == len(DIALECTS)
    for name, call_id in made.items():
        owners = [other for other, one in DIALECTS.items() if one.manner.call_ids and one.manner.call_ids.owns(call_id)]
        assert owners == [name], call_id


@pytest.mark.parametrize("name", CHATS)
def test_an_id_that_another_server_made_is_refused(name: str) -> None:
    for other, dialect in DIALECTS.items():
        ids = dialect.manner.call_ids
        assert ids is not None
        refused = words(name, called(ids.make(other, "", 3, "f", 0), reasoning_content="."))
        assert (other in (refused or "")) is (other != name), refused


@pytest.mark.parametrize(
    ("name", "messages", "body", "said"),
    [
        (
            "deepseek",
            called("abc123def"),
            {},
            "The `reasoning_content` in the thinking mode must be passed back to the API.",
        ),
        ("deepseek", called("abc123def", reasoning_content=""), {}, "must be passed back"),
        ("deepseek", called("abc123def", reasoning_content=" "), {}, None),
        ("deepseek", called("abc123def"), {"thinking": {"type": "disabled"}}, None),
        ("kimi", called("abc123def"), {}, "reasoning_content is missing in assistant tool call message at index 1"),
        ("mistral", called("call_1"), {}, "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."),
        ("mistral", called("abc123def"), {}, None),
        ("mistral", [USER], {"stream_options": {}}, "Extra inputs are not permitted"),
        ("mistral", called("abc123def", reasoning_content="hm"), {}, "Extra inputs are not permitted"),
        ("xai", [USER], {"reasoning_effort": "low"}, "Model grok-4 does not support parameter reasoningEffort."),
        ("groq", called("abc123def", reasoning_content="hm"), {}, "property 'reasoning_content' is unsupported"),
        ("groq", called("abc123def", reasoning="hm"), {}, None),
        ("gemini-chat", called("abc123def"), {}, "Function call is missing a thought_signature"),
        ("gemini-chat", [*called("abc123def"), USER], {}, None),
        (
            "gemini-chat",
            called("a", call={"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}),
            {},
            None,
        ),
        (
            "gemini-chat",
            called("a", call={"extra_content": {"google": {"thought_signature": "made up"}}}),
            {},
            "Corrupted thought signature.",
        ),
        ("azure", [USER], {"max_tokens": 9}, "Use 'max_completion_tokens' instead."),
        ("azure", called("x" * 41), {}, "Expected a string with maximum length 40, but got a string with length 41"),
        ("openrouter", [{**USER, "content": seal("gemini-chat", "x")}], {}, "what only gemini-chat can read"),
    ],
)
def test_what_a_server_refuses_in_its_words(
    name: str, messages: list[dict[str, Any]], body: dict[str, Any], said: str | None
) -> None:
    told = words(name, messages, **body)
    assert told is None if said is None else said in (told or ""), told


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"thinking": {"type": "adaptive"}}, "adaptive thinking is not supported on this model"),
        ({"output_config": {"effort": "low"}}, "does not support the effort parameter"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "Expected `thinking` or `redacted_thinking`"),
        ({"tools": []}, "must define tools"),
        ({}, None),
    ],
)
def test_what_older_claudes_refuse(body: dict[str, Any], said: str | None) -> None:
    call = {"type": "tool_use", "id": "abc123def", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "abc123def", "content": "y"}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    tools = [{"name": "f", "description": "", "input_schema": {"type": "object"}}]
    refusal = refusal_of(DIALECTS["anthropic-older"], {"max_tokens": 9, "messages": messages, "tools": tools, **body})
    assert refusal is None if said is None else said in (refusal.message if refusal else ""), refusal


def test_a_request_finds_its_dialect() -> None:
    def found(path: str = "/v1/chat/completions", host: str = "127.0.0.1:80", model: str = "m", own: str = "") -> str:
        return dialect_asked("chat", path, host, model, own).name

    assert found("/deepseek/v1/chat/completions") == "deepseek"
    assert found(host="api.mistral.ai") == "mistral"
    assert found(model="fake-groq") == "groq"
    assert found(own="xai") == "xai"
    assert found("/kimi/v1/chat/completions", own="xai") == "kimi"
    assert (
        dialect_asked("responses", "/openai/v1/responses", "127.0.0.1:80", "m", "azure-responses").name
        == "azure-responses"
    )
    assert dialect_asked("anthropic", "/anthropic/v1/messages", "127.0.0.1:80", "m", "minimax").name == "minimax"
    assert dialect_asked("chat", "/anthropic/v1/chat/completions", "", "m", "") is PLAIN["chat"]
    assert dialect_asked("anthropic", "/anthropic/v1/messages", "api.deepseek.com", "m").name == "deepseek-anthropic"


@pytest.mark.parametrize("name", [name for name, dialect in DIALECTS.items() if dialect.failures])
async def test_every_server_refuses_a_bad_key_in_its_own_form(name: str) -> None:
    paths = {
        "anthropic": "/v1/messages",
        "chat": "/chat/completions",
        "responses": "/responses",
        "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    }
    dialect = DIALECTS[name]
    path = "/model/m/invoke-with-response-stream" if dialect.bedrock else paths[dialect.api]
    async with FakeProvider() as fake, httpx2.AsyncClient() as client:
        answer = await client.post(fake.at(name) + path, json={}, headers={"authorization": "Bearer bad-key"})
        assert answer.status_code == dialect.failures["bad_key"].status
        assert dialect.failures["bad_key"].message in json.dumps(answer.json(), ensure_ascii=False)
        assert fake.calls[0].refused == dialect.failures["bad_key"]


async def test_it_stands_in_for_the_hosts_that_it_knows() -> None:
    async with FakeProvider() as fake, httpx2.AsyncClient(proxy=fake.url) as client:
        answer = await client.post("http://api.x.ai/v1/chat/completions", json={"messages": [USER], "stop": "a"})
        assert answer.json()["error"] == "Model grok-4 does not support parameter stop."
        assert [call.dialect.name for call in fake.calls] == ["xai"]


async def test_the_event_stream_of_bedrock_is_what_its_sdk_reads() -> None:
    buffers = pytest.importorskip("botocore.eventstream")
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9}
    body |= {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}
    async with FakeProvider(dialect="bedrock") as fake, httpx2.AsyncClient() as client:
        fake.script(Reply(text="Hi you"), Reply(text="Hi you", fault="error_event"))
        url = f"{fake.url}/model/us.anthropic.claude/invoke-with-response-stream"
        answer, broken = [await client.post(url, json=body) for _ in range(2)]
        kinds = []
        for response in (answer, broken):
            buffer = buffers.EventStreamBuffer()
            buffer.add_data(response.content)
            headers = [message.headers for message in buffer]
            kinds.append([one.get(":event-type") or one.get(":exception-type") for one in headers])
        assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
        assert set(kinds[0]) == {"chunk"}
        assert kinds[1][-1] == "serviceUnavailableException"


async def test_as_a_process_it_can_be_one_server() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perdure.temporal.app.fakes.provider", "--dialect", "kimi"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with httpx2.AsyncClient() as client:
        await client.post(f"{url}/v1/chat/completions", json={"model": "m", "messages": [USER]})
        await client.post(f"{url}/v1/chat/completions", json={"model": "m", "messages": called("a")})
        calls = (await client.get(f"{url}/_calls")).json()
        assert [call["dialect"] for call in calls] == ["kimi", "kimi"]
        assert [bool(call["refused"]) for call in calls] == [False, True]
    process.terminate()
    await process.wait()
