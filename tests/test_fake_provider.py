import asyncio
import sys
import time
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.app.fakes.responses import encrypted
from perdure.temporal.app.fakes.rules import responses_complaint

ASK = {
    "model": "m",
    "max_tokens": 9,
    "stream": True,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}],
}

REASONING: dict[str, Any] = {
    "id": "rs_1_0",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Hm"}],
    "encrypted_content": encrypted("rs_1_0", "Hm"),
}
SPOKEN = {"id": "msg_1_1r", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "x"}


async def test_it_writes_down_when_each_token_left_and_stamps_it() -> None:
    async with FakeProvider() as fake, httpx2.AsyncClient() as client:
        fake.default(Reply(text="a b c", stamped=True, first_token=0.02, gap=0.01))
        begun = time.time()
        for path in ("messages", "chat/completions", "responses"):
            url = f"{fake.chat_url}/{path}"
            answer = await client.post(url, json=ASK)
            assert answer.headers["content-type"] == "text/event-stream"
        for call in fake.calls:
            assert len(call.tokens) == 3
            assert [abs(float(text) - at) < 0.05 for text, at in call.tokens] == [True] * 3
            times = [call.at, *(at for _, at in call.tokens)]
            assert times == sorted(times)
            assert times[0] >= begun
            assert times[-1] - times[0] >= 0.035
            assert call.whole


async def test_it_refuses_what_the_providers_refuse() -> None:
    async with FakeProvider() as fake, httpx2.AsyncClient() as client:
        call = {"type": "tool_use", "id": "a.b", "name": "f", "input": {}}
        body = ASK | {"messages": [*ASK["messages"], {"role": "assistant", "content": [call]}]}  # type: ignore[misc]
        assert (await client.post(f"{fake.url}/v1/messages", json=body)).status_code == 400
        body = {"model": "m", "messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}
        assert (await client.post(f"{fake.chat_url}/chat/completions", json=body)).status_code == 400
        body = {"model": "m", "input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}
        assert (await client.post(f"{fake.chat_url}/responses", json=body)).status_code == 400
        assert (await client.get(f"{fake.url}/v1/models")).status_code == 404


@pytest.mark.parametrize(
    "items",
    [
        [],
        [REASONING],
        [REASONING, {"role": "user", "content": []}],
        [REASONING | {"encrypted_content": "gAAAA-other"}, SPOKEN],
        [REASONING | {"summary": []}, SPOKEN],
        [REASONING | {"status": None}, SPOKEN],
        [REASONING | {"text": "hm"}, SPOKEN],
        [{key: REASONING[key] for key in ("id", "type", "summary")}, SPOKEN],
        [SPOKEN],
        [REASONING, SPOKEN, REASONING, SPOKEN],
        [CALL],
        [CALL, OUTPUT, OUTPUT],
        [CALL, OUTPUT, CALL, OUTPUT],
        [CALL | {"call_id": "a.b"}, OUTPUT | {"call_id": "a.b"}],
        [OUTPUT, CALL],
        [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}],
        [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}],
    ],
)
def test_what_openai_refuses_of_items(items: list[dict[str, Any]]) -> None:
    assert responses_complaint({"input": [REASONING, SPOKEN, CALL, OUTPUT]}) is None
    assert responses_complaint({"input": items}) is not None


@pytest.mark.parametrize("name", ["fin", "rst", "clean_end"])
async def test_it_goes_on_after_a_fault(name: str) -> None:
    async with FakeProvider() as fake, httpx2.AsyncClient() as client:
        fake.script(Reply(fault=name))  # type: ignore[arg-type]
        try:
            await client.post(f"{fake.url}/v1/messages", json=ASK)
        except httpx2.TransportError:
            assert name != "clean_end"
        assert b"message_stop" in (await client.post(f"{fake.url}/v1/messages", json=ASK)).content
        assert [(len(call.tokens), call.whole) for call in fake.calls] == [(2, False), (5, True)]


async def test_as_a_process_it_is_told_over_http() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perdure.temporal.app.fakes.provider", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with httpx2.AsyncClient() as client:
        await client.post(f"{url}/_default", json={"status": 529})
        await client.post(f"{url}/_script", json=[{"text": "hi", "tools": [["f", {}]]}])
        assert (await client.post(f"{url}/v1/messages", json=ASK)).status_code == 200
        assert (await client.post(f"{url}/v1/messages", json=ASK)).status_code == 529
        calls = (await client.get(f"{url}/_calls")).json()
        assert [call["whole"] for call in calls] == [True, False]
        assert calls[0]["body"] == ASK
        await client.delete(f"{url}/_calls")
        assert (await client.get(f"{url}/_calls")).json() == []
    process.terminate()
    await process.wait()
