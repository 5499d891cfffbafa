"""Spans as a collector receives them over OTLP: the tree of a turn, also after a crash; and no spans by default."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import Sessions
from tests.support.span_collector import Collector, Seen, serving

ROOT = Path(__file__).parent.parent
AGENT = """
name: traced
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Keep the secret word hush.
tools: [look_up, refuse, dawdle]
"""
#: Agents for the trees of spans beyond a Python tool: MCP servers, a tool that asks a person, another agent.
OTHERS = {
    "served": f"""
name: served
models: {{main: {{use: anthropic/claude-sonnet-5-5}}}}
model: main
instructions: Look things up.
tools:
  - mcp:
      {{command: ["{sys.executable}", -m, tests.support.mcp_server], env: {{PYTHONPATH: "{ROOT}"}}, name: shop, allow: [add]}}
""",
    "reading": """
name: reading
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Look things up.
references: [handbook]
""",
    "asking": """
name: asking
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Ask before you look.
tools: [look_up: {approval: always}, agent: {name: traced, description: Looks up}]
""",
}
TOOLS = '''
import pathlib
import time

from opentelemetry import trace
from temporalio import activity
from temporalio.exceptions import ApplicationError


@activity.defn
def look_up(order: str) -> str:
    """Looks an order up."""
    with trace.get_tracer("shop").start_as_current_span("SELECT orders"):
        return "shipped hush"


@activity.defn
async def dawdle(until: str) -> str:
    """Blocks its loop until a file is there."""
    while not pathlib.Path(until).exists():
        time.sleep(0.02)
    return "done"


@activity.defn
async def refuse(reason: str) -> str:
    """Fails."""
    raise ApplicationError("hush", type="refused", non_retryable=True)
'''
LONG = Reply(text=" ".join(f"word{n}" for n in range(120)), gap=0.03)


@asynccontextmanager
async def traced_dev(folder: Path, provider: FakeProvider, url: str, **environment: str) -> AsyncIterator[Dev]:
    for name, agent in {"traced": AGENT, **OTHERS}.items():
        (folder / f"{name}.yaml").write_text(agent)
    (folder / "handbook").mkdir(exist_ok=True)
    (folder / "handbook" / "hours.md").write_text("Nine to five.")
    (folder / "shop.py").write_text(TOOLS)
    given = {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "PERDURE_OTEL": "on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        **environment,
    }
    dev = Dev(folder, given, ["--agents", str(folder), "--tools", str(folder / "shop.py")])
    await dev.start()
    try:
        yield dev
    finally:
        await dev.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def collector() -> Collector:
    return Collector()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(
    tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider, collector: Collector
) -> AsyncIterator[Dev]:
    """`perdure dev` that sends spans to `collector`."""
    async with (
        serving(collector) as url,
        traced_dev(tmp_path_factory.mktemp("traced"), provider, url) as running,
    ):
        yield running


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


@pytest.fixture(autouse=True)
def _fresh(provider: FakeProvider) -> None:
    provider.reset()


def shape(spans: list[Seen]) -> list[tuple[str, str]]:
    """(name, parent's name) of each span, in the order in which they began."""
    names = {span.id: span.name for span in spans}
    return [(span.name, names.get(span.parent, "")) for span in spans]


@pytest.mark.server
async def test_a_turn_is_a_tree_of_attempts_and_tools(
    sessions: Sessions, provider: FakeProvider, collector: Collector
) -> None:
    session = await sessions.create("traced")
    provider.script(
        Reply(status=529, error="overloaded_error"),
        Reply(text="", tools=(("look_up", {"order": "hush"}),), input_tokens=20, output_tokens=3),
        Reply(text="hush hush", input_tokens=40, cached_tokens=30, output_tokens=4),
    )

    await sessions.ask(session, "where is hush?")

    spans = await collector.turn(session, "t1")
    turn = "invoke_agent traced"
    chat = "chat claude-sonnet-5-5"
    assert shape(spans) == [
        (turn, ""),
        (chat, turn),
        (chat, turn),
        ("execute_tool look_up", turn),
        ("SELECT orders", "execute_tool look_up"),
        (chat, turn),
    ]
    assert [span.kind for span in spans] == ["INTERNAL", "CLIENT", "CLIENT", "INTERNAL", "INTERNAL", "CLIENT"]
    assert [span.failed for span in spans] == [False, True, False, False, False, False]
    assert {span.service for span in spans} == {"perdure"}
    whole = spans[0]
    assert all(whole.start <= span.start <= span.end <= whole.end for span in spans)
    of_turn = {"gen_ai.conversation.id": session, "perdure.tenant": "default", "perdure.turn_id": "t1"}
    of_model = {"gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-5-5"}
    told = await sessions.snapshot(session)
    assert whole.attributes == of_turn | of_model | {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "traced",
        "gen_ai.usage.input_tokens": told["usage"]["input_tokens"],
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0,
        "perdure.cost_usd": told["cost_usd"],
        "perdure.reason": "done",
    }
    of_chat = of_turn | of_model | {"gen_ai.operation.name": "chat", "gen_ai.request.stream": True}
    assert spans[1].attributes == of_chat | {
        "perdure.step_id": "t1.s1",
        "perdure.attempt": 1,
        "error.type": "model_overloaded",
    }
    last = dict(spans[5].attributes)
    assert last.pop("gen_ai.response.time_to_first_chunk") > 0
    assert last.pop("perdure.cost_usd") > 0
    assert last == of_chat | {
        "perdure.step_id": "t1.s2",
        "perdure.attempt": 1,
        "gen_ai.response.model": "claude-sonnet-5-5",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": told["usage"]["input_tokens"] - spans[2].attributes["gen_ai.usage.input_tokens"],
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0,
    }
    assert spans[2].attributes["perdure.attempt"] == 2
    assert spans[2].attributes["gen_ai.response.finish_reasons"] == ["tool_call"]
    assert spans[3].attributes == of_turn | {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look_up",
        "gen_ai.tool.call.id": "t1.s1.c1",
        "gen_ai.tool.type": "function",
        "perdure.attempt": 1,
    }
    assert b"hush" not in collector.raw


@pytest.mark.server
async def test_failures_have_their_types_and_no_words(
    sessions: Sessions, provider: FakeProvider, collector: Collector
) -> None:
    session = await sessions.create("traced")
    provider.script(
        Reply(text="", tools=(("refuse", {"reason": "hush"}),)),
        Reply(status=401, error="authentication_error", message="hush"),
    )

    await sessions.ask(session, "hush?")

    spans = await collector.turn(session, "t1")
    assert [(span.name, span.attributes.get("error.type")) for span in spans] == [
        ("invoke_agent traced", "model_auth"),
        ("chat claude-sonnet-5-5", None),
        ("execute_tool refuse", "refused"),
        ("chat claude-sonnet-5-5", "model_auth"),
    ]
    assert [span.failed for span in spans] == [True, False, True, True]
    assert spans[0].attributes["perdure.reason"] == "failed"
    assert b"hush" not in collector.raw


@pytest.mark.server
async def test_a_tool_that_held_up_others_is_told_with_the_line(
    dev: Dev, sessions: Sessions, provider: FakeProvider, collector: Collector, tmp_path: Path
) -> None:
    provider.script(Reply(text="", tools=(("dawdle", {"until": str(tmp_path / "go")}),)))
    session = await sessions.create("traced", message="dawdle")
    async with asyncio.timeout(60):
        while not any("tool.blocks" in line for line in dev.output):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.02)
    (tmp_path / "go").touch()

    spans = await collector.turn(session, "t1")
    told = next(span for span in spans if span.name == "execute_tool dawdle").events["tool.blocks"]
    assert told["perdure.seconds"] >= 1
    assert told["perdure.line"].partition("shop.py:")[2].isdecimal()
    shown = (await sessions.http.get(f"/v1/sessions/{session}/trace")).json()
    (call,) = shown["steps"][0]["tools"]
    assert call["blocked"] == {"seconds": told["perdure.seconds"], "line": told["perdure.line"]}
    async with sessions.view(session) as viewer:
        finished = (await viewer.until("turn.finished"))[-1]
        assert finished.type == "turn.finished"
        assert all("blocked" not in frame.data for frame in viewer.frames)


@pytest.mark.server
async def test_an_mcp_tool_has_its_name_and_its_listing_belongs_to_the_turn(
    sessions: Sessions, provider: FakeProvider, collector: Collector
) -> None:
    session = await sessions.create("served")
    provider.script(Reply(text="", tools=(("shop_add", {"a": 1, "b": 2}),)), Reply(text="3"))

    await sessions.ask(session, "1 + 2?")

    spans = await collector.turn(session, "t1")
    names = {name for name, _ in shape(spans)}
    assert {"invoke_agent served", "execute_tool shop_add", "chat claude-sonnet-5-5"} <= names
    assert not any("call_mcp_tool" in name for name in names)
    tool = next(span for span in spans if span.name == "execute_tool shop_add")
    assert (tool.attributes["gen_ai.tool.name"], tool.attributes["gen_ai.tool.type"]) == ("shop_add", "extension")
    assert tool.attributes["gen_ai.tool.call.id"] == "t1.s1.c1"
    # The SDK of MCP makes a span for each request.
    within = dict(shape(spans))
    assert within["MCP send tools/call add"] == "execute_tool shop_add"
    assert within["MCP send tools/list"] == "invoke_agent served"
    roots = {span.name for span in collector.spans if not span.parent}
    assert all(name.startswith("invoke_agent ") for name in roots)


@pytest.mark.server
async def test_a_tool_that_reads_documents_has_its_own_name(
    sessions: Sessions, provider: FakeProvider, collector: Collector
) -> None:
    session = await sessions.create("reading")
    provider.script(Reply(text="", tools=(("search_references", {"query": "nine"}),)), Reply(text="Nine."))

    await sessions.ask(session, "When do you open?")

    spans = await collector.turn(session, "t1")
    (tool,) = [span for span in spans if span.name.startswith("execute_tool")]
    assert (tool.name, tool.attributes["gen_ai.tool.name"]) == ("execute_tool search_references", "search_references")


CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def traceparent(number: int) -> dict[str, str]:
    return {"traceparent": f"00-{CALLER[0]}-{CALLER[1][:-1]}{number}-01"}


@pytest.mark.server
async def test_a_turn_is_linked_to_whoever_caused_it(
    sessions: Sessions, provider: FakeProvider, collector: Collector
) -> None:
    http = sessions.http
    provider.script(Reply(text="", tools=(("look_up", {"order": "a1"}),)), Reply(text="It is there."))
    made = await http.post("/v1/sessions", json={"agent": "asking", "message": "where?"}, headers=traceparent(1))
    session = made.json()["session_id"]
    async with sessions.view(session) as viewer:
        asked = next(one for one in await viewer.until("approval.requested") if one.type == "approval.requested")
        answer = {"question_id": asked.data["question_id"], "approved": True}
        await http.post(f"/v1/sessions/{session}/answers", json=answer, headers=traceparent(2))
        await viewer.until("turn.finished")
    await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": "thanks"}, headers=traceparent(3))
    await http.post(
        f"/v1/sessions/{session}/messages?wait=60", json={"text": "bye"}, headers={"traceparent": "00-zz-1-1"}
    )

    links = [
        next(span for span in await collector.turn(session, turn) if span.name == "invoke_agent asking").links
        for turn in ("t1", "t2", "t3")
    ]
    span_ids = [f"{CALLER[1][:-1]}{number}" for number in (1, 2, 3)]
    assert links == [((CALLER[0], span_ids[0]), (CALLER[0], span_ids[1])), ((CALLER[0], span_ids[2]),), ()]


@pytest.mark.server
async def test_a_sub_agent_s_turn_is_linked_to_the_turn_that_called_it(
    sessions: Sessions, provider: FakeProvider, collector: Collector
) -> None:
    session = await sessions.create("asking")
    provider.script(
        Reply(text="", tools=(("traced", {"message": "look"}),)), Reply(text="There."), Reply(text="There.")
    )

    await sessions.ask(session, "where?")

    caller = (await collector.turn(session, "t1"))[0]
    called = (await collector.turn(f"{session}~t1.s1.c1", "t1"))[0]
    assert called.links == ((caller.trace, caller.id),)


@pytest.mark.server
async def test_a_stopped_turn_is_no_failure(sessions: Sessions, provider: FakeProvider, collector: Collector) -> None:
    session = await sessions.create("traced")
    provider.script(LONG)
    async with sessions.view(session) as viewer:
        await sessions.send(session, "tell me")
        await viewer.until_streaming()
        await sessions.stop(session)
        await viewer.until("turn.finished")

    turn, chat = await collector.turn(session, "t1")
    assert (turn.attributes["perdure.reason"], turn.failed) == ("stopped", False)
    assert (chat.attributes["gen_ai.response.finish_reasons"], chat.failed) == (["stopped"], False)


@pytest.mark.slow
@pytest.mark.server
async def test_a_turn_that_outlives_its_process_is_one_trace_with_words_if_switched_on(
    tmp_path: Path, provider: FakeProvider
) -> None:
    collector = Collector()
    async with (
        serving(collector) as url,
        traced_dev(tmp_path, provider, url, PERDURE_OTEL_CONTENT="on", OTEL_SERVICE_NAME="shop") as dev,
        httpx2.AsyncClient(base_url=dev.url, timeout=30) as http,
    ):
        sessions = Sessions(http)
        session = await sessions.create("traced")
        call = Reply(text="", tools=(("look_up", {"order": "a1"}),))
        provider.script(call, LONG, Reply(text="It is there."))
        async with sessions.view(session) as viewer:
            await sessions.send(session, "where is a1?")
            await viewer.until("tool.finished")
            await viewer.until_streaming()
            await collector.until(lambda: any(span.name == "execute_tool look_up" for span in collector.spans))
            await dev.kill()
        await dev.start()
        async with sessions.view(session) as viewer:
            await viewer.until("turn.finished")
        spans = await collector.turn(session, "t1")

    assert sorted(shape(spans)) == [
        ("SELECT orders", "execute_tool look_up"),
        ("chat claude-sonnet-5-5", "invoke_agent traced"),
        ("chat claude-sonnet-5-5", "invoke_agent traced"),
        ("execute_tool look_up", "invoke_agent traced"),
        ("invoke_agent traced", ""),
    ]
    chats = [span.attributes for span in spans if span.name.startswith("chat")]
    assert [(chat["perdure.step_id"], chat["perdure.attempt"]) for chat in chats] == [("t1.s1", 1), ("t1.s2", 2)]
    assert {span.service for span in spans} == {"shop"}
    tool = next(span.attributes for span in spans if span.name == "execute_tool look_up")
    assert json.loads(tool["gen_ai.tool.call.arguments"]) == {"order": "a1"}
    assert json.loads(tool["gen_ai.tool.call.result"]) == "shipped hush"
    assert json.loads(chats[1]["gen_ai.system_instructions"])[0]["content"].strip() == "Keep the secret word hush."
    asked = json.loads(chats[1]["gen_ai.input.messages"])
    assert [message["role"] for message in asked] == ["user", "assistant", "tool"]
    assert asked[0]["parts"] == [{"type": "text", "content": "where is a1?"}]
    assert json.loads(chats[1]["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "It is there."}], "finish_reason": "stop"}
    ]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )


@pytest.mark.slow
def test_by_default_nothing_of_it_is_loaded() -> None:
    done = python(
        "import asyncio, sys\n"
        "from perdure.temporal.app.processes.processes import telemetry\n"
        "from perdure.temporal.settings import Settings\n"
        "async def main():\n"
        "    async with telemetry(Settings.load(), served=False) as (runtime, told):\n"
        "        assert told.tracing is None and told.exporter is None\n"
        "asyncio.run(main())\n"
        "names = ('opentelemetry.sdk', 'opentelemetry.exporter', 'perdure.temporal.telemetry.tracing')\n"
        "print([name for name in sys.modules if name.startswith(names)])\n"
        "from perdure.temporal.app.console.exit import leave\n"
        "leave(0)\n"
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


@pytest.mark.slow
def test_what_is_missing_is_named() -> None:
    done = python(
        "import sys\n"
        "sys.modules['opentelemetry.sdk.resources'] = None\n"
        "sys.argv = ['perdure', 'worker']\n"
        "from perdure.temporal.app.cli import main\n"
        "main()\n",
        PERDURE_OTEL="on",
    )
    assert done.returncode == 1
    assert "error: PERDURE_OTEL=on needs the extra: pip install 'perdure[otel]'" in done.stderr
