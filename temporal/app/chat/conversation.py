"""One session as a terminal has it: what is said, asked and shown.

Rule 1: ids of messages, rewinds and retries are made here, so that what is sent again after a lost answer happens once.
Rule 2: a stream that breaks is taken up at the last event's `seq`.
Rule 3: Ctrl-C while an answer streams stops the turn; the second time, it leaves. At a question it leaves, too, and the
question stays open.
"""

import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.segment import Segments
from rich.text import Text

from perdure.temporal.app.chat.asking import Asking
from perdure.temporal.app.chat.budget import budget_question
from perdure.temporal.app.chat.files import upload
from perdure.temporal.app.chat.instead import Left, SaidInstead
from perdure.temporal.app.chat.keyboard import ESCAPE, Keyboard
from perdure.temporal.app.chat.lines import HELP, Again, Attach, Edit, Help, Line, Say, ShowQueue, Withdraw, read_line
from perdure.temporal.app.chat.markdown import MarkdownStream
from perdure.temporal.app.chat.prompt import Prompt, Settled
from perdure.temporal.app.chat.requests import Requests
from perdure.temporal.app.chat.resuming import Resuming
from perdure.temporal.app.chat.rewind import Rewind, last_said
from perdure.temporal.app.chat.stream import ENDED, LIMITED, SILENT, Frame, InBackground, frames_after
from perdure.temporal.app.chat.view import ChatView
from perdure.temporal.app.chat.waits import SILENCE
from perdure.temporal.app.console.connection import Connection
from perdure.temporal.app.console.gateway import problem_of
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import one_line


class Conversation:
    """`cursor` is the `seq` up to which the session has been shown."""

    def __init__(self, gateway: Connection, console: Console, session: str, cursor: int, turn: str | None) -> None:
        """`turn` is the one that runs already."""
        self.session = session
        self.closed = False
        rewrites = console.is_terminal and not console.is_dumb_terminal
        self.view = ChatView(rewrites=rewrites, markdown=MarkdownStream(console) if rewrites else None)
        self._path = f"/v1/sessions/{session}"
        self._gateway = gateway
        self._console = console
        self._cursor = cursor
        self._keyboard = Keyboard()
        self._prompt = Prompt()
        self.hears_ctrl_c = self._prompt.waking.hears_ctrl_c
        self._requests = Requests(gateway, self._path, self._say)
        self._asking = Asking(self._requests, self._prompt, self._say)
        self._reader: InBackground | None = None
        #: What is waited for: the turn, and the messages from here that are in none yet.
        self._turn = turn
        self._own: set[str] = set()
        self._rewind = Rewind()
        #: Ids of the messages that wait, as they were shown last.
        self._queue: list[str] = []
        #: Parts of the next message.
        self._files: list[dict[str, Any]] = []
        #: Seen to be asked and not seen to be settled, by their ids.
        self._questions: dict[str, dict[str, Any]] = {}
        self._resuming = Resuming()

    def expect(self, questions: list[dict[str, Any]]) -> None:
        """The questions that are open, of a snapshot."""
        self._questions = {question["question_id"]: question for question in questions}
        self._resuming.expect(questions)

    def obey(self, line: Line | None) -> None:
        """Does what a line asks for. What was sent is followed by `follow`."""
        match line:
            case Say():
                self._send(line)
            case ShowQueue():
                self._show_queue()
            case Edit():
                self._change("PUT", line.number, {"text": line.text})
            case Withdraw():
                self._change("DELETE", line.number, None)
            case Again():
                self._regenerate() if line.anew else self._retry()
            case Attach():
                self._attach(line.path)
            case Help():
                self.note(line.wrong or HELP)
            case None:
                pass

    def follow(self) -> None:
        """Shows what happens until what is waited for has ended. Raises KeyboardInterrupt the second time."""
        stopping = False
        while self._waits:
            try:
                if self._questions:
                    self._ask()
                else:
                    self._watch()
            except Left:
                raise KeyboardInterrupt from None
            except KeyboardInterrupt:
                if stopping:
                    raise
                stopping = True
                self._stop("(stopping; once more to leave)")

    def note(self, words: str) -> None:
        """Shows words that are no part of the session."""
        self._say(words, "dim")

    def show_last(self, messages: list[dict[str, Any]], todo: Sequence[dict[str, Any]] = ()) -> None:
        """Messages of a session that is taken up again, and its agent's to-do list."""
        self._show(self.view.transcript(messages, todo))

    @property
    def _waits(self) -> bool:
        waits = self._turn is not None or self._rewind.open or self._resuming.open
        return not self.closed and (waits or bool(self._own) or bool(self._questions))

    def _send(self, line: Say) -> None:
        message = uuid.uuid4().hex
        self._own.add(message)
        self.view.typed.add(message)
        files, self._files = self._files, []
        said = {"parts": [*files, {"type": "text", "text": line.text}]} if files else {"text": line.text}
        body = {"message_id": message, **said, **({"busy": line.busy} if line.busy else {})}
        answer = self._requests.patiently("POST", "messages", body)
        if answer.status_code != 202:
            self._say(problem_of(answer), "red")
            self.closed = self.closed or answer.json().get("code") == "session_closed"
            self._own.discard(message)

    def _show_queue(self) -> None:
        waiting = self._requests.patiently("GET").json().get("queued", ())
        self._queue = [message["id"] for message in waiting]
        if not waiting:
            self.note("(nothing waits)")
        for number, message in enumerate(waiting, 1):
            text = " ".join(part.get("text", f"({part['type']})") for part in message["parts"])
            self.note(f"{number}. {one_line(text, 200)}")

    def _change(self, method: str, number: int, body: dict[str, Any] | None) -> None:
        if not 0 < number <= len(self._queue):
            self._say("no message has this number; /queue shows what waits", "yellow")
            return
        self._requests.taken(method, f"messages/{self._queue[number - 1]}", body)

    def _retry(self) -> None:
        if taken := self._requests.taken("POST", "retry", {"retry_id": uuid.uuid4().hex}):
            self._turn = taken["turn_id"]

    def _regenerate(self) -> None:
        """Goes back to what was said last."""
        page = self._requests.taken("GET", "messages") or {}
        said = last_said(page.get("messages", ()))
        if said is None:
            self._say("nothing was said that could be answered anew", "yellow")
            return
        body = {"rewind_id": uuid.uuid4().hex, "message_id": said}
        if taken := self._requests.taken("POST", "rewind", body):
            self._rewind.begin(taken["branch"])

    def _attach(self, path: str) -> None:
        """Uploads a file, which goes with the next message."""
        try:
            part = upload(self._gateway, path)
        except Refused as refused:
            self._say(str(refused), "red")
            return
        self._files.append(part)
        self.note(f"({part['name']} goes with your next message)")

    def _stop(self, words: str) -> None:
        self._say(words, "yellow")
        self._requests.patiently("POST", "stop", {})

    def _ask(self) -> None:
        """Puts the questions that are still open to whoever sits here. Raises `Left`."""
        stream = self._stream
        asked, self._questions = self._asking.still_open(self._questions), {}
        for question_id, question in tuple(asked.items()):
            del asked[question_id]
            try:
                if self._asking.put(question, partial(self._show_question, question)):
                    self._resuming.answered(question)
            except SaidInstead as said:
                # Whatever is open is settled by it, but for what a handler asks.
                if question.get("subject") == "handler":
                    self.note("(the question stays open)")
                self.obey(said.line)
                return
            except Settled:
                self._say("", "")
                self._questions = asked
                # What became of it is among what has come.
                while (frame := stream.next()) is not None:
                    self._take(*frame)
                return
            except (EOFError, KeyboardInterrupt):
                self._say("\n(the question stays open)", "dim")
                raise Left from None

    def _show_question(self, question: dict[str, Any]) -> None:
        self._show(self.view.question(question))

    def _watch(self) -> None:
        """Shows frames until what is waited for has ended, or a question is open."""
        for frame in self._frames():
            self._take(*frame)
            if self._questions or not self._waits:
                return

    @property
    def _stream(self) -> InBackground:
        """The session's frames after the cursor, read from the first use on."""
        if self._reader is None:
            self._reader = InBackground(frames_after(self._gateway, self._path, self._cursor), self._arrived)
        return self._reader

    def _arrived(self, frame: Frame | None) -> None:
        """Called in the thread that reads."""
        self._keyboard.wake()
        if frame is not None:
            kind, _, data = frame
            self._prompt.take(kind, data)

    def _frames(self) -> Iterator[Frame]:
        stream = self._stream
        while True:
            frame = stream.next() if self._keyboard.works else stream.wait()
            if frame is not None:
                yield frame
            elif (key := self._keyboard.key()) == ESCAPE:
                self._stop("(stopping)")
            elif key is not None:
                self._type(key)

    def _type(self, begun: str) -> None:
        """Lets a line be typed in the middle of an answer, which waits for it. Ctrl-C gives the line up."""
        self._show(self.view.interrupted())
        try:
            self.obey(read_line(self._keyboard.line(begun)))
        except (EOFError, KeyboardInterrupt):
            self.note("")

    def _take(self, kind: str, seq: int | None, data: dict[str, Any]) -> None:
        if kind == SILENT:
            self._say(SILENCE, "dim")
            return
        if kind == LIMITED:
            self._say(data["words"], "dim")
            return
        if kind == ENDED:
            self.closed = True
            return
        self._show(self.view.take(kind, data))
        self._cursor = max(self._cursor, seq or 0)
        self._turn = self._rewind.take(kind, data) or self._resuming.take(kind, data) or self._turn
        match kind:
            case "message.added" if data["message"]["id"] in self._own:
                self._own.discard(data["message"]["id"])
                self._turn = data["turn_id"]
            case "message.rejected":
                self._own.discard(data["message_id"])
            case "turn.finished" if data["turn_id"] == self._turn:
                self._turn = None
            case "approval.requested" | "input.requested":
                self._questions[data["question_id"]] = {**data, "kind": kind.partition(".")[0]}
            case "budget.paused":
                self._questions[data["question_id"]] = budget_question(data)
            case "approval.resolved" | "input.received" | "budget.raised":
                self._questions.pop(data.get("question_id", ""), None)
            case "session.snapshot":
                self._cursor = data["seq"]
                self.expect(data["questions"])
                self._wait_as_of(data)
            case "session.closed":
                self.closed = True

    def _wait_as_of(self, snapshot: dict[str, Any]) -> None:
        """The events in between are no longer kept; the snapshot tells what became of what is waited for."""
        for message in snapshot["messages"]:
            if message["id"] in self._own:
                self._own.discard(message["id"])
                self._turn = message["turn_id"]
        if self._turn != snapshot["turn_id"]:
            self._turn = None

    def _say(self, words: str, style: str) -> None:
        self._show(self.view.note(words, style))

    def _show(self, text: Text) -> None:
        # As it is: rendering a Text would take white space from the end of a long fragment.
        self._console.print(Segments(text.render(self._console)), end="")
