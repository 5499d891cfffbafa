"""Records the golden histories that `test_replay.py` replays: `python -m tests.golden.record`.

It runs small sessions on the real dev server with all payloads inline, and writes only the files that are missing: a
history that a released version has made must replay for ever, so it is never recorded anew.
"""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from perdure.activities.models.failures import ModelFailure
from perdure.temporal.app.console.exit import leave
from perdure.temporal.app.dev_server.server import NAMESPACE, DevServer
from perdure.temporal.app.processes.assembly import make_worker
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.budgets import Budgets
from perdure.temporal.sessions.fork import fork as fork_session
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import ForkSession
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.settings import Settings
from perdure.temporal.stores.codec import data_converter
from perdure.workflows.definition.agent import Caps, Limits, PurseLimits, TurnLimits
from perdure.workflows.definition.schedules import Schedule
from perdure.workflows.protocol.activities import TASK_QUEUE, Delivery
from perdure.workflows.protocol.purses import PurseName
from perdure.workflows.protocol.sealing import PartRequest
from perdure.workflows.protocol.signals import BEHAVIOR, EditMessage, Retry, Trigger, WithdrawMessage
from perdure.workflows.scheduled import DeliverMessage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.ids import ask_id
from perdure.workflows.vocabulary.parts import Text
from tests.support.mcp_running import http_server
from tests.support.remote_worker import bad_stock, find_stock
from tests.support.session_lab import Lab, Play, Talk, ends, kinds, message, open_lab
from tests.support.tool_lab import AGENTS as SHOP_AGENTS
from tests.support.tool_lab import REMOTE_AGENTS, SHOP, begin, end, turn
from tests.support.tool_shop import written
from tests.support.versions import UNVERSIONED, make_current

GOLDEN: Final = Path(__file__).parent / "sessions"
#: Of what is no session, so `perdure replay` leaves it out.
DELIVERIES: Final = Path(__file__).parent / "deliveries"
LEDGERS: Final = Path(__file__).parent / "ledgers"


async def plain(lab: Lab) -> Talk:
    talk = await lab.start(first="hello")
    await talk.until(ends)
    await talk.turn("and again")
    return talk


async def tools(lab: Lab) -> Talk:
    talk = await lab.start("staged")
    calls: list[tuple[str, dict[str, Any]]] = [("add", {"a": 1, "b": 2}), ("refuse", {"reason": "no"}), ("none", {})]
    lab.stage.plays = [Play("Let me see.", calls), Play("Three.")]
    await talk.turn("what is 1 + 2?")
    return talk


async def stop(lab: Lab) -> Talk:
    """In an answer, with a message that waits, and while a tool runs."""
    talk = await lab.start("staged")
    lab.stage.plays = [Play("Once upon", gate=asyncio.Event()), Play("", [("hang", {"name": "x"})])]
    await talk.send("a story")
    await talk.streamed("Once upon")
    await talk.send("use your tool")
    await talk.stop()
    await talk.until(lambda events: "tool.started" in kinds(events))
    await talk.stop()
    await talk.until(lambda events: ends(events, 2))
    await talk.turn("go on")
    return talk


async def failure(lab: Lab) -> Talk:
    """A model that fails for a time, then for good; a budget; a definition that is missing."""
    talk = await lab.start("staged")
    busy = ModelFailure(kind="model_overloaded", message="The provider is overloaded.", provider="demo", retryable=True)
    final = ModelFailure(kind="model_auth", message="The key is not valid.", provider="demo")
    lab.stage.plays = [Play("Onc", error=busy), Play("Once upon a time."), Play(error=final)]
    await talk.turn("a story")
    await talk.turn("another one")
    await talk.configure(limits=Limits(turn=TurnLimits(cost_usd=0)))
    await talk.turn("and another one")
    await talk.turn("with another definition", digest="0" * 64)
    return talk


async def configure(lab: Lab) -> Talk:
    """Another model, another definition, and signals that change nothing."""
    talk = await lab.start("staged")
    await talk.turn("hi")
    await talk.configure(model="other", metadata={"k": 1})
    await talk.turn("hi")
    known = lab.parts.definitions.current("plain")
    assert known is not None
    await talk.turn("hello", digest=known.digest)
    await lab.client.get_workflow_handle(talk.handle.id).signal("stop", args=[])
    await talk.send("other words", "m1")
    await talk.until(lambda events: "message.rejected" in kinds(events))
    return talk


async def continue_as_new(lab: Lab) -> Talk:
    talk = await lab.start("staged", continue_as_new_after=50)
    for number in range(4):
        lab.stage.plays = [Play("", [("add", {"a": number, "b": 1})]), Play("done")]
        await talk.turn(f"turn {number}")
    await asyncio.gather(*(talk.send(f"burst {number}") for number in range(3)))
    await talk.until(lambda events: ends(events, 7))
    return talk


async def close(lab: Lab) -> Talk:
    """In an answer, with a message that waits, after so many events that a short last run follows."""
    talk = await lab.start("staged")
    for _ in range(5):
        await talk.turn("hi")
    lab.stage.plays = [Play("Once upon", gate=asyncio.Event())]
    await talk.send("a story")
    await talk.streamed("Once upon")
    await talk.send("too late")
    await talk.close()
    await talk.handle.result()
    return talk


async def fork(lab: Lab) -> Talk:
    """From before a turn, with another text and another model, and on from there."""
    source = await lab.start("staged")
    lab.stage.plays = [Play("", [("add", {"a": 1, "b": 2})]), Play("Three.")]
    await source.turn("what is 1 + 2?")
    await source.turn("thanks")
    made = await fork_session(
        Backend(lab.client, lab.parts.settings),
        lab.parts.blobs,
        Sealed(lab.parts.blobs),
        lab.parts.definitions,
        Principal.trusted("lab"),
        source.handle.id.partition("/")[2],
        ForkSession(turn_id="t2", model="other", text="and 2 + 3?"),
        continue_as_new_after=50,
    )
    talk = Talk(lab, lab.client.get_workflow_handle_for(SessionWorkflow.run, made.workflow_id))
    await talk.until(lambda events: ends(events, 2))
    for number in range(3):
        # An id of its own: the fork knows those of the past.
        await talk.turn(f"turn {number}", message_id=f"f{number}")
    return talk


async def close_at_rest(lab: Lab) -> Talk:
    """Begun by the signal of its first message, told to stop where nothing runs, and closed."""
    talk = await lab.start("staged", signal=message("hello", "m0"))
    await talk.until(ends)
    await talk.stop()
    await talk.stop("t1")
    await talk.close()
    await talk.handle.result()
    return talk


async def limits(lab: Lab) -> Talk:
    """Of steps: reached, then raised."""
    talk = await lab.start("short")
    call = Play("", [("add", {"a": 1, "b": 2})])
    lab.stage.plays = [call, call, call, call, Play("Three.")]
    await talk.turn("add")
    await talk.configure(limits=Limits(turn=TurnLimits(steps=5)))
    await talk.turn("add on")
    return talk


async def unavailable(lab: Lab) -> Talk:
    """A definition that is missing from the beginning, then there, then one whose instructions cannot be rendered."""
    talk = await lab.start("staged", digest="0" * 64, first="hello")
    await talk.until(ends)
    for name in ("staged", "broken", "staged"):
        known = lab.parts.definitions.current(name)
        assert known is not None
        await talk.turn(f"with {name}", digest=known.digest)
    return talk


async def folded(lab: Lab) -> Talk:
    """An answer, arguments and results that are too big for a history."""
    talk = await lab.start("staged")
    long = "x" * 100_000
    lab.stage.plays = [Play(long, [("book", {"size": 100_000}), ("refuse", {"reason": long})]), Play(long)]
    await talk.turn("a long story")
    await talk.turn("and again")
    return talk


async def worker_restart(lab: Lab) -> Talk:
    """In an answer. As a version of its own, for the other worker of these scenes must not take over."""
    settings = _version(lab, "b1")
    async with open_lab(lab.client, settings.data_dir / "versions", settings) as first:
        await make_current(lab.client, _DEPLOYMENT, "b1")
        first.stage.plays = [Play("Once", gate=asyncio.Event())]
        talk = await first.start("staged")
        await talk.send("a story")
        await talk.streamed("Once")
    async with open_lab(lab.client, settings.data_dir / "versions", settings) as second:
        talk.lab = second
        second.stage.plays = [Play("Once upon a time.")]
        await talk.until(ends)
        await make_current(lab.client, _DEPLOYMENT, UNVERSIONED)
    return talk


async def other_version(lab: Lab) -> Talk:
    """Pinned to a build, then to the next one, which has other tools: it moves in mid-turn and loads them."""
    folder = lab.parts.settings.data_dir / "versions"
    async with open_lab(lab.client, folder, _version(lab, "b1")) as old:
        await make_current(lab.client, _DEPLOYMENT, "b1")
        old.stage.plays = [Play("", [("add", {"a": 1, "b": 2})]), Play("Three."), Play("Once", gate=asyncio.Event())]
        talk = await old.start("staged")
        await talk.turn("what is 1 + 2?")
        await talk.send("a story")
        await talk.streamed("Once")
        tools = folder / "other_tools.py"
        tools.write_text(_OTHER_TOOLS)
        catalogue = load_catalogue((str(tools),))
        parts = replace(old.parts, settings=_version(lab, "b2"), catalogue=catalogue)
        async with make_worker(lab.client, old.live, parts):
            await make_current(lab.client, _DEPLOYMENT, "b2")
            old.stage.plays = [Play("", [("add", {"a": 1, "b": 2})]), Play("Three.")]
            await talk.stop()
            await talk.until(lambda events: ends(events, 2))
            await talk.turn("what is 1 + 2 now?")
            await talk.turn("thanks")
            await make_current(lab.client, _DEPLOYMENT, UNVERSIONED)
    return talk


def _version(lab: Lab, build: str) -> Settings:
    return lab.parts.settings.model_copy(update={"deployment_name": _DEPLOYMENT, "build_id": build})


_DEPLOYMENT: Final = "golden"
_OTHER_TOOLS: Final = '''
from temporalio import activity

from tests.support.tools import book, hang, refuse

@activity.defn
async def add(a: int, b: int, c: int = 0) -> int:
    """Adds up to three numbers."""
    return a + b + c
'''


async def sub_agent(lab: Lab) -> Talk:
    """One that answers, one that fails, and one that is stopped in mid-answer."""
    talk = await lab.start("boss")
    ask: Play = Play("", [("helper", {"message": "Count."})])
    final = ModelFailure(kind="model_auth", message="The key is not valid.", provider="demo")
    lab.stage.plays = [ask, Play("One, two."), Play("It counted.")]
    await talk.turn("let it count")
    lab.stage.plays = [ask, Play(error=final), Play("It failed.")]
    await talk.turn("again")
    lab.stage.plays = [ask, Play("One", gate=asyncio.Event())]
    await talk.send("and again")
    await talk.child("t3.s1.c1").streamed("One")
    await talk.stop()
    await talk.until(lambda events: ends(events, 3))
    return talk


async def handoff(lab: Lab) -> Talk:
    """To an agent that lacks an input, to it with all that it wants, and back."""
    talk = await lab.start("boss")
    lab.stage.plays = [
        Play("", [("expert", {"message": "Help."})]),
        Play("", [("expert", {"message": "Help.", "level": "high"}), ("add", {"a": 1, "b": 2})]),
        Play("I help."),
    ]
    await talk.turn("an expert, please")
    lab.stage.plays = [Play("", [("boss", {"message": "Done."})]), Play("Back.")]
    await talk.turn("thanks")
    return talk


async def timer(lab: Lab) -> Talk:
    """Two, the first of which fires; a turn comes in between, and starts the wait anew."""
    talk = await lab.start("helper")
    wake: list[tuple[str, dict[str, Any]]] = [
        ("wake_me", {"after": "2s", "note": "look"}),
        ("wake_me", {"after": "30d", "note": "look again"}),
    ]
    lab.stage.plays = [Play("", wake), Play("I will look.")]
    await talk.turn("look in a moment")
    await talk.turn("thanks")
    await talk.until(lambda events: "timer.fired" in kinds(events) and ends(events, 3))
    return talk


async def timer_renews(lab: Lab) -> Talk:
    """By then, its agent has another definition."""
    before = lab.parts.definitions.current("helper")
    assert before is not None
    talk = await lab.start("plain", digest=before.digest)
    lab.stage.plays = [Play("", [("wake_me", {"after": "2s", "note": "look"})]), Play("I will look.")]
    await talk.turn("look in a moment")
    await talk.until(lambda events: "agent.updated" in kinds(events) and ends(events, 2))
    return talk


async def approval(lab: Lab) -> Talk:
    """Allowed with other arguments, denied, answered before it expires; and one that is taken back."""
    talk = await lab.start("asking")
    add = ("add", {"a": 1, "b": 2})
    await begin(talk, add, add, ("rescue", {"kinds": []}), done="approval.requested")
    await talk.answer("t1.s1.c1.approval", args={"a": 5, "b": 5}, remember=True)
    await talk.answer("t1.s1.c3.approval")
    await talk.answer("t1.s1.c2.approval", approved=False, reason="no")
    await end(talk)
    await turn(talk, add)
    await begin(talk, ("rescue", {"kinds": []}), done="approval.requested")
    await talk.stop()
    await end(talk, 3)
    return talk


async def client_tool(lab: Lab) -> Talk:
    talk = await lab.start("asking")
    await begin(talk, ("pick", {"prompt": "When?"}), ("hurry", {}), done="input.requested")
    await talk.answer("t1.s1.c1.input", result="2026-03-06")
    await talk.answer("t1.s1.c2.input", approved=False)
    await end(talk)
    return talk


async def once_unknown(lab: Lab) -> Talk:
    """Told to the model, asked of a person, and the end of the turn."""
    talk = await lab.start("calling")
    with tempfile.TemporaryDirectory() as ledger:
        args = {"ledger": ledger, "after": "never"}
        await turn(talk, ("charge", args))
        await begin(talk, ("ship", args), done="input.requested")
        await talk.answer("t2.s1.c1.outcome", result="sent")
        await end(talk, 2)
        await turn(talk, ("launch", args))
    return talk


_ASKING_SERVER: Final = """
models: {main: {use: demo/stage, price: {input: 1, output: 1}}}
tools: [add, mcp: {url: "URL", name: shop, allow: [ask_twice]}]
"""


async def server_asks(lab: Lab) -> Talk:
    """An MCP server, twice in one call; it is answered, refused an answer, and stopped."""
    talk = await lab.start("asking_server")
    ask = ("shop_ask_twice", {"item": "cup"})
    await begin(talk, ask, ("add", {"a": 1, "b": 2}), done="input.requested", count=1)
    await talk.until(lambda events: "tool.finished" in kinds(events))
    await talk.answer("t1.s1.c1.input", result={"size": 3})
    await talk.until(lambda events: kinds(events).count("input.requested") == 2)
    await talk.answer("t1.s1.c1.input2", result={"colour": "red"})
    await end(talk)
    await begin(talk, ask, done="input.requested")
    await talk.answer("t2.s1.c1.input", approved=False)
    await end(talk, 2)
    await begin(talk, ask, done="input.requested")
    await talk.stop()
    await end(talk, 3)
    return talk


async def remote_tool(lab: Lab) -> Talk:
    """One that works, one whose result does not fit, and one that nobody runs."""
    talk = await lab.start("python")
    async with Worker(lab.client, task_queue="python", activities=[find_stock, bad_stock]):
        await turn(talk, ("find_stock", {"product": "lamp"}), ("bad_stock", {}))
    await turn(talk, ("lost_stock", {}))
    return talk


async def stop_tool_last_word(lab: Lab) -> Talk:
    talk = await lab.start("calling")
    with tempfile.TemporaryDirectory() as ledger:
        await begin(talk, ("last_word", {"ledger": ledger}), ("sulk", {"ledger": ledger}))
        await written(Path(ledger), "begun", 2)
        await talk.stop()
        await end(talk)
    return talk


async def cut_answers(lab: Lab) -> Talk:
    """An answer that is cut with a call in it, one that is empty, one that is refused, and text that is cut."""
    talk = await lab.start("staged")
    calls: list[tuple[str, dict[str, Any]]] = [("add", {"a": 1, "b": 2})]
    lab.stage.plays = [Play("Let me see", calls, stop="max_tokens"), Play("Three."), Play(""), Play("Here I am.")]
    await talk.turn("what is 1 + 2?")
    await talk.turn("are you there?")
    lab.stage.plays = [Play("I will not.", calls, stop="refusal"), Play("Once upon a", stop="max_tokens")]
    await talk.turn("something bad")
    await talk.turn("a story")
    return talk


async def fallback(lab: Lab) -> Talk:
    """A model whose key is refused, one that breaks off until it is given up, and messages that ask for a model."""
    talk = await lab.start("routed", continue_as_new_after=60)
    final = ModelFailure(kind="model_auth", message="The key is not valid.", provider="demo")
    busy = ModelFailure(kind="model_overloaded", message="The provider is overloaded.", provider="demo", retryable=True)
    lab.stage.plays = [Play(error=final)]
    await talk.turn("hello")
    lab.stage.plays = [Play("Onc", error=busy)] * 2
    await talk.turn("a story")
    await talk.turn("another one", model="other")
    await talk.turn("and another one")
    return talk


async def declined(lab: Lab) -> Talk:
    """A message, then a result, that the model refuses to answer; a policy; and what comes after."""
    talk = await lab.start("staged")
    policy = ModelFailure(kind="model_content_policy", message="The provider declines the content.", provider="demo")
    lab.stage.plays = [Play("I will not.", stop="refusal")]
    await talk.turn("something bad")
    lab.stage.plays = [Play("", [("add", {"a": 1, "b": 2})]), Play("", stop="content_filter"), Play("Well.")]
    await talk.turn("what is 1 + 2?")
    await talk.turn("go on")
    lab.stage.plays = [Play(error=policy)]
    await talk.turn("something bad again")
    await talk.turn("thanks")
    return talk


async def compacted(lab: Lab) -> Talk:
    """Requests that are too long: a summary is written, also after one that failed; then nothing is left to shorten."""
    talk = await lab.start("staged", behavior=BEHAVIOR)
    too_long = ModelFailure(
        kind="model_context_length", message="The prompt is too long.", provider="demo", window=6_000
    )
    empty = ModelFailure(kind="model_auth", message="The key is not valid.", provider="demo")
    summary = "<summary>\nThey counted.\n</summary>\n<facts>\n- The number is 7.\n</facts>"
    for number in range(3):
        await talk.turn(f"{number} " * 900)
    lab.stage.plays = [Play(error=too_long), Play(summary), Play("Fine.")]
    await talk.turn("and now?")
    for number in range(2):
        await talk.turn(f"{number} " * 900)
    lab.stage.plays = [Play(error=too_long), Play(error=empty), Play(summary), Play("Fine.")]
    await talk.turn("and again?")
    lab.stage.plays = [Play(error=too_long)] * 8
    await talk.turn("x " * 9_000)
    lab.stage.plays.clear()
    await talk.turn("thanks")
    return talk


async def budget(lab: Lab) -> Talk:
    """Asks at a cap: allowed for the turn, settled by a raise, given a new cap, declined, and taken back by a stop."""
    talk = await lab.start("staged", behavior=BEHAVIOR)

    async def asks(number: int, cap: float = 0.0) -> None:
        await talk.configure(limits=Limits(turn=TurnLimits(cost_usd=cap)))
        await talk.send(f"turn {number}")
        await talk.until(lambda events: kinds(events).count("budget.paused") == number)

    await asks(1)
    await talk.answer("t1.s1.budget", approved=True)
    await talk.until(ends)
    await asks(2)
    await talk.configure(limits=Limits(turn=TurnLimits(cost_usd=1.0)))
    await talk.until(lambda events: ends(events, 2))
    await asks(3)
    await talk.answer("t3.s1.budget", result={"cost_usd": 2.0})
    await talk.until(lambda events: ends(events, 3))
    await asks(4)
    await talk.answer("t4.s1.budget", approved=False, reason="too dear")
    await talk.until(lambda events: ends(events, 4))
    await asks(5)
    await talk.stop()
    await talk.until(lambda events: ends(events, 5))
    return talk


async def repeated(lab: Lab) -> Talk:
    """The same call with the same result, until it is refused; a model that insists; and text that repeats itself."""
    talk = await lab.start("staged", behavior=BEHAVIOR)
    await talk.configure(limits=Limits(turn=TurnLimits(repeats=2)))
    call = Play("", [("add", {"a": 1, "b": 2})])
    lab.stage.plays = [call, call, call, Play("Three.")]
    await talk.turn("add")
    lab.stage.plays = [call, call, call, call]
    await talk.turn("add on")
    lab.stage.plays = [Play("Well. " * 3000), Play("Well.")]
    await talk.turn("and on")
    return talk


async def steer(lab: Lab) -> Talk:
    """While a tool runs, in the last answer, and in a turn that is stopped before; one is edited, one withdrawn."""
    talk = await lab.start("calling")
    with tempfile.TemporaryDirectory() as ledger:
        go = Path(ledger) / "go"
        await begin(talk, ("gather", {"ledger": ledger, "until": "go"}))
        await talk.send("and this", busy="steer")
        await talk.send("later")
        await talk.send("much later")
        edited = EditMessage(id="edit", message_id="m3", parts=(Text(text="later, please"),))
        await talk.handle.signal(SessionWorkflow.edit_message, edited)
        withdrawn = WithdrawMessage(id="withdraw", message_id="m4")
        await talk.handle.signal(SessionWorkflow.withdraw_message, withdrawn)
        gate = asyncio.Event()
        lab.stage.plays = [Play("Once", gate=gate), Play("Twice.")]
        go.touch()
        await talk.streamed("Once")
        await talk.send("and that", busy="steer")
        gate.set()
        await end(talk, 2)
    lab.stage.plays = [Play("On and", gate=asyncio.Event())]
    await talk.send("a story")
    await talk.streamed("On and")
    await talk.send("too late", busy="steer")
    await talk.stop()
    await end(talk, 4)
    return talk


async def interrupt(lab: Lab) -> Talk:
    """In an answer, with a message that waits, while a tool runs, and before the turn begins."""
    talk = await lab.start("staged")
    lab.stage.plays = [Play("Once upon", gate=asyncio.Event()), Play("", [("hang", {"name": "x"})])]
    await talk.send("a story")
    await talk.streamed("Once upon")
    await talk.send("thanks")
    await talk.send("use your tool", busy="interrupt")
    await talk.until(lambda events: "tool.started" in kinds(events))
    await talk.send("another one", busy="interrupt")
    await end(talk, 4)
    return talk


async def superseded(lab: Lab) -> Talk:
    """Approvals, by a message that steers, and a client tool, by one that interrupts."""
    talk = await lab.start("asking")
    add = ("add", {"a": 1, "b": 2})
    await begin(talk, add, ("rescue", {"kinds": []}), done="approval.requested", count=2)
    await talk.send("wait, the other one", busy="steer")
    await end(talk)
    await begin(talk, ("pick", {"prompt": "When?"}), done="input.requested")
    await talk.send("no, stop", busy="interrupt")
    await end(talk, 3)
    return talk


async def superseded_below(lab: Lab) -> Talk:
    """What a sub-agent asks, by a message that steers and by one that interrupts."""
    talk = await lab.start("boss")
    policies: tuple[Busy, ...] = ("steer", "interrupt")
    for number, busy in enumerate(policies, 1):
        lab.stage.plays = [
            Play("", [("helper", {"message": "Book."})]),
            Play("Let me book.", [("book", {"size": 1})]),
        ]
        await talk.send("let it book")
        child = talk.child(f"t{number}.s1.c1")
        await child.streamed("Let me book.")
        await child.until(lambda events: "approval.requested" in kinds(events))
        await talk.send("wait, another one", busy=busy)
        await end(talk, 2 * number - 1)
    return talk


async def idle(lab: Lab) -> Talk:
    """A session that closes itself after a time: its timer is set once, and in a later run anew."""
    talk = await lab.start("desk", behavior=1, continue_as_new_after=50)
    for number in range(4):
        await talk.turn(f"turn {number}")
    return talk


async def rewind(lab: Lab) -> Talk:
    """A message in other words while its answer streams, an answer anew, a failed turn run on, and an earlier branch."""
    talk = await lab.start("staged", behavior=BEHAVIOR)
    await talk.turn("one")
    lab.stage.plays = [Play("Once upon", gate=asyncio.Event()), Play("zwei"), Play("II")]
    await talk.send("two")
    await talk.streamed("Once upon")
    await talk.rewind(message_id="m2", number=2, new_id="r1", parts=(Text(text="in other words"),))
    await talk.until(lambda events: ends(events, 3))
    await talk.rewind(message_id="t3.s1", number=5, continues="t3")
    await talk.until(lambda events: ends(events, 4))
    final = ModelFailure(kind="model_auth", message="The key is not valid.", provider="demo")
    lab.stage.plays = [Play("", [("add", {"a": 1, "b": 2})]), Play(error=final), Play("Three.")]
    await talk.turn("what is 1 + 2?", message_id="m5")
    await talk.handle.signal(SessionWorkflow.retry, Retry(id="again", content_sha256="", cursor=0, turn_id="t5"))
    await talk.until(lambda events: ends(events, 6))
    await talk.rewind(branch="b1")
    await talk.until(lambda events: kinds(events).count("transcript.rewound") == 3)
    await talk.turn("and on", message_id="m6")
    return talk


async def titled(lab: Lab) -> Talk:
    """A session that began without a message gets its title from the first one, once, and keeps it over a new run."""
    talk = await lab.start("desk", behavior=BEHAVIOR, continue_as_new_after=50, title="")
    for number in range(4):
        await talk.turn(f"turn {number}")
    return talk


async def undo(lab: Lab) -> Talk:
    """Calls that are taken back once a person has agreed, one that is not, and a rewind that nobody agrees to."""
    talk = await lab.start("payer", behavior=BEHAVIOR)
    lab.stage.plays = [
        Play("", [("pay", {"amount": 1}), ("post", {"to": "Ada"})]),
        Play("", [("pay", {"amount": 2})]),
        Play("Paid."),
        Play("Nothing is paid."),
        Play("", [("pay", {"amount": 3})]),
        Play("Paid."),
    ]
    await talk.turn("pay")
    await talk.rewind(message_id="m1", number=0, new_id="r1", parts=(Text(text="do not pay"),))
    await talk.until(lambda events: "approval.requested" in kinds(events))
    await talk.answer("b2.t2.approval", approved=True)
    await talk.until(lambda events: ends(events, 3))
    await talk.turn("pay after all", message_id="m2")
    await talk.rewind(message_id="m2", number=10, new_id="m2", parts=(Text(text="pay after all"),), again=True)
    await talk.until(lambda events: kinds(events).count("approval.requested") == 2)
    await talk.answer("b3.t5.approval", approved=False)
    await talk.until(lambda events: ends(events, 5))
    return talk


async def sealing(lab: Lab) -> Talk:
    """The store is away at first; then the past is sealed, within a turn and between two, and over a new run."""
    talk = await lab.start("staged", behavior=1, continue_as_new_after=70)
    folder = lab.parts.settings.data_dir / "blobs" / talk.handle.id
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")
    for number in range(5):
        await talk.turn(f"{number} " * 6_000)
    await _sealed(talk)
    folder.unlink()
    long = "x" * 10_000
    lab.stage.plays = [Play(long, [("add", {"a": number, "b": 1})]) for number in range(4)]
    await talk.turn("count")
    await _sealed(talk)
    for number in range(2):
        await talk.turn(f"{number} " * 6_000)
    await _sealed(talk)
    return talk


async def sealing_begun_before(lab: Lab) -> Talk:
    """A session that an older version began: from its next run on it seals its past, the oldest part first."""
    talk = await lab.start("staged", continue_as_new_after=98)
    for number in range(8):
        await talk.turn(f"{number} " * 8_500)
    await talk.turn("go on")
    await talk.turn("go on")
    await _sealed(talk)
    await talk.turn("thanks")
    return talk


async def working_time(lab: Lab) -> Talk:
    """Time that is used up in an answer and while a tool runs: allowed, then declined; and a turn that ends there."""
    talk = await lab.start("staged", behavior=BEHAVIOR)
    await _out_of_time(talk)
    await talk.answer("t1.s2.budget", approved=True)
    await talk.until(lambda events: "tool.started" in kinds(events))
    await talk.until(lambda events: kinds(events).count("budget.paused") == 2)
    await talk.answer("t1.s3.budget2", approved=False)
    await talk.until(ends)
    lab.stage.plays.clear()
    await talk.turn("thanks")
    return talk


async def working_time_begun_before(lab: Lab) -> Talk:
    """A session that an older version began looks at the time only before a step; its next run ends what works."""
    talk = await lab.start("staged", behavior=1, continue_as_new_after=30)
    await talk.configure(limits=Limits(turn=TurnLimits(working_time=timedelta(seconds=1))))
    lab.stage.plays = [Play("", [("add", {"a": 1, "b": 1})])]
    await talk.turn("add")
    await talk.turn("thanks")
    await _out_of_time(talk)
    await talk.stop()
    await talk.until(lambda events: ends(events, 3))
    return talk


async def _out_of_time(talk: Talk) -> None:
    """An answer that is cut, for the turn may work for a second; what comes then hangs in a tool."""
    talk.lab.stage.plays = [Play("Once upon", gate=asyncio.Event()), Play("", [("hang", {"name": "x"})])]
    await talk.configure(limits=Limits(turn=TurnLimits(working_time=timedelta(seconds=1))))
    await talk.send("a story")
    await talk.until(lambda events: "budget.paused" in kinds(events))


async def leases(lab: Lab) -> Talk:
    """Draws on the purse of its user, is refused, told of a raise, allowed over the cap, and returns what is left."""
    return await _leasing(lab, "leases")


async def _leasing(lab: Lab, user: str) -> Talk:
    budgets = Budgets(lab.client, lab.parts.settings)

    async def cap(tool_calls: int) -> None:
        await budgets.set(Principal.trusted("lab"), "user", user, PurseLimits(total=Caps(tool_calls=tool_calls)))

    async def paused(count: int) -> None:
        await talk.until(lambda events: kinds(events).count("budget.paused") == count)

    await cap(1)
    talk = await lab.start("staged", user=user, behavior=BEHAVIOR, purses={"user": ()})
    add = Play("", [("add", {"a": 1, "b": 2})])
    lab.stage.plays = [add, Play("Three."), add, Play("Three again."), add, Play("And again.")]
    await talk.turn("what is 1 + 2?")
    await talk.send("and again?")
    await paused(1)
    await cap(2)
    await talk.until(lambda events: ends(events, 2))
    await talk.send("and again?")
    await paused(2)
    await talk.answer("t3.s1.budget", approved=True)
    await talk.until(lambda events: ends(events, 3))
    await talk.close()
    await talk.handle.result()
    return talk


async def run_once(lab: Lab) -> Talk:
    """An agent whose answers have a form: the first has another, and so has the one behind a call."""
    lab.stage.plays = [Play("Three."), Play("", [("add", {"a": 1, "b": 2})]), Play('{"n": "3"}'), Play('{"n": 3}')]
    talk = await lab.start("counter", first="What is 1 + 2?", once=True)
    await talk.until(lambda events: "session.closed" in kinds(events))
    return talk


async def handlers(lab: Lab) -> Talk:
    """Blocks that choose, ask, call and respond; a long loop, which gives way; an error that is caught; a wait; a trigger."""
    talk = await lab.start("router")
    lab.stage.plays = [Play("weather"), Play("sums"), Play("Not a lot."), Play("Six.")]
    await talk.turn("sum them up")
    lab.stage.plays = [Play("counting")]
    await talk.turn("count")
    lab.stage.plays = [Play("pause")]
    await talk.turn("in a moment")
    lab.stage.plays = [Play("smalltalk"), Play("Fine.")]
    await talk.turn("how are you?")
    await talk.until(lambda events: "timer.fired" in kinds(events) and ends(events, 5))
    lab.stage.plays = [Play("Two weeks.")]
    trigger = Trigger(id="x1", name="look_up", inputs={"order_id": "A-1"}, content_sha256="", cursor=0)
    await talk.handle.signal(SessionWorkflow.trigger, trigger)
    await talk.until(lambda events: ends(events, 6))
    return talk


async def handlers_that_wait(lab: Lab) -> Talk:
    """Calls at the same time, one that is taken back, a person, an event, variables, and a model that names the session."""
    talk = await lab.start("foreman", behavior=BEHAVIOR)
    lab.stage.plays = [Play("It is enough."), Play("Sums")]
    await talk.turn("sum them up")
    await talk.answer(ask_id("t1"), result={})
    await talk.until(lambda events: ends(events, 2))
    event = Trigger(id="e1", name="came", event=True, inputs={"number": 3}, content_sha256="", cursor=0)
    await talk.handle.signal(SessionWorkflow.trigger, event)
    await talk.until(lambda events: ends(events, 3))
    return talk


async def _sealed(talk: Talk) -> None:
    """Returns once nothing is being sealed."""
    while (await talk.ask(SessionWorkflow.part, PartRequest())).open:
        pass


SCENES: Final[tuple[Callable[[Lab], Awaitable[Talk]], ...]] = (
    plain,
    tools,
    stop,
    failure,
    configure,
    continue_as_new,
    close,
    fork,
    close_at_rest,
    limits,
    unavailable,
    folded,
    worker_restart,
    other_version,
    sub_agent,
    handoff,
    timer,
    approval,
    client_tool,
    once_unknown,
    remote_tool,
    server_asks,
    stop_tool_last_word,
    timer_renews,
    cut_answers,
    fallback,
    declined,
    compacted,
    budget,
    repeated,
    steer,
    interrupt,
    superseded,
    superseded_below,
    idle,
    rewind,
    titled,
    undo,
    sealing,
    sealing_begun_before,
    leases,
    working_time,
    working_time_begun_before,
    run_once,
    handlers,
    handlers_that_wait,
)


async def delivered(lab: Lab) -> WorkflowHandle[Any, Any]:
    """What a schedule starts, which delivers its message and ends."""
    due = Schedule(cron="0 9 * * 1", session="weekly", message="Write the weekly report")
    delivery = Delivery(schedule_id="perdure/lab/weekly", tenant="lab", agent="plain", schedule=due)
    handle = await lab.client.start_workflow(
        DeliverMessage.run, delivery, id=delivery.schedule_id, task_queue=TASK_QUEUE
    )
    await handle.result()
    return handle


async def drawn_on(lab: Lab) -> WorkflowHandle[Any, Any]:
    """A purse that is drawn on, refuses, and tells a session that waits of a raise."""
    await _leasing(lab, "drawn_on")
    return lab.client.get_workflow_handle(PurseName(tenant="lab", scope="user", id="drawn_on").workflow_id)


async def record(folder: Path, deliveries: Path, ledgers: Path) -> list[Path]:
    """Plays the scenes whose files are missing; returns the files that were written."""
    missing = _missing(folder)
    others = ((delivered, deliveries), (drawn_on, ledgers))
    wanted = [(scene, place) for scene, place in others if not list(place.glob("*.json"))]
    written: list[Path] = []
    with tempfile.TemporaryDirectory() as data:
        settings = Settings.load(data_dir=Path(data), graceful_shutdown_s=0)
        async with DevServer(Path(data), 0, None) as server, http_server() as asking:
            # Not `connect`, whose converter keeps big payloads elsewhere.
            client = await Client.connect(
                server.address, namespace=NAMESPACE, data_converter=data_converter(None), identity="golden"
            )
            agents = {**SHOP_AGENTS, **REMOTE_AGENTS, "asking_server": _ASKING_SERVER.replace("URL", asking.url)}
            async with open_lab(client, Path(data) / "lab", settings, more_agents=agents, more_tools=[SHOP]) as lab:
                for scene in missing:
                    lab.stage.plays.clear()
                    talk = await scene(lab)
                    for number, history in enumerate(await runs(client, talk.handle), 1):
                        written.append(_write(folder / f"{_name(scene)}.{number}.json", history))
                for other, place in wanted:
                    lab.stage.plays.clear()
                    (history,) = await runs(client, await other(lab))
                    written.append(_write(place / f"{other.__name__}.1.json", history))
    return written


def _write(file: Path, history: dict[str, Any]) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(_scrubbed(history), separators=(",", ":")) + "\n")
    return file


def _name(scene: Callable[[Lab], Awaitable[Talk]]) -> str:
    return scene.__name__


def _missing(folder: Path) -> list[Callable[[Lab], Awaitable[Talk]]]:
    return [scene for scene in SCENES if not list(folder.glob(f"{_name(scene)}.*.json"))]


async def runs(client: Client, handle: WorkflowHandle[Any, Any]) -> list[dict[str, Any]]:
    """The histories of all runs of a workflow, the first one first."""
    run_id: str | None = (await handle.describe()).run_id
    found: list[dict[str, Any]] = []
    while run_id:
        history = (await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()).to_json_dict()
        found.append(history)
        run_id = history["events"][0]["workflowExecutionStartedEventAttributes"].get("continuedExecutionRunId")
    return found[::-1]


def _scrubbed(value: Any) -> Any:
    """Without stack traces, which name the files of the machine that recorded."""
    if isinstance(value, dict):
        return {key: "" if key == "stackTrace" else _scrubbed(one) for key, one in value.items()}
    return [_scrubbed(one) for one in value] if isinstance(value, list) else value


if __name__ == "__main__":
    for path in asyncio.run(record(GOLDEN, DELIVERIES, LEDGERS)):
        print(path.relative_to(GOLDEN.parent.parent))  # noqa: T201
    leave(0)
