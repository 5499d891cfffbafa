"""The real `@ag-ui/client` from npm, with its verifier, against a real gateway."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.ag_ui import verify
from tests.support.dev import Dev
from tests.support.needs import missing
from tests.support.session_client import Sessions

pytestmark = [pytest.mark.server, pytest.mark.slow]

CLIENTS = Path(__file__).parent / "clients"
DESK = """
name: desk
models: {main: {use: anthropic/claude-haiku-5-5}}
model: main
instructions: Be brief.
tools:
  - find_order
  - issue_refund: {approval: always}
  - client: {name: pick_date, description: Picks a date, output: {type: string}}
"""

BOSS = """
name: boss
models: {main: {use: anthropic/claude-haiku-5-5}}
model: main
instructions: Be brief.
tools: [agent: {name: desk, description: Helps}]
"""


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"desk.yaml": DESK, "boss.yaml": BOSS}


class Agent:
    """The client's process, for one thread. `do` gives what it has after an action."""

    def __init__(self, node: str, dev: Dev, *, agent: str = "desk") -> None:
        self.thread = f"thread-{uuid.uuid4().hex[:8]}"
        self._command = [node, str(CLIENTS / "ag_ui.mjs"), f"{dev.url}/v1/ag-ui/{agent}", self.thread]
        #: An answer streams.
        self.streams = asyncio.Event()

    async def do(self, *actions: dict[str, Any]) -> list[dict[str, Any]]:
        process = await asyncio.create_subprocess_exec(
            *self._command, *map(json.dumps, actions), stdout=asyncio.subprocess.PIPE, limit=2**24
        )
        assert process.stdout is not None
        found: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(60):
                async for line in process.stdout:
                    told = json.loads(line)
                    if "streams" in told:
                        self.streams.set()
                    else:
                        found.append(told)
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert len(found) == len(actions)
        for told in found:
            verify(told["events"], is_whole=told["failed"] is None)
        return found


@pytest.fixture
def agent(node: str, dev: Dev) -> Agent:
    if not (CLIENTS / "node_modules" / "@ag-ui" / "client").is_dir():
        missing("npm's @ag-ui/client (npm install --prefix tests/clients)")
    return Agent(node, dev)


def told(messages: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(message["role"], message.get("content", "")) for message in messages]


def well(*found: dict[str, Any]) -> None:
    """Nothing failed, and nothing was warned of."""
    for one in found:
        assert (one["failed"], one["warnings"]) == (None, [])


async def test_two_runs_of_a_thread(agent: Agent, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.default(Reply(text="Hello to you.", reasoning="A greeting."))
    first, second, again = await agent.do({"say": "hi"}, {"say": "again"}, {"connect": True})
    well(first, second, again)
    assert [one["events"][0]["runId"] for one in (first, second, again)] == ["run-1", "run-2", "run-2"]
    assert (first["outcome"], second["outcome"]) == ({"type": "success"}, {"type": "success"})
    turn = [("reasoning", "A greeting."), ("assistant", "Hello to you.")]
    assert told(second["messages"]) == [("user", "hi"), *turn, ("user", "again"), *turn]
    # Who comes again is told the same.
    assert again["messages"] == second["messages"]
    assert second["state"]["status"] == "idle"
    assert "MESSAGES_SNAPSHOT" not in [event["type"] for event in (*first["events"], *second["events"])]
    snapshot = await Sessions(http).snapshot(agent.thread)
    assert snapshot["agent"] == "desk"


@pytest.mark.parametrize("approved", [True, False])
async def test_an_interrupt_is_resumed(agent: Agent, provider: FakeProvider, approved: bool) -> None:
    refund = {"order_id": "A-1001", "amount": 20}
    provider.script(
        Reply(tools=(("issue_refund", refund), ("find_order", {"order_id": "A-1001"}))), Reply(text="Seen to.")
    )
    entry = {"interruptId": "t1.s1.c1.approval", "status": "resolved", "payload": {"approved": approved}}
    first, second, again = await agent.do({"say": "money back"}, {"resume": [entry]}, {"connect": True})
    well(first, second, again)
    assert first["outcome"]["type"] == "interrupt"
    assert [(one["id"], one["toolCallId"]) for one in first["interrupts"]] == [("t1.s1.c1.approval", "t1.s1.c1")]
    # The other call has its result by then.
    assert [role for role, _ in told(first["messages"])] == ["user", "assistant", "tool"]
    assert (second["outcome"], second["interrupts"]) == ({"type": "success"}, [])
    assert [role for role, _ in told(second["messages"])] == ["user", "assistant", "tool", "tool", "assistant"]
    results = [event for event in second["events"] if event["type"] == "TOOL_CALL_RESULT"]
    assert [event["toolCallId"] for event in results] == ["t1.s1.c1"]
    assert again["events"][0]["runId"] == "run-2"
    assert ("declined" in results[0]["content"] or "denied" in results[0]["content"]) is not approved
    assert again["messages"] == second["messages"]


async def test_a_tool_of_the_clients(agent: Agent, provider: FakeProvider) -> None:
    provider.script(Reply(tools=(("pick_date", {}),)), Reply(text="On that day."))
    tools = ["pick_date", "fly"]
    result = {"toolCallId": "t1.s1.c1", "content": "2026-05-01"}
    first, second = await agent.do({"say": "when?", "tools": tools}, {"result": result, "tools": tools})
    well(first, second)
    assert first["outcome"] == {"type": "success", "pendingToolCallIds": ["t1.s1.c1"]}
    ignored = [event["value"] for event in first["events"] if event.get("name") == "ignored"]
    assert ignored == [{"tools": ["fly"]}]
    assert second["outcome"] == {"type": "success"}
    assert told(second["messages"])[-2:] == [("tool", "2026-05-01"), ("assistant", "On that day.")]


async def test_an_attempt_that_broke_is_taken_back(agent: Agent, provider: FakeProvider) -> None:
    broken = Reply(text="Words that are given up.", reasoning="Once.", gap=0.05, fault="fin", fault_after=4)
    provider.script(broken, Reply(text="Other words.", reasoning="Again."))
    found, again = await agent.do({"say": "hi"}, {"connect": True})
    well(found, again)
    assert told(found["messages"]) == [("user", "hi"), ("reasoning", "Again."), ("assistant", "Other words.")]
    assert again["messages"] == found["messages"]


async def test_a_turn_that_fails(agent: Agent, provider: FakeProvider) -> None:
    provider.script(Reply(status=400, error="invalid_request_error", message="no"))
    found, again = await agent.do({"say": "hi"}, {"connect": True})
    for one in (found, again):
        assert one["events"][-1]["type"] == "RUN_ERROR"
        assert one["warnings"] == []


async def test_a_sub_agent_that_asks(node: str, dev: Dev, agent: Agent, provider: FakeProvider) -> None:
    boss = Agent(node, dev, agent="boss")
    provider.script(
        Reply(tools=(("desk", {"message": "Give the money back"}),)),
        Reply(tools=(("issue_refund", {"order_id": "A-1001", "amount": 20}),)),
        Reply(text="Given."),
        Reply(text="All done."),
    )
    below = f"{boss.thread}~t1.s1.c1"
    entry = {"interruptId": f"{below}/t1.s1.c1.approval", "status": "resolved", "payload": {"approved": True}}
    first, second = await boss.do({"say": "money back"}, {"resume": [entry]})
    well(first, second)
    assert [one["id"] for one in first["interrupts"]] == [entry["interruptId"]]
    assert second["outcome"] == {"type": "success"}
    assert told(second["messages"])[-1] == ("assistant", "All done.")
    agents = [event for one in (first, second) for event in one["events"] if event["type"].startswith("SUBAGENT")]
    assert [event["type"] for event in agents] == ["SUBAGENT_STARTED", "SUBAGENT_FINISHED"] * 2
    assert {event["subagentRunId"] for event in agents} == {below}


async def test_a_turn_that_is_stopped(agent: Agent, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.default(Reply(text="A long answer, a word at a time, " * 40, gap=0.05))
    doing = asyncio.create_task(agent.do({"say": "tell me"}))
    async with asyncio.timeout(60):
        await agent.streams.wait()
    await Sessions(http).stop(agent.thread)
    (found,) = await doing
    well(found)
    assert found["outcome"] == {"type": "cancelled"}
    assert found["messages"][-1]["content"].startswith("A long ")


@pytest.mark.parametrize("drop", [1, 4, 9])
async def test_a_connection_that_drops(agent: Agent, provider: FakeProvider, drop: int) -> None:
    text = "An answer of some length, which outlasts its first connection by far, a word at a time."
    provider.default(Reply(text=text, reasoning="So it goes on and on.", gap=0.08))
    first, again = await agent.do({"say": "tell me", "drop": drop}, {"connect": True})
    assert "network error" in first["failed"]
    well(again)
    assert again["events"][0]["runId"] == "run-1"
    assert told(again["messages"]) == [("user", "tell me"), ("reasoning", "So it goes on and on."), ("assistant", text)]
    assert again["outcome"] == {"type": "success"}
