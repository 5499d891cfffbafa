"""`perdure chat`: the fold of events into text, and the command itself against `perdure dev`."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from perdure.temporal.app.chat.view import ChatView
from perdure.temporal.app.cli import app
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.chat_command import PipedChat
from tests.support.dev import Dev
from tests.support.ports import free_ports
from tests.support.session_client import Sessions, texts

STEP = "t1.s1"


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"plain.yaml": "name: plain\nmodels: {main: {use: demo/small}}\nmodel: main\ninstructions: Help.\n"}


USAGE = {"input_tokens": 1200, "cached_tokens": 0, "output_tokens": 7, "reasoning_tokens": 0}


def delta(part: int, text: str, kind: str = "text") -> tuple[str, dict[str, Any]]:
    return "step.delta", {"step_id": STEP, "attempt": 1, "n": 0, "part": part, "kind": kind, "delta": text}


def snapshot(*parts: str) -> tuple[str, dict[str, Any]]:
    return "step.snapshot", {"step_id": STEP, "parts": [{"type": "text", "text": text} for text in parts]}


def finished(*parts: str) -> tuple[str, dict[str, Any]]:
    return "step.finished", {"step_id": STEP, "message": {"parts": [{"type": "text", "text": t} for t in parts]}}


def shown(*events: tuple[str, dict[str, Any]], view: ChatView | None = None) -> str:
    view = view or ChatView()
    return "".join(view.take(kind, data).plain for kind, data in events)


def test_an_answer_is_printed_once_however_it_comes() -> None:
    whole = "Hello you.\n"
    assert shown(delta(0, "Hello "), delta(0, "you."), finished("Hello you.")) == whole
    assert shown(delta(0, "Hello "), snapshot("Hello yo"), delta(0, "u."), finished("Hello you.")) == whole
    assert shown(snapshot("Hello"), finished("Hello you.")) == whole
    assert shown(finished("Hello you.")) == whole


def test_another_attempt_is_printed_anew_with_a_word() -> None:
    text = shown(delta(0, "Hello "), snapshot(), delta(0, "Good day."), finished("Good day."))
    assert text == "Hello \n(the answer begins again)\nGood day.\n"


def test_a_to_do_list_is_printed_as_it_changes_and_with_a_session_that_is_taken_up() -> None:
    items = [{"id": "1", "text": "look\x9b", "status": "done"}, {"id": "2", "text": "mend", "status": "doing"}]
    lines = "to do:\n  [x] look\n  [>] mend\n"
    assert shown(("todo.updated", {"items": items})) == lines
    assert shown(("todo.updated", {"items": []})) == "(nothing is left to do)\n"
    assert ChatView().transcript([], items).plain == lines


def test_reasoning_is_dimmed_and_stands_on_lines_of_its_own() -> None:
    view = ChatView()
    thought = view.take(*delta(0, "hm", "reasoning"))
    assert (thought.plain, str(thought.spans[0].style)) == ("hm", "dim italic")
    assert shown(delta(1, "Yes."), view=view) == "\nYes."


def test_tools_and_the_end_of_a_turn() -> None:
    call = {"call_id": "c", "name": "find", "args": {"id": 7}}
    bad = {"name": "find", "output": {"type": "timeout", "message": "30 s"}, "is_error": True}
    error = {"type": "x", "message": "the key is not valid"}
    assert shown(
        delta(0, "Let me see", "text"),
        delta(1, '{"id"', "tool_input"),
        finished("Let me see"),
        ("tool.started", call),
        (
            "tool.finished",
            {**call, "result": {"name": "find", "output": {"a": 1}, "is_error": False}, "duration_ms": 12},
        ),
        ("tool.finished", {**call, "result": bad, "duration_ms": 30_000}),
        ("turn.finished", {"reason": "failed", "error": error, "usage": USAGE, "cost_usd": 0.5}),
    ).splitlines() == [
        "Let me see",
        "⚙ find(id=7)",
        '✓ find in 12 ms: {"a": 1}',
        "✗ find in 30.00 s: timeout: 30 s",
        "(failed: the key is not valid)",
        "1,200 in, 7 out, $0.5000",
    ]


def test_what_was_typed_here_is_not_repeated_and_nothing_is_obeyed() -> None:
    def added(message_id: str) -> tuple[str, dict[str, Any]]:
        parts = [{"type": "text", "text": "hi \x1b[2J\x07"}]
        return "message.added", {"message": {"id": message_id, "role": "user", "parts": parts}}

    assert shown(added("mine"), added("theirs"), delta(0, "a\x9bb"), view=ChatView(typed={"mine"})) == "> hi [2J\nab"


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


@pytest.mark.server
async def test_a_conversation_and_taking_it_up_again(
    dev: Dev, sessions: Sessions, provider: FakeProvider, tmp_path: Path
) -> None:
    provider.script(Reply(text="", tools=(("calculator", {"expression": "6*7"}),)), Reply(text="It is 42."))
    async with PipedChat(tmp_path, dev.url) as chat:
        await chat.until("/help says what you can type")
        await chat.type("/help")
        await chat.until("Ctrl-C stops it")
        await chat.type("six times seven?")
        await chat.until("It is 42.")
        assert await chat.end() == 0
    session = chat.session

    assert '⚙ calculator(expression="6*7")' in chat.output
    assert "✓ calculator in " in chat.output
    assert f"perdure chat {session} --url {dev.url} takes this session up again" in chat.output
    provider.script(Reply(text="Bye."))
    async with PipedChat(tmp_path, dev.url, session) as again:
        await again.type("thanks")
        await again.until("Bye.")
        await again.end()
    assert "> six times seven?" in again.output
    assert again.output.count("It is 42.") == 1
    found = await sessions.snapshot(session)
    assert [text for role, text in texts(found["messages"]) if role == "user"] == ["six times seven?", "thanks"]


@pytest.mark.server
async def test_a_file_goes_with_the_next_message(dev: Dev, provider: FakeProvider, tmp_path: Path) -> None:
    (tmp_path / "my notes.md").write_text("Buy milk")
    provider.script(Reply(text="Milk, then."), Reply(text="Yes."))
    async with PipedChat(tmp_path, dev.url) as chat:
        await chat.type("/file nowhere.png")
        await chat.until("nowhere.png cannot be read: No such file or directory")
        await chat.type('/file "my notes.md"')
        await chat.until("(my notes.md goes with your next message)")
        await chat.type("What do I need?")
        await chat.until("Milk, then.")
        await chat.type("Sure?")
        await chat.until("Yes.")
        await chat.end()
    said = [one["content"] for one in provider.calls[-1].body["messages"] if one["role"] == "user"]
    assert [[block["text"] for block in content] for content in said] == [
        ["[file my notes.md (text/markdown)]\nBuy milk", "What do I need?"],
        ["Sure?"],
    ]


@pytest.mark.server
async def test_ctrl_c_stops_the_answer_and_then_leaves(
    dev: Dev, sessions: Sessions, provider: FakeProvider, tmp_path: Path
) -> None:
    provider.script(Reply(text="one two three four", fault="stall"))
    async with PipedChat(tmp_path, dev.url) as chat:
        await chat.type("count")
        await chat.until("one two")
        chat.process.send_signal(signal.SIGINT)
        await chat.until("(stopped)")
        await chat.until("> ")
        chat.process.send_signal(signal.SIGINT)
        assert await chat.end() == 0

    assert "takes this session up again" in chat.output
    found = await sessions.snapshot(chat.session)
    assert (found["status"], found["messages"][-1]["stopped"]) == ("idle", True)


@pytest.mark.slow
@pytest.mark.server
async def test_a_killed_server_is_waited_for(dev: Dev, provider: FakeProvider, tmp_path: Path) -> None:
    first, second = (" ".join(f"{word}{number}" for number in range(60)) for word in ("word", "other"))
    provider.script(Reply(text=first, gap=0.05), Reply(text=second, gap=0.01))
    async with PipedChat(tmp_path, dev.url) as chat:
        await chat.type("count")
        await chat.until("word9")
        await dev.kill()
        await dev.start()
        await chat.until("other59")
        assert await chat.end() == 0

    assert "(the gateway does not answer; trying again)" in chat.output
    assert f"(the answer begins again)\n{second}\n" in chat.output


@pytest.mark.server
async def test_the_gateway_of_a_dev_is_found_by_its_data_directory(
    dev: Dev, provider: FakeProvider, tmp_path: Path
) -> None:
    provider.script(Reply(text="Found you."))
    async with PipedChat(tmp_path, None, "--data-dir", str(dev.data_dir)) as chat:
        await chat.type("hello")
        await chat.until("Found you.")
        assert await chat.end() == 0
    assert f"perdure chat {chat.session} --data-dir {dev.data_dir} takes this session up again" in chat.output


async def titles_of(http: httpx2.AsyncClient) -> dict[str, str]:
    """By session, as lists have them."""
    return {one["session_id"]: one["title"] for one in (await http.get("/v1/sessions")).json()["sessions"]}


@pytest.mark.server
async def test_an_agent_on_the_demo_model_lacks_no_key_and_its_session_gets_a_title(
    dev: Dev, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    async with PipedChat(tmp_path, dev.url, "--agent", "plain") as chat:
        await chat.type("Good morning to you")
        await chat.until("demo model")
        assert await chat.end() == 0
    assert f"plain, session {chat.session} (the demo model answers)\n" in chat.output
    async with asyncio.timeout(20):
        while "Good morning to you" not in (titles := await titles_of(http)).get(chat.session, ""):
            assert titles.get(chat.session, "") == ""


@pytest.mark.server
async def test_what_cannot_begin_is_told(dev: Dev) -> None:
    (port,) = free_ports(1)
    for url, arguments, words in (
        (f"http://127.0.0.1:{port}", [], "no gateway answers at"),
        (dev.url, ["--agent", "nobody"], "agent: is not known"),
        (dev.url, ["nobody-made-this"], "There is no such session"),
        (dev.url, ["../agents"], "cannot be the id of a session"),
    ):
        result = await asyncio.to_thread(CliRunner().invoke, app, ["chat", *arguments, "--url", url])
        assert isinstance(result.exception, Refused)
        assert words in str(result.exception)
