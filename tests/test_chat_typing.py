"""What is typed into `perdure chat` while an answer streams: the lines, and a real terminal against `perdure dev`."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from rich.console import Console

from perdure.temporal.app.chat.conversation import Conversation
from perdure.temporal.app.chat.lines import Again, Attach, Edit, Help, Say, ShowQueue, Withdraw, read_line
from perdure.temporal.app.chat.view import ChatView
from perdure.temporal.app.console.connection import Connection
from perdure.temporal.app.console.gateway import GatewayAddress
from perdure.temporal.app.console.local_zone import local_zone
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.chat_command import TerminalChat
from tests.support.dev import Dev
from tests.support.session_client import Sessions, texts

STALL = Reply(text="one two three four", fault="stall")


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("hello", Say("hello")),
        ("  ", None),
        ("/steer the other one", Say("the other one", "steer")),
        ("/interrupt no", Say("no", "interrupt")),
        ("/wait later", Say("later", "queue")),
        ("/queue", ShowQueue()),
        ("/edit 2 other words", Edit(2, "other words")),
        ("/withdraw 1", Withdraw(1)),
        ('/file "my notes.md"', Attach("my notes.md")),
        ("/retry", Again(anew=False)),
        ("/regenerate", Again(anew=True)),
        ("/retry it, please", Say("/retry it, please")),
        ("/help", Help()),
        ("/usr/bin is a folder", Say("/usr/bin is a folder")),
        ("/queue up, please", Say("/queue up, please")),
    ],
)
def test_a_line_asks_for_something(line: str, asked: object) -> None:
    assert read_line(line) == asked


@pytest.mark.parametrize("line", ["/steer", "/withdraw", "/withdraw x", "/edit 2", "/edit x y"])
def test_a_command_that_lacks_something_is_told_so(line: str) -> None:
    asked = read_line(line)
    assert isinstance(asked, Help)
    assert asked.wrong


def test_where_a_message_stands_is_shown() -> None:
    def shown(kind: str, **event: Any) -> str:
        return ChatView().take(kind, event).plain.strip()

    edited = {"parts": [{"type": "text", "text": "other words"}]}
    assert [
        shown("message.queued", message_id="m", position=2),
        shown("message.queued", message_id="m", position=1, busy="steer"),
        shown("message.queued", message_id="m", position=1, busy="interrupt"),
        shown("message.queued", message_id="m", position=1, message=edited),
        shown("message.rejected", message_id="m", reason="withdrawn"),
        shown("approval.resolved", approved=False, reason="superseded"),
        shown("input.received", value=None, reason="superseded"),
    ] == [
        "(waits for its turn, 2 in the queue)",
        "(joins before the next step)",
        "(stops the turn, and is next)",
        "(number 1 in the queue now says: other words)",
        "(a message was withdrawn)",
        "(the question is superseded by what was said)",
        "(the question is superseded by what was said)",
    ]


def test_the_zone_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoneinfo" / "Europe").mkdir(parents=True)
    (tmp_path / "zoneinfo" / "Europe" / "Berlin").touch()
    link, name, nothing = tmp_path / "localtime", tmp_path / "timezone", tmp_path / "nothing"
    link.symlink_to(tmp_path / "zoneinfo" / "Europe" / "Berlin")
    name.write_text("America/Lima\n")
    monkeypatch.delenv("TZ", raising=False)
    assert [local_zone(link, name), local_zone(nothing, name), local_zone(nothing, nothing)] == [
        "Europe/Berlin",
        "America/Lima",
        None,
    ]
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert local_zone(link, name) == "Asia/Tokyo"
    name.write_text("Nowhere/Nothing")
    monkeypatch.delenv("TZ")
    assert local_zone(nothing, name) is None


@pytest.mark.parametrize(("anew", "named"), [(True, "rewind_id"), (False, "retry_id")])
def test_a_command_whose_answer_is_lost_is_sent_again_as_the_same_command(anew: bool, named: str) -> None:
    sent: list[dict[str, Any]] = []

    def gateway(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
            return httpx2.Response(200, json={"messages": [message]})
        sent.append(json.loads(request.content))
        if len(sent) == 1:
            raise httpx2.ReadError("the answer is lost")
        return httpx2.Response(202, json={"branch": "b2", "turn_id": "t2"})

    with Connection(GatewayAddress("http://gateway", "", ""), httpx2.MockTransport(gateway)) as connection:
        conversation = Conversation(connection, Console(file=io.StringIO()), "s1", 0, None)
        conversation.obey(Again(anew=anew))
        conversation.obey(Again(anew=anew))
    first, repeated, later = sent
    assert repeated == first
    assert later == {**first, named: later[named]}
    assert later[named] != first[named]


@pytest_asyncio.fixture(loop_scope="session")
async def terminal(dev: Dev, tmp_path: Path) -> AsyncIterator[TerminalChat]:
    """Waits for its first line."""
    async with TerminalChat(tmp_path, dev.url) as running:
        await running.until("> ")
        yield running


@pytest.mark.server
async def test_typing_in_the_middle_of_an_answer(
    terminal: TerminalChat, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(STALL, Reply(text="The other one, then."), Reply(text="And later it is."))
    terminal.type("count\r")
    await terminal.until("one two")
    terminal.type("/wait much later\r")
    await terminal.until("(waits for its turn, 1 in the queue)")
    terminal.type("/queue\r")
    await terminal.until("1. much later")
    terminal.type("/edit 1 later\r")
    await terminal.until("now says: later)")
    terminal.type("/interrupt the other one\r")
    await terminal.until("(interrupted)")
    await terminal.until("The other one, then.")
    await terminal.until("And later it is.")
    found = await Sessions(http).snapshot(terminal.session)
    assert [text for role, text in texts(found["messages"]) if role == "user"] == ["count", "the other one", "later"]
    assert found["metadata"].get("timezone") == local_zone()


@pytest.mark.server
async def test_escape_stops_the_answer(terminal: TerminalChat, provider: FakeProvider) -> None:
    provider.script(STALL)
    terminal.type("count\r")
    await terminal.until("one two")
    terminal.type("\x1b")
    await terminal.until("(stopping)")
    await terminal.until("(stopped)")
    await terminal.until("> ")


@pytest.mark.server
async def test_something_else_is_said_at_a_question(
    terminal: TerminalChat, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(Reply(text="", tools=(("ask_user", {"prompt": "Which account?"}),)), Reply(text="That one, then."))
    terminal.type("pay\r")
    await terminal.until("answer > ")
    terminal.type("/steer wait, the other account\r")
    await terminal.until("superseded by what was said")
    await terminal.until("That one, then.")


@pytest.mark.server
async def test_a_line_that_was_begun_goes_with_its_question(
    terminal: TerminalChat, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    asked = (("ask_user", {"prompt": "Which account?"}),)
    provider.script(Reply(text="", tools=asked), Reply(text="That one, then."), Reply(text="And now."))
    terminal.type("pay\r")
    await terminal.until("answer > ")
    terminal.type("the sav")
    await terminal.until("the sav")
    body = {"text": "wait, the other account", "busy": "steer"}
    assert (await http.post(f"/v1/sessions/{terminal.session}/messages", json=body)).status_code == 202
    await terminal.until("superseded by what was said")
    await terminal.until("That one, then.")
    await terminal.until("> ")
    terminal.type("again\r")
    await terminal.until("And now.")
    said = [
        text for role, text in texts((await Sessions(http).snapshot(terminal.session))["messages"]) if role == "user"
    ]
    assert said == ["pay", "wait, the other account", "again"]


@pytest.mark.server
async def test_a_failed_turn_is_run_on_and_an_answer_given_anew(
    terminal: TerminalChat, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(
        Reply(status=400, error="invalid_request_error", message="Not today."),
        Reply(text="Today."),
        Reply(text="Anew."),
    )
    terminal.type("will it\r")
    await terminal.until("Not today.")
    await terminal.until("> ")
    terminal.type("/retry\r")
    await terminal.until("Today.")
    await terminal.until("> ")
    terminal.type("/retry\r")
    await terminal.until("ended well")
    terminal.type("/regenerate\r")
    await terminal.until("Anew.")
    await terminal.until("> ")
    said = texts((await Sessions(http).snapshot(terminal.session))["messages"])
    assert said == [("user", "will it"), ("assistant", "Anew.")]
