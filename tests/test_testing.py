"""The test kit as its users have it: a pytest run of their own, in a folder outside of the repository."""

import subprocess
import sys
from pathlib import Path

import pytest

import perdure
from perdure.temporal.app.testing.transcript import (
    Line,
    Transcript,
    assistant,
    call,
    differences,
    failure,
    reasoning,
    result,
    user,
)
from perdure.workflows.vocabulary.parts import Message, Reasoning, Text, ToolCall, ToolResult
from tests.support.core import AT

pytestmark = pytest.mark.server

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
HEAD = "import asyncio, os, time, pytest\nfrom perdure.temporal.app.testing.kit import *\n"
AGENT = """\
name: adder
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Add for {{ who }}.
inputs: {who: {type: string, default: Ada}}
tools: [add, whose, here: {process: true}]
"""
TOOLS = '''\
import asyncio, os
from perdure import ToolContext
from temporalio import activity

@activity.defn
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b

@activity.defn
def whose(cart: str, who: ToolContext) -> str:
    """Says whose a cart is."""
    return f"{cart} {who.user}"

@activity.defn
async def here() -> str:
    """Where it runs."""
    return f"{os.getpid()} {id(asyncio.get_running_loop())}"
'''

GREEN = """
async def test_on_whose_behalf(perdure):
    perdure.model.says("", calls=[("whose", {"cart": "x"})])
    perdure.model.says("", calls=[("whose", {"cart": "y"})])
    perdure.model.says("Done.")
    session = await perdure.session("adder", user="ada", metadata={"plan": "pro"})
    tool = perdure.tool("whose", lambda cart: f"{cart} again")
    await session.say("Whose?")
    assert tool.calls == [{"cart": "x"}, {"cart": "y"}]
    assert [one.user for one in tool.contexts] == ["ada", "ada"]
    assert tool.contexts[0].idempotency_key.endswith("/t1.s1.c1")
    assert (await session.transcript()).count(result("whose", "x again")) == 1
    perdure.tool("whose", lambda cart, who: f"{cart} of {who.user}, {who.metadata['plan']}")
    perdure.model.says("", calls=[("whose", {"cart": "z"})])
    perdure.model.says("Done.")
    await session.say("And z?")
    assert result("whose", "z of ada, pro") in await session.transcript()

async def test_a_month(perdure):
    perdure.model.says("Let me see.", calls=[("add", {"a": 1, "b": 2})], reasoning="Hm.")
    perdure.model.says("3")
    perdure.model.says("Yes.")
    perdure.model.says("Bye.")
    session = await perdure.session("adder")
    began, clock = time.monotonic(), await perdure.now()
    assert (await session.say("1 + 2?")).text == "3"
    await perdure.later(days=30)
    turn = await session.say("Sure?")
    assert (turn.reason, turn.error) == ("done", None) and turn.cost_usd > 0
    await session.say("Thanks")
    assert (await perdure.now() - clock).days == 30
    assert time.monotonic() - began < 20
    assert await session.transcript() == [
        user("1 + 2?"), assistant(reasoning("Hm."), "Let me see.", call("add", a=1, b=2)), result("add", 3),
        assistant("3"), user("Sure?"), assistant("Yes."), user("Thanks"), assistant("Bye."),
    ]
    first, last = perdure.model.asked[0], perdure.model.asked[-1]
    assert (first.model, first.tools) == ("anthropic/claude-sonnet-5-5", ("add", "whose", "here"))
    assert first.system.strip() == "Add for Ada."
    assert len(last.transcript) == 7

@pytest.mark.parametrize(("at", "asked", "ran"), [
    ("step.started", 2, 1), ("step.streaming", 3, 1), ("step.finished", 3, 1), ("tool.started", 2, 1),
    ("tool.finished", 2, 2),
])
async def test_kill(perdure, at, asked, ran):
    tool = perdure.tool("add", lambda a, b: a * b)
    perdure.kill_worker(at=at)
    perdure.model.says(calls=[("add", {"a": 3, "b": 4})])
    perdure.model.says("12")
    session = await perdure.session("adder")
    turn = await session.say("3 * 4?")
    assert turn.reason == "done"
    assert [event.seq for event in await session.events()] == list(range(1, 11))
    assert (len(perdure.model.asked), tool.calls) == (asked, [{"a": 3, "b": 4}] * ran)
    assert await session.transcript() == [
        user("3 * 4?"), assistant(call("add", a=3, b=4)), result("add", 12), assistant("12")
    ]

@pytest.mark.parametrize("at", [None, "step.streaming", "step.finished", "tool.started", "tool.finished"])
async def test_continue_as_new(perdure, at):
    session = await perdure.session("adder", metadata={"k": 1}, continue_as_new_after=20)
    for n in range(4):
        if at and n > 1:
            perdure.kill_worker(at=at)
        perdure.model.says(calls=[("add", {"a": n, "b": 1})])
        perdure.model.says(str(n + 1))
        assert (await session.say(f"{n} + 1?")).text == str(n + 1)
    await perdure.later(days=3)
    await perdure.restart_worker()
    perdure.model.says("Bye.")
    assert (await session.say("Bye")).text == "Bye."
    assert len(await session.runs()) > 2
    events = await session.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len(perdure.model.asked[-1].transcript) == 4 * 4 + 1
    assert (await session.snapshot()).metadata == {"k": 1}
    with pytest.raises(ValueError, match="at least 20"):
        await perdure.session("adder", continue_as_new_after=1)

async def test_two_sessions_and_a_gate(perdure):
    gate = asyncio.Event()
    perdure.model.says("one", gate=gate)
    perdure.model.says("two")
    session, other = await perdure.session("adder", message="1"), await perdure.session("adder")
    await session.streamed("one")
    await other.send("2", "m2")
    await other.until("step.started")
    gate.set()
    assert ((await session.turn("first")).text, (await other.turn("m2")).text) == ("one", "two")

async def test_tools_share_the_loop_of_the_test(perdure):
    gate = asyncio.Event()
    async def add(a, b):
        await gate.wait()
        return a + b
    perdure.tool("add", add)
    perdure.model.says(calls=[("add", {"a": 1, "b": 2}), ("here", {})])
    perdure.model.says("done")
    session = await perdure.session("adder", message="go")
    await session.until("tool.finished")
    gate.set()
    await session.turn("first")
    assert (await session.transcript())[2:4] == [
        result("add", 3), result("here", f"{os.getpid()} {id(asyncio.get_running_loop())}")
    ]

async def test_failures_wait_for_nobody(perdure):
    perdure.model.fails(429, retry_after=300)
    perdure.model.fails(after="It")
    tool = perdure.tool("add", raises=ValueError("no"))
    perdure.model.says(calls=[("add", {"a": 1, "b": 1}), ("add", {"a": "one", "b": 1})])
    perdure.model.says("Sorry.")
    session = await perdure.session("adder", inputs={"who": "Bob"})
    clock = await perdure.now()
    turn = await session.say("1 + 1?")
    assert (await perdure.now() - clock).total_seconds() > 300
    assert [e.attempt for e in turn.events if e.type == "step.finished"] == [3, 1]
    assert len(tool.calls) == 3
    assert (await session.transcript())[2:4] == [failure("add", "ValueError"), failure("add", "invalid_arguments")]
    perdure.model.fails(401)
    turn = await session.say("Again?")
    assert (turn.reason, turn.error.type, turn.cost_usd) == ("failed", "model_auth", 0)

async def test_the_caller_of_a_turn_learns_how_it_ended(perdure):
    perdure.model.says("Once upon a", stop="max_tokens")
    session = await perdure.session("adder", inputs={"who": "Bob"})
    turn = await session.say("A story")
    assert (turn.text, turn.reason, turn.error.type) == ("Once upon a", "failed", "answer_cut")
    tool = perdure.tool("add", returns=2)
    perdure.model.says(calls=[("add", {"a": 1, "b": 1})], stop="max_tokens")
    perdure.model.says("")
    perdure.model.says("Two.")
    turn = await session.say("1 + 1?")
    assert (turn.text, turn.reason, turn.error, len(tool.calls)) == ("Two.", "done", None, 0)
    assert perdure.model.asked[-1].transcript[-1].role == "user"

async def test_stop_and_restart(perdure):
    perdure.model.hangs("Once upon")
    session = await perdure.session("adder")
    await session.send("A story")
    await session.streamed("Once")
    turn = await session.stop()
    assert (turn.reason, turn.text) == ("stopped", "Once upon")
    await perdure.restart_worker()
    perdure.model.says("ok")
    assert (await session.say("Go on")).text == "ok"
    assert (await session.transcript())[1] == assistant("Once upon", stopped=True)
    await session.close()
    with pytest.raises(LookupError, match="adder"):
        await perdure.session("nobody")
    with pytest.raises(LookupError, match="add"):
        perdure.tool("nothing", returns=1)
"""

RED = """
async def test_out(perdure):
    await (await perdure.session("adder")).say("hi")

async def test_left(perdure):
    perdure.model.says("hello")
    perdure.model.says("never said")
    await (await perdure.session("adder")).say("hi")

async def test_other(perdure):
    perdure.model.says("hello")
    session = await perdure.session("adder")
    await session.say("hi")
    assert await session.transcript() == [user("hi"), assistant("good day")]

async def test_no_kill(perdure):
    perdure.kill_worker(at="tool.started")
    perdure.model.says("hello")
    await (await perdure.session("adder")).say("hi")
"""


def run(folder: Path, tests: str, *arguments: str, agent: str = AGENT, tools: str = TOOLS) -> tuple[int, str]:
    """pytest on `tests` in a user's folder, with Perdure installed (here: on the path)."""
    (folder / "agents").mkdir()
    (folder / "agents" / "adder.yaml").write_text(agent)
    (folder / "tools.py").write_text(tools)
    (folder / "pytest.ini").write_text(INI)
    (folder / "test_adder.py").write_text(HEAD + tests)
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *arguments,
        ],
        cwd=folder,
        env={"PYTHONPATH": str(Path(perdure.__file__).parent.parent), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.slow
def test_a_user_s_tests(tmp_path: Path) -> None:
    code, output = run(tmp_path, GREEN)
    assert (code, "17 passed" in output) == (0, True), output


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    code, output = run(tmp_path, RED, "-vv")
    assert code == 1, output
    assert "the model's script has run out: call 1 (t1.s1) has no answer" in output
    assert "the model was never asked for 1 of its answers:" in output
    assert "says('never said', calls=[])" in output
    assert "  - assistant('good day')" in output
    assert "  + assistant('hello')" in output
    assert "the worker was to be killed at tool.started, and never came there" in output


def said(role: str, *parts: object, id: str = "m") -> Message:  # noqa: A002
    return Message.model_validate({"id": id, "role": role, "parts": parts, "at": AT})


def test_results_come_in_the_order_of_their_calls() -> None:
    calls = [ToolCall(call_id=f"t1.s1.c{n}", name="add", args={"n": n}) for n in (1, 2)]
    results = [ToolResult(call_id=f"t1.s1.c{n}", name="add", output=n) for n in (1, 2)]
    transcript = Transcript.of(
        [
            said("user", Text(text="hi")),
            said("assistant", Reasoning(text="hm"), *calls),
            said("tool", results[1], id="t1.s1.c2"),
            said("tool", results[0], id="t1.s1.c1"),
        ]
    )
    assert transcript == [
        user("hi"),
        assistant(reasoning("hm"), call("add", n=1), call("add", n=2)),
        result("add", 1),
        result("add", 2),
    ]


def test_what_is_printed_can_be_written() -> None:
    lines: list[Line] = [
        user("hi"),
        assistant("x", call("add", a=1), stopped=True),
        failure("add", "broken", "It broke."),
    ]
    assert eval(repr(Transcript(lines))) == lines  # noqa: S307
    assert repr(call("add", **{"a-b": 1})) == "Call('add', {'a-b': 1})"


def test_differences_show_what_is_missing_and_what_is_there() -> None:
    assert differences([user("a"), assistant("b")], [user("a"), user("x"), assistant("b")]) == [
        "the transcripts differ: 3 messages expected (-), 2 there (+)",
        "    user('a')",
        "  - user('x')",
        "    assistant('b')",
    ]
