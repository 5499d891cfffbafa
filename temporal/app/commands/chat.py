"""`perdure chat`: a conversation in the terminal, over the gateway's HTTP.

Rule 1: ids of sessions and messages are made here, so that what is sent again after a lost answer happens once.
Rule 2: a stream that breaks is taken up at the last event's `seq`. Only what was asked first may fail for good.
Rule 3: Ctrl-C while an answer streams stops the turn; at the prompt, and the second time, it leaves. At a question it leaves,
too, and the question stays open.
"""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
from rich.console import Console
from rich.segment import Segments
from rich.text import Text

from perdure.temporal.app.chat.files import path_in, upload
from perdure.temporal.app.chat.markdown import MarkdownStream
from perdure.temporal.app.chat.questions import answer_to
from perdure.temporal.app.chat.view import ChatView
from perdure.temporal.app.console.gateway import gateway_address, problem_of
from perdure.temporal.app.console.refused import Refused
from perdure.workflows.vocabulary.questions import Shortfall

#: Longer than the gateway is silent: it sends a comment every 15 s.
_TIMEOUT: Final = httpx2.Timeout(40, connect=5)
_WAITS_S: Final = (0.3, 0.5, 1.0, 2.0)
_AWAY: Final = (httpx2.TransportError, httpx2.RemoteProtocolError)
_HELP: Final = """\
What you type is sent with Enter. While an answer streams, Ctrl-C stops it.
At the prompt, Ctrl-C or Ctrl-D leaves; the session stays.
At a question, answer by a number or in words, or decline it with /decline.
/file PATH sends a file with your next message.
/help shows this."""
#: Messages shown of a session that is taken up again.
_LAST: Final = 6


def chat(session: str | None, agent: str, url: str | None, data_dir: Path | None) -> None:
    """Takes up `session`, or begins a new one of `agent`, and talks until the person leaves.

    `url` and `data_dir` say where the gateway is, see `console.gateway`. Raises `Refused`."""
    gateway = gateway_address(url, data_dir)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    with httpx2.Client(base_url=gateway.url, timeout=_TIMEOUT) as http:
        try:
            conversation = _take_up(http, console, session) if session else _begin(http, console, agent)
        except _AWAY as error:
            raise gateway.away(error) from None
        converse(conversation)
        console.print(
            f"\nperdure chat {conversation.session}{gateway.options} takes this session up again", style="dim"
        )


def converse(conversation: "Conversation") -> None:
    """Reads lines until the input ends, the session is closed or Ctrl-C is pressed while nothing runs."""
    try:
        conversation.follow()
        while not conversation.closed:
            line = input("> ")
            if line.strip() == "/help":
                conversation.note(_HELP)
            elif (path := path_in(line)) is not None:
                conversation.attach(path)
            elif line.strip():
                conversation.say(line)
    except (EOFError, KeyboardInterrupt):
        pass


def events_in(lines: Iterator[str]) -> Iterator[tuple[str, int | None, dict[str, Any]]]:
    """Type, `seq` (None for live frames) and data of each frame of an event stream."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line:
            fields[name] = value.removeprefix(" ")
            continue
        if "data" in fields:
            yield fields.get("event", ""), int(fields["id"]) if "id" in fields else None, json.loads(fields["data"])
        fields = {}


class Left(Exception):
    """Whoever was asked went away; the question stays open."""


class Conversation:
    """One session as this terminal sees it. `cursor` is the `seq` up to which it has been shown."""

    def __init__(self, http: httpx2.Client, console: Console, session: str, cursor: int, turn: str | None) -> None:
        """`turn` is the one that runs already."""
        self.session = session
        self.closed = False
        rewrites = console.is_terminal and not console.is_dumb_terminal
        self.view = ChatView(rewrites=rewrites, markdown=MarkdownStream(console) if rewrites else None)
        self._path = f"/v1/sessions/{session}"
        self._http = http
        self._console = console
        self._cursor = cursor
        #: What is waited for: the turn, and until it has one, the message.
        self._turn = turn
        self._message: str | None = None
        #: Parts of the next message.
        self._files: list[dict[str, Any]] = []
        #: Seen to be asked and not seen to be settled, by their ids.
        self._questions: dict[str, dict[str, Any]] = {}

    def attach(self, path: str) -> None:
        """Uploads a file, which goes with the next message."""
        try:
            part = upload(self._http, path)
        except Refused as refused:
            self._say(str(refused), "red")
            return
        self._files.append(part)
        self.note(f"({part['name']} goes with your next message)")

    def say(self, text: str) -> None:
        """Sends a message and shows what happens until its turn has ended."""
        self._message, self._turn = uuid.uuid4().hex, None
        self.view.typed.add(self._message)
        files, self._files = self._files, []
        said = {"parts": [*files, {"type": "text", "text": text}]} if files else {"text": text}
        body = {"message_id": self._message, **said}
        answer = self._patiently("POST", f"{self._path}/messages", body)
        if answer.status_code != 202:
            self._say(problem_of(answer), "red")
            self.closed = self.closed or answer.json().get("code") == "session_closed"
            self._message = None
            return
        self.follow()

    def follow(self) -> None:
        """Shows what happens until what is waited for has ended. Raises KeyboardInterrupt the second time."""
        stopping = False
        while self._waits:
            try:
                if self._questions:
                    self._ask()
                self._stream()
            except Left:
                raise KeyboardInterrupt from None
            except KeyboardInterrupt:
                if stopping:
                    raise
                stopping = True
                self._say("(stopping; once more to leave)", "yellow")
                self._patiently("POST", f"{self._path}/stop", {})

    def expect(self, questions: list[dict[str, Any]]) -> None:
        """The questions that are open, of a snapshot."""
        self._questions = {question["question_id"]: question for question in questions}

    def _ask(self) -> None:
        """Puts the questions that are still open to whoever sits here. Raises `Left`."""
        asked, self._questions = self._questions, {}
        answer = self._patiently("GET", self._path, None)
        open_ids = {question["question_id"] for question in answer.json().get("questions", ())}
        for question_id, question in asked.items():
            while question_id in open_ids:
                self._show(self.view.question(question))
                try:
                    body = answer_to(question, input, lambda words: self._say(words, ""))
                except (EOFError, KeyboardInterrupt):
                    self._say("\n(the question stays open)", "dim")
                    raise Left from None
                given = self._patiently("POST", f"{self._path}/answers", {"question_id": question_id, **body})
                if given.status_code != 202:
                    second = given.status_code == 409
                    self._say("(somebody else has answered already)" if second else problem_of(given), "yellow")
                if given.status_code != 422:
                    break

    @property
    def _waits(self) -> bool:
        return not self.closed and (self._turn is not None or self._message is not None)

    def _stream(self) -> None:
        """Reads the stream until what is waited for has ended, however often it breaks."""
        failures = 0
        while self._waits:
            try:
                headers = {"Last-Event-ID": str(self._cursor)}
                with self._http.stream("GET", f"{self._path}/events", headers=headers) as response:
                    if response.status_code == 204:
                        self.closed = True
                        return
                    if response.status_code == 200:
                        for kind, seq, data in events_in(response.iter_lines()):
                            failures = 0
                            self._take(kind, seq, data)
                            if self._questions or not self._waits:
                                return
                    elif response.status_code < 500 and response.status_code != 429:
                        response.read()
                        raise Refused(problem_of(response))
            except _AWAY:
                pass
            self._pause(failures)
            failures += 1

    def _take(self, kind: str, seq: int | None, data: dict[str, Any]) -> None:
        self._show(self.view.take(kind, data))
        self._cursor = max(self._cursor, seq or 0)
        match kind:
            case "message.added" if data["message"]["id"] == self._message:
                self._message, self._turn = None, data["turn_id"]
            case "message.rejected" if data["message_id"] == self._message:
                self._message = None
            case "turn.finished" if data["turn_id"] == self._turn:
                self._turn = None
            case "approval.requested" | "input.requested":
                self._questions[data["question_id"]] = {**data, "kind": kind.partition(".")[0]}
            case "budget.paused":
                short = {name: data[name] for name in Shortfall.model_fields if name in data}
                self._questions[data["question_id"]] = {**data, "kind": "budget", "budget": short}
            case "session.snapshot":
                self._cursor = data["seq"]
                self.expect(data["questions"])
                self._wait_as_of(data)
            case "session.closed":
                self.closed = True

    def _wait_as_of(self, snapshot: dict[str, Any]) -> None:
        """The events in between are no longer kept; the snapshot tells what became of what is waited for."""
        for message in snapshot["messages"]:
            if message["id"] == self._message:
                self._message, self._turn = None, message["turn_id"]
        if self._turn != snapshot["turn_id"]:
            self._turn = None

    def _patiently(self, method: str, path: str, body: dict[str, Any] | None) -> httpx2.Response:
        """Sends until somebody answers; what is sent twice happens once."""
        failures = 0
        while True:
            try:
                answer = self._http.request(method, path, json=body)
                if answer.status_code not in (429, 502, 503, 504):
                    return answer
            except _AWAY:
                pass
            self._pause(failures)
            failures += 1

    def _pause(self, failures: int) -> None:
        if failures == 1:
            # The first time, a stream that was cut is simply taken up again.
            self._say("(the gateway does not answer; trying again)", "dim")
        time.sleep(_WAITS_S[min(failures, len(_WAITS_S) - 1)])

    def note(self, words: str) -> None:
        """Shows words that are no part of the session."""
        self._say(words, "dim")

    def _say(self, words: str, style: str) -> None:
        self._show(self.view.note(words, style))

    def _show(self, text: Text) -> None:
        _show(self._console, text)


def _begin(http: httpx2.Client, console: Console, agent: str) -> Conversation:
    answer = http.post("/v1/sessions", json={"agent": agent, "session_id": uuid.uuid4().hex})
    if answer.status_code not in (200, 201):
        raise Refused(problem_of(answer))
    session = answer.json()["session_id"]
    serves = http.get(f"/v1/agents/{agent}")
    demo = " (no key for its provider: the demo model answers)" if serves.is_success and serves.json()["demo"] else ""
    console.print(f"{agent}, session {session}{demo}\n/help says what you can type", style="dim")
    return Conversation(http, console, session, 0, None)


def _take_up(http: httpx2.Client, console: Console, session: str) -> Conversation:
    # A new conversation need not wait until this is loaded.
    from perdure.temporal.app.console.direct import checked_id

    answer = http.get(f"/v1/sessions/{checked_id(session, 'session')}")
    if answer.status_code != 200:
        raise Refused(problem_of(answer))
    snapshot = answer.json()
    console.print(f"{snapshot['agent']}, session {session}, {snapshot['status']}", style="dim")
    conversation = Conversation(http, console, session, snapshot["seq"], snapshot["turn_id"])
    conversation.closed = snapshot["status"] == "closed"
    conversation.expect(snapshot["questions"])
    _show(console, conversation.view.transcript(snapshot["messages"][-_LAST:]))
    return conversation


def _show(console: Console, text: Text) -> None:
    # As it is: rendering a Text would take white space from the end of a long fragment.
    console.print(Segments(text.render(console)), end="")
