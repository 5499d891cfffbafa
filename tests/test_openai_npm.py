"""OpenAI's SDK for JavaScript, `openai` of npm, as a client of the gateway: what it begins, it resumes."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.ai_sdk_page import CLIENTS
from tests.support.dev import Dev
from tests.support.needs import missing
from tests.support.pictures import picture
from tests.support.programs import Obeying, running

pytestmark = [pytest.mark.server, pytest.mark.slow]

HEAD = "models: {main: {use: anthropic/claude-haiku-5-5}}\nmodel: main\ninstructions: Be brief.\n"
CLERK = f"""
name: clerk
{HEAD}
tools:
  - calculator: {{approval: always}}
  - client: {{name: pick, description: Picks, input: {{type: object}}}}
"""
FORM = {"type": "object", "properties": {"verdict": {"type": "string"}}, "required": ["verdict"]}
JUDGE = f"name: judge\n{HEAD}answer: {{schema: {json.dumps(FORM)}}}\n"
PNG = base64.b64encode(picture("PNG", (4, 4))).decode()
WORDS = " ".join(f"word{n}" for n in range(60))


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"clerk.yaml": CLERK, "judge.yaml": JUDGE}


class Client(Obeying):
    """The client's process."""

    async def call(self, path: str, *args: Any) -> Any:
        """What a method of the client gives."""
        told = await self.do("call", path=path, args=args)
        assert "error" not in told, told["error"]
        return told["result"]

    async def create(self, agent: str = "clerk", **body: Any) -> Any:
        return await self.call("responses.create", {"model": agent, **body})


@pytest_asyncio.fixture(loop_scope="session")
async def client(node: str, dev: Dev, provider: FakeProvider) -> AsyncIterator[Client]:
    if not (CLIENTS / "node_modules" / "openai").is_dir():
        missing("npm's openai (npm install --prefix tests/clients)")
    provider.reset()
    async with running(node, "--no-warnings", CLIENTS / "openai.mjs", f"{dev.url}/v1") as process:
        yield Client(process)


def joined(*reads: dict[str, Any]) -> dict[str, str]:
    """What was said of each item, over all connections."""
    said: dict[str, str] = {}
    for read in reads:
        for item, text in read["said"].items():
            said[item] = said.get(item, "") + text
    return said


async def kept(client: Client, id: str) -> dict[str, Any]:  # noqa: A002
    """The response without what the SDK adds."""
    found: dict[str, Any] = await client.call("responses.retrieve", id)
    return {name: value for name, value in found.items() if name != "output_text"}


async def test_drops_and_a_restart_in_mid_answer(client: Client, dev: Dev, provider: FakeProvider) -> None:
    """The restart loses the attempt: its item ends, and another one follows."""
    provider.script(
        Reply(text=WORDS, gap=0.02), Reply(text=WORDS, fault="stall", fault_after=30), Reply(text=WORDS, gap=0.01)
    )
    reads = [await client.do("read", body={"model": "clerk", "input": "Go on"}, most=7)]
    while reads[-1]["over"] is None:
        reads.append(await client.do("read", id=reads[0]["id"], after=reads[-1]["numbers"][-1], most=6))
    numbers = [number for read in reads for number in read["numbers"]]
    assert len(reads) > 3
    assert numbers == list(range(len(numbers)))
    assert list(joined(*reads).values()) == [WORDS]
    assert reads[-1]["over"] == await kept(client, reads[0]["id"])
    again = await client.do("accumulate", id=reads[0]["id"], after=9)
    assert again["result"]["output_text"] == WORDS

    before = reads[0]["id"]
    reads = [await client.do("read", body={"model": "clerk", "input": "Again", "previous_response_id": before}, most=8)]
    reading = asyncio.create_task(client.do("read", id=reads[0]["id"], after=reads[0]["numbers"][-1]))
    await provider.until(lambda calls: len(calls) == 2 and len(calls[-1].tokens) >= 30)
    await dev.stop()
    reads.append(await reading)
    # A response that has not come to its end never seems to have.
    assert (reads[-1]["broke"] is None) == (reads[-1]["over"] is not None)
    await dev.start()
    while reads[-1]["over"] is None:
        last = [number for read in reads for number in read["numbers"]][-1]
        reads.append(await client.do("read", id=reads[0]["id"], after=last, most=20))
        assert reads[-1]["broke"] is None
    numbers = [number for read in reads for number in read["numbers"]]
    assert all(one < other for one, other in pairwise(numbers))
    (message,) = reads[-1]["over"]["output"]
    assert message["content"][0]["text"] == joined(*reads)[message["id"]] == WORDS
    statuses = [status for read in reads for item, status in read["ended"] if item != message["id"]]
    assert statuses in ([], ["incomplete"])
    assert reads[-1]["over"] == await kept(client, reads[0]["id"])


async def test_a_conversation(client: Client, provider: FakeProvider) -> None:
    provider.script(
        Reply(text="Hello Ann"), Reply(text="A square."), Reply(text="Ann."), Reply(text='{"verdict":"guilty"}')
    )
    assert {"clerk", "judge"} <= {model["id"] for model in (await client.call("models.list"))["data"]}
    first = await client.create(input="I am Ann")
    assert (first["status"], first["output_text"]) == ("completed", "Hello Ann")
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
    said = [{"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, image]}]
    second = await client.create(input=said, previous_response_id=first["id"])
    assert (second["output_text"], second["conversation"]) == ("A square.", first["conversation"])
    assert [part["type"] for part in provider.calls[-1].body["messages"][-1]["content"]] == ["text", "image"]
    third = await client.create(input="Who am I?", conversation=first["conversation"]["id"])
    assert third["output_text"] == "Ann."
    late = await client.do(
        "call", path="responses.create", args=[{"model": "clerk", "input": "x", "previous_response_id": first["id"]}]
    )
    assert (late["error"]["status"], late["error"]["code"]) == (409, "id_conflict")
    form = {"type": "json_schema", "name": "verdict", "schema": FORM}
    judged = await client.call("responses.parse", {"model": "judge", "input": "Judge", "text": {"format": form}})
    assert json.loads(judged["output_text"]) == {"verdict": "guilty"}


async def test_what_an_agent_asks_and_what_is_cancelled(client: Client, provider: FakeProvider) -> None:
    sums = (("calculator", {"expression": "2+3"}),)
    provider.script(
        *(Reply(text="", tools=(("pick", {"of": 3}),)), Reply(text="", tools=sums), Reply(text="Five.")),
        Reply(text="one two three", fault="stall"),
    )
    asks = await client.create(input="Pick")
    (call,) = asks["output"]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "pick", '{"of":3}')
    given = {"type": "function_call_output", "call_id": call["call_id"], "output": '"red"'}
    asks = await client.create(input=[given], previous_response_id=asks["id"])
    (request,) = asks["output"]
    assert (request["type"], request["name"]) == ("mcp_approval_request", "calculator")
    given = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    done = await client.create(input=[given], previous_response_id=asks["id"])
    assert [item["type"] for item in done["output"]] == ["mcp_call", "message"]
    assert json.loads(done["output"][0]["output"])["result"] == "5"
    assert done["output_text"] == "Five."
    stalls = await client.create(input="On", previous_response_id=done["id"], background=True)
    assert stalls["status"] in ("queued", "in_progress")
    await provider.until(lambda calls: len(calls) == 4 and len(calls[-1].tokens) >= 2)
    cancelled = await client.call("responses.cancel", stalls["id"])
    assert cancelled["status"] == "cancelled"
    assert cancelled["output"][0]["content"][0]["text"].startswith("one")


async def test_a_program_that_knows_only_completions(client: Client, provider: FakeProvider) -> None:
    provider.script(Reply(text="Hello there."), Reply(text="Hello again."))
    messages = [{"role": "user", "content": "Hello"}]
    body = {"model": "clerk", "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    told = (await client.do("chunks", path="chat.completions.create", args=[body]))["result"]
    assert (
        "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in told if chunk["choices"]) == "Hello there."
    )
    assert (told[-1]["choices"], told[-1]["usage"]["completion_tokens"]) == ([], 5)
    whole = await client.call("chat.completions.create", {"model": "clerk", "messages": messages})
    assert whole["choices"][0]["message"]["content"] == "Hello again."
