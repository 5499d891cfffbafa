"""`perdure trace` against `perdure dev`, and the tree as a pure function."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from perdure.temporal.app.cli import app
from perdure.temporal.app.commands.trace_tree import TurnFacts, trace_tree, turn_facts
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.vocabulary.events import Event, FeedbackGiven, MessageAdded, TurnFinished, TurnStarted
from perdure.workflows.vocabulary.parts import Data, Message, Text, ToolError, Usage
from perdure.workflows.vocabulary.questions import By
from tests.support.dev import Dev
from tests.support.session_client import Sessions

AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


async def trace(dev: Dev, *arguments: str) -> Result:
    # The provider's address decides what is sent: only its own address gets strict tools.
    environment = {
        **dev.environment,
        "TEMPORAL_ADDRESS": f"127.0.0.1:{dev.temporal_port}",
        "PERDURE_DATA_DIR": str(dev.data_dir),
        "COLUMNS": "240",
    }
    # The command runs an event loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, app, ["trace", *arguments], env=environment)


async def two_turns(sessions: Sessions, provider: FakeProvider) -> str:
    session = await sessions.create()
    provider.script(Reply(text="", tools=(("calculator", {"expression": "6*7"}),)), Reply(text="It is 42."))
    await sessions.ask(session, "six times seven?")
    provider.script(Reply(text="Bye."))
    await sessions.ask(session, "thanks")
    return session


@pytest.mark.server
async def test_the_tree_shows_turns_steps_and_tools(dev: Dev, sessions: Sessions, provider: FakeProvider) -> None:
    session = await two_turns(sessions, provider)

    result = await trace(dev, session)
    last = await trace(dev, session, "--last", "1", "--prompt")

    assert result.exit_code == 0, (result.output, result.exception)
    lines = [line.strip("│├└─ ") for line in result.stdout.splitlines()]
    assert [line.split("  ")[0] for line in lines] == [
        f"default/{session}",
        "t1",
        "t1.s1",
        'calculator(expression="6*7")',
        "t1.s2",
        "It is 42.",
        "t2",
        "t2.s1",
        "Bye.",
    ]
    assert lines[1].startswith("t1  six times seven?  done  ")
    assert lines[3].endswith('{"result": "42", "exact": true}')
    assert "first token" in lines[2] and "total" in lines[2] and "$0." in lines[2] and lines[2].endswith("tool_calls")
    assert "six times seven?" not in lines[6]
    assert "prompt" not in result.stdout
    assert "t1.s1  " not in last.stdout
    assert [words in last.stdout for words in ("six times seven?", "tool_result", "thanks", "another request")] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.server
async def test_json_is_what_the_gateway_answers(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await two_turns(sessions, provider)

    result = await trace(dev, session, "--json")

    assert json.loads(result.stdout) == (await http.get(f"/v1/sessions/{session}/trace")).json()


@pytest.mark.server
async def test_what_cannot_be_shown_is_told(dev: Dev, sessions: Sessions) -> None:
    empty = await sessions.create()

    for session, words in ((empty, "has made no step"), ("nobody-made-this", "no such session")):
        result = await trace(dev, session)
        assert isinstance(result.exception, Refused)
        assert words in str(result.exception)


def rendered(turns: dict[str, TurnFacts], *steps: dict[str, Any]) -> list[str]:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(trace_tree("s", turns, steps))
    return [line.rstrip() for line in capture.get().splitlines()]


def step(**changes: Any) -> dict[str, Any]:
    return {
        "step_id": "t1.s1",
        "turn_id": "t1",
        "model": "demo/x",
        "status": "running",
        "prompt": None,
        "message": None,
        "tools": [],
        **changes,
    }


def test_what_failed_is_told_in_words() -> None:
    error = ToolError(type="provider_error", message="the key is not valid")
    message = Message(id="m", role="user", parts=(Text(text="hi\x1b[2J"),), at=AT)
    events: list[Event] = [
        TurnStarted(seq=1, at=AT, turn_id="t1", cause="message"),
        MessageAdded(seq=2, at=AT, turn_id="t1", message=message),
        TurnFinished(seq=3, at=AT, turn_id="t1", reason="failed", error=error, usage=Usage(), cost_usd=None),
    ]
    result = {"type": "tool_result", "output": {"type": "timeout", "message": "30 s"}, "is_error": True}
    tool = {"name": "find", "args": {"id": 7}, "result": result, "attempts": 3, "duration_ms": 30_500.0}
    finished = step(
        status="finished",
        timing={"first_token_ms": None, "total_ms": 90_000},
        usage={"input_tokens": 1234, "cached_tokens": 1000, "cache_write_tokens": 200, "output_tokens": 5},
        cost_usd=None,
        tried=[{"model": "demo/y", "reason": "key", "message": "It needs one.", "attempts": 1, "cost_usd": None}],
        adapted=["left out reasoning_effort"],
        skipped=2,
        misfit="urgency: is required",
        attempt=2,
        stop="error",
        tools=[tool],
    )

    assert rendered(turn_facts(events), finished) == [
        "s",
        "└── t1  hi[2J  failed  provider_error: the key is not valid  0 in, 0 out  cost unknown",
        "    └── t1.s1  demo/x  total 1 min 30 s  1,234 in (1,000 = 81 % cached, 200 written to the cache), 5 out  "
        "cost unknown  attempt 2  error",
        "        ├── demo/y gave no answer (key): It needs one.  cost unknown",
        "        ├── changed for the server: left out reasoning_effort",
        "        ├── passed over 2 pieces of the answer whose shape is not known",
        "        ├── not of the form that is asked for: urgency: is required",
        "        └── find(id=7)  30.50 s  3 attempts  timeout: 30 s",
    ]


def test_the_latest_feedback_stands_at_its_turn() -> None:
    ann = By(subject="ann")
    given: list[Event] = [
        FeedbackGiven(seq=1, at=AT, turn_id="t1", score=1, by=ann),
        FeedbackGiven(seq=2, at=AT, turn_id="t1", score=-1, text="Too\nlong", by=ann),
    ]
    assert rendered(turn_facts(given), step())[1:3] == ["└── t1    runs", "    ├── feedback -1  ann  Too long"]
    given.append(FeedbackGiven(seq=3, at=AT, turn_id="t1", score=0, by=ann))
    assert len(rendered(turn_facts(given), step())) == 3


def test_a_turn_is_named_by_words_and_not_by_a_note_or_by_the_turn_that_it_runs_on() -> None:
    note = Message(id="n", role="user", parts=(Data(name="rewound", value={"note": "Taken back."}),), at=AT)
    message = Message(id="m", role="user", parts=(Text(text="go on"),), at=AT)
    facts = turn_facts(
        [
            MessageAdded(seq=1, at=AT, turn_id="t1", message=note),
            MessageAdded(seq=2, at=AT, turn_id="t1", message=message),
            TurnStarted(seq=3, at=AT, turn_id="t2", cause="message", continues="t1"),
        ]
    )
    assert {turn: one.asked for turn, one in facts.items()} == {"t1": "go on", "t2": "(t1 once more)"}


def test_what_runs_is_shown_as_running() -> None:
    tool: dict[str, Any] = {"name": "find", "args": {}, "result": None, "attempts": None, "duration_ms": None}

    assert rendered({}, step(tools=[tool])) == [
        "s",
        "└── t1    runs",
        "    └── t1.s1  demo/x  runs",
        "        └── find()  runs",
    ]


def test_a_tool_that_held_up_others_is_shown_with_its_line() -> None:
    result = {"output": "done", "is_error": False}
    tool = {"name": "pay", "args": {}, "result": result, "attempts": 1, "duration_ms": 9_812.0}
    tool |= {"blocked": {"seconds": 9.8, "line": "/shop/tools.py:7"}}

    assert rendered({}, step(tools=[tool]))[3:] == [
        "        └── pay()  9.81 s  done  blocked others for 9.80 s at /shop/tools.py:7"
    ]


def test_what_was_asked_stands_below_its_call() -> None:
    def call(**question: Any) -> dict[str, Any]:
        asked = {"question_id": "q", "kind": "approval", "asked_at": "2026-01-02T00:00:00Z", **question}
        result = {"output": 1, "is_error": False} if "resolved_at" in question else None
        return {"name": "pay", "args": {}, "result": result, "attempts": 1, "duration_ms": 0, "questions": [asked]}

    later = {"resolved_at": "2026-01-02T00:01:05Z"}
    tools = [
        call(expires_at="2026-01-03T00:00:00Z"),
        call(approved=True, by={"subject": "ann", "scopes": []}, **later),
        call(approved=False, reason="too\nmuch", **later),
        call(kind="input", value=[1], **later),
        call(kind="input", **later),
    ]
    assert [line[8:] for line in rendered({}, step(tools=tools))[3:]] == [
        "├── pay()  waits",
        "│   └── asked for approval  2026-01-02T00:00:00Z  open until 2026-01-03T00:00:00Z",
        "├── pay()  0 ms  1",
        "│   └── asked for approval  2026-01-02T00:00:00Z  allowed by ann after 1 min 5 s",
        "├── pay()  0 ms  1",
        "│   └── asked for approval  2026-01-02T00:00:00Z  not allowed after 1 min 5 s: too much",
        "├── pay()  0 ms  1",
        "│   └── asked for an answer  2026-01-02T00:00:00Z  answered after 1 min 5 s",
        "└── pay()  0 ms  1",
        "    └── asked for an answer  2026-01-02T00:00:00Z  not answered after 1 min 5 s",
    ]
