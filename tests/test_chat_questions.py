"""Questions at the prompt of `perdure chat`: typed text → answer; and the command against `perdure dev`."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.chat.prompt import settles
from perdure.temporal.app.chat.questions import answer_to, headline
from perdure.temporal.app.chat.stream import ENDED, SILENT
from perdure.temporal.app.chat.view import ChatView
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.chat_command import PipedChat
from tests.support.dev import Dev
from tests.support.session_client import Sessions

AGENT = """
name: assistant
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
tools:
  - calculator: {approval: {when: "{{ args.expression != '1+1' }}", expires: 3d}}
  - ask_user
"""
CAPPED = """
name: capped
models: {main: {use: anthropic/claude-sonnet-5-5, max_output_tokens: 1000, price: {input: 3, output: 15}}}
model: main
instructions: Help.
limits: {session: {cost_usd: 0.0005}}
"""
FIELDS = [
    {"name": "age", "type": "number", "required": True},
    {"name": "size", "type": "choice", "options": ["S", "L"], "required": True},
    {"name": "gift", "label": "A gift?", "type": "boolean"},
    {"name": "note", "type": "text"},
]


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"assistant.yaml": AGENT, "capped.yaml": CAPPED}


def answered(kind: str, name: str, args: dict[str, Any], *typed: str) -> dict[str, Any]:
    lines: Iterator[str] = iter(typed)
    form = "fields" if name == "ask_user" else "result"
    question = {"question_id": "t1.s1.c1.x", "kind": kind, "form": form, "name": name, "args": args}
    answer = answer_to(question, lambda prompt: next(lines), lambda words: None)
    assert list(lines) == []
    return answer


BY = {"subject": "ada", "scopes": []}
BUDGET = {"scope": "turn", "limit": "cost_usd", "cap": 0.5, "spent": 0.48, "needs": 0.03}


@pytest.mark.parametrize(
    ("more", "typed", "wrong", "answer"),
    [
        ({}, ["what?", "y"], 0, {"approved": True}),
        ({}, ["n", "too dear"], 0, {"approved": False, "reason": "too dear"}),
        ({}, ["no", ""], 0, {"approved": False}),
        ({}, ["/decline too dear"], 0, {"approved": False, "reason": "too dear"}),
        ({}, ["raise 1.5"], 0, {"result": {"cost_usd": 1.5}}),
        ({}, ["r", "much", "r", "0.1", "r", "$1.5"], 2, {"result": {"cost_usd": 1.5}}),
        ({"limit": "tokens"}, ["r", "20,000"], 0, {"result": {"tokens": 20_000}}),
        ({"limit": "working_time", "spent": 300}, ["raise", "5", "r", "10m"], 1, {"result": {"working_time": "10m"}}),
        ({"scope": "tenant", "limit": "provider"}, ["r", "y"], 0, {"approved": True}),
        ({"scope": "user", "limit": "day.cost_usd"}, ["r", "y"], 0, {"approved": True}),
    ],
)
def test_a_budget_question_is_decided(more: Any, typed: list[str], wrong: int, answer: Any) -> None:
    lines, told = iter(typed), list[str]()
    question = {"question_id": "t1.s1.budget", "kind": "budget", "prompt": "May it?", "budget": BUDGET | more}
    assert headline(question) == "? May it?"
    assert answer_to(question, lambda prompt: next(lines), told.append) == answer
    assert list(lines) == []
    assert len(told) == wrong


def test_any_question_is_declined_by_the_same_word() -> None:
    assert answered("approval", "pay", {}, "/decline not now") == {"approved": False, "reason": "not now"}


def test_a_rewind_is_asked_about_with_the_calls_that_it_takes_back() -> None:
    told: list[str] = []
    lines = iter(["what?", "y"])
    calls = {
        "undo": [{"name": "pay", "by": "refund"}],
        "stands": [{"name": "mail", "why": "It cannot be taken back."}],
        "more": 3,
    }
    question = {"question_id": "q", "kind": "approval", "subject": "rewind", "name": "rewind", "args": calls}
    assert "going back" in headline(question)
    assert answer_to(question, lambda prompt: next(lines), told.append) == {"approved": True}
    assert ["pay will be taken back by refund" in told[0], "mail stays" in told[1]] == [True, True]
    assert told[2].strip() == "and 3 more"


def test_who_allows_a_call_can_read_all_of_it() -> None:
    told: list[str] = []
    lines = iter(["w", "y"])
    question = {"question_id": "q", "kind": "approval", "name": "pay", "args": {"note": "x" * 5000}}
    assert answer_to(question, lambda prompt: next(lines), told.append) == {"approved": True}
    assert [len(line) for line in told] == [2010, 5010]


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (["what", "y"], {"approved": True}),
        (["a"], {"approved": True, "remember": True}),
        (["n", ""], {"approved": False}),
        (["no", " too much "], {"approved": False, "reason": "too much"}),
        (["e", "", "five", "5", "[1]"], {"approved": True, "args": {"who": "ada", "sum": 5, "more": [1]}}),
    ],
)
def test_an_approval(typed: list[str], answer: dict[str, Any]) -> None:
    assert answered("approval", "pay", {"who": "ada", "sum": 3, "more": {}}, *typed) == answer


def test_forms_and_other_client_tools() -> None:
    form = {"prompt": "Who?", "fields": FIELDS}
    assert answered("input", "ask_user", form, "old", "36", "XL", "l", "n", "") == {
        "result": {"age": 36, "size": "L", "gift": False}
    }
    sizes = {"fields": [FIELDS[1], {"name": "weeks", "type": "choice", "options": [2, 1], "required": True}]}
    assert answered("input", "ask_user", sizes, "0", "3", "2", "2") == {"result": {"size": "L", "weeks": 2}}
    assert answered("input", "ask_user", {"prompt": "Why?"}, "", "Because.") == {"result": {"answer": "Because."}}
    assert answered("input", "pick", {}, '{"hex": "#fff"}') == {"result": {"hex": "#fff"}}
    assert answered("input", "pick", {}, "plain words") == {"result": "plain words"}
    assert answered("input", "pick", {}, "/decline not here") == {"approved": False, "reason": "not here"}
    assert headline({"kind": "input", "name": "ask_user", "prompt": "Who?\x1b[2J"}) == "? Who?[2J"


def test_progress_is_written_over_where_a_terminal_can() -> None:
    started = {"call_id": "c", "name": "scan", "args": {}}
    finished = {
        "call_id": "c",
        "name": "scan",
        "result": {"name": "scan", "output": 1, "is_error": False},
        "duration_ms": 5,
    }
    events: list[tuple[str, dict[str, Any]]] = [
        ("tool.started", started),
        ("tool.progress", {"call_id": "c", "message": "page 1", "fraction": 0.25}),
        ("tool.progress", {"call_id": "c", "message": "page 1", "fraction": 0.25}),
        ("tool.progress", {"call_id": "c", "message": "page 2", "fraction": None}),
        ("tool.finished", finished),
        ("tool.progress", {"call_id": "c", "message": "late"}),
    ]
    end = "✓ scan in 5 ms: 1\n"
    piped, terminal = ChatView(), ChatView(rewrites=True)
    assert "".join(piped.take(*event).plain for event in events) == (
        f"⚙ scan()\n  scan: 25% page 1\n  scan: page 2\n{end}"
    )
    assert "".join(terminal.take(*event).plain for event in events) == (
        f"⚙ scan()\n  scan: 25% page 1\x1b[1G\x1b[K  scan: page 2\x1b[1G\x1b[K{end}"
    )


def test_workers_that_are_missing_are_told_of() -> None:
    view = ChatView()
    said = [
        view.take("workers.state", {"missing": missing}).plain for missing in (["sessions", "tools"], ["tools"], [])
    ]
    assert said == [
        "(no worker is running; your message is kept, and answered as soon as one is back)\n",
        "(no worker runs tools at the moment; calls wait until one does)\n",
        "(a worker is running again)\n",
    ]


def test_a_turn_without_a_model_call_has_no_numbers() -> None:
    ended = {"reason": "done", "usage": {"input_tokens": 0, "output_tokens": 0}, "cost_usd": 0.0}
    assert ChatView().take("turn.finished", ended).plain == ""


@pytest.mark.server
async def test_left_open_and_answered_later(
    dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider, tmp_path: Path
) -> None:
    form = ("ask_user", {"prompt": "Whose sum is it?"})
    provider.script(Reply(text="", tools=(("calculator", {"expression": "6*7"}), form)), Reply(text="It is 42."))
    async with PipedChat(tmp_path, dev.url) as chat:
        await chat.type("six times seven?")
        await chat.until("? calculator asks to run, until ")
        await chat.until("expression: 6*7")
        await chat.until("allow it?")
        chat.process.send_signal(signal.SIGINT)
        await chat.until("(the question stays open)")
        assert await chat.end() == 0
    session = chat.session
    assert (await Sessions(http).snapshot(session))["status"] == "waiting"

    async with PipedChat(tmp_path, dev.url, session) as again:
        await again.until("allow it?")
        await again.type("y")
        await again.until("? Whose sum is it?")
        await again.until("answer >")
        await again.type("Mine")
        await again.until("It is 42.")
        await again.until("> ")
        assert await again.end() == 0
    assert "(allowed by local)" in again.output
    assert "42" in str(provider.calls[-1].body)
    assert "Mine" in str(provider.calls[-1].body)


@pytest.mark.parametrize(
    ("kind", "event", "settled"),
    [
        ("approval.resolved", {"question_id": "q"}, True),
        ("input.received", {"question_id": "other"}, False),
        ("budget.raised", {"question_id": "q"}, True),
        ("budget.raised", {}, False),
        # A client tool's question that is declined, or not answered in time, is told by its call's result alone.
        ("tool.finished", {"call_id": "c"}, True),
        ("tool.finished", {"call_id": "other"}, False),
        ("tool.started", {"call_id": "c"}, False),
        ("turn.finished", {}, True),
        ("session.closed", {}, True),
        (ENDED, {}, True),
        (SILENT, {}, False),
        ("session.snapshot", {"questions": [{"question_id": "q"}]}, False),
        ("session.snapshot", {"questions": []}, True),
    ],
)
def test_what_settles_a_question(kind: str, event: dict[str, Any], settled: bool) -> None:
    assert settles(kind, event, {"question_id": "q", "call_id": "c"}) is settled


@pytest.mark.parametrize(
    ("kind", "event", "words"),
    [
        ("approval.resolved", {"approved": False, "reason": "expired"}, "not allowed, for nobody answered in time"),
        ("approval.resolved", {"approved": False, "reason": "expired", "by": BY}, "not allowed by ada: expired"),
        ("approval.resolved", {"approved": False, "reason": "stopped"}, "taken back, for the turn was stopped"),
        ("input.received", {"value": "blue", "by": BY}, "answered by ada"),
        ("input.received", {"value": None}, "nobody answered in time"),
        ("input.received", {"value": None, "reason": "stopped"}, "taken back, for the turn was stopped"),
        ("input.received", {"value": None, "reason": "settled", "by": BY}, "settled by ada: the turn goes on"),
        ("input.received", {"value": {"approved": False}, "reason": "too dear", "by": BY}, "declined by ada: too dear"),
        (
            "budget.raised",
            {"scope": "turn", "limit": "tokens", "value": 9, "by": BY},
            "the turn's tokens is raised by ada",
        ),
        (
            "budget.raised",
            {"scope": "turn", "limit": "tokens", "value": None, "by": BY},
            "the turn's tokens is lifted by ada: there is no cap any more",
        ),
        (
            "budget.raised",
            {"scope": "turn", "limit": "tokens", "value": None, "this_turn": True},
            "allowed for this turn",
        ),
    ],
)
def test_what_became_of_a_question_is_one_line(kind: str, event: dict[str, Any], words: str) -> None:
    line = ChatView().take(kind, event).plain
    assert words in line
    assert line.count("\n") == 1


@pytest.mark.server
async def test_the_prompt_gives_way_where_somebody_else_answers(
    dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider, tmp_path: Path
) -> None:
    provider.reset()
    calls = (("calculator", {"expression": "6*7"}), ("calculator", {"expression": "2*2"}))
    provider.script(Reply(text="", tools=calls), Reply(text="Not then."))
    async with PipedChat(tmp_path, dev.url) as chat:
        await chat.type("six times seven?")
        await chat.until("allow it?")
        first, second = (await Sessions(http).snapshot(chat.session))["questions"]
        body = {"question_id": first["question_id"], "approved": False, "reason": "Closed today"}
        assert (await http.post(f"/v1/sessions/{chat.session}/answers", json=body)).status_code == 202
        await chat.until("> \n(not allowed by local: Closed today)\n")
        await chat.until("expression: 2*2")
        await chat.until("allow it?")
        body = {"question_id": second["question_id"], "approved": True}
        assert (await http.post(f"/v1/sessions/{chat.session}/answers", json=body)).status_code == 202
        await chat.until("\n(allowed by local)\n")
        await chat.until("Not then.")
        assert await chat.end() == 0


@pytest.mark.server
async def test_the_prompt_gives_way_where_a_cap_is_raised_elsewhere(
    dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider, tmp_path: Path
) -> None:
    provider.reset()
    provider.script(Reply(text="Within the limit."))
    async with PipedChat(tmp_path, dev.url, "--agent", "capped") as chat:
        await chat.type("is it dear?")
        await chat.until("r(aise the cap) > ")
        await chat.type("r")
        await chat.until("new cap, in dollars > ")
        limits = {"session": {"cost_usd": 2}}
        assert (await http.patch(f"/v1/sessions/{chat.session}/limits", json=limits)).is_success
        await chat.until("(the session's cost_usd is raised by local)")
        await chat.until("Within the limit.")
        assert await chat.end() == 0
