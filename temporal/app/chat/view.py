"""What a terminal chat shows: a fold of a session's events and live frames into text. Pure.

Rule 1: what was printed stays printed. A step's parts grow; where a snapshot or the finished message says otherwise
than what is there, the answer is printed anew, with a word on why. Only progress and the open block of an answer are written
over, where a terminal can.
Rule 2: each `take` returns what to print next, line feeds and all; the view remembers whether a line is open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.text import Text

from perdure.temporal.app.chat.markdown import MarkdownStream
from perdure.temporal.app.chat.questions import headline
from perdure.temporal.app.chat.todo import todo_text
from perdure.temporal.app.chat.workers import missing_words
from perdure.temporal.app.console.terminal import arguments, dollars, duration, one_line, plain, result, tokens

_STYLES: Final = {"text": "", "reasoning": "dim italic"}
#: Why a turn ended, where it did not simply end.
_ENDS: Final = {
    "stopped": "stopped",
    "interrupted": "interrupted",
    "budget": "stopped: the next step could cost more than its limit",
    "max_steps": "stopped: it took as many steps as it may",
    "parked": "waits",
    "failed": "failed",
}

#: Why a question is open no more though nobody answered it.
_TAKEN_BACK: Final = {
    "superseded": "(the question is superseded by what was said)",
    "stopped": "(the question is taken back, for the turn was stopped)",
}

Event = Mapping[str, Any]


@dataclass(slots=True)
class ChatView:
    #: Messages that are on the screen already, because they were typed here.
    typed: set[str] = field(default_factory=set)
    #: The screen is a terminal, which goes back to the start of a line.
    rewrites: bool = False
    #: Renders answers; None: they are shown as they come.
    markdown: MarkdownStream | None = None
    #: Names of the tools that run, and what they said last.
    _tools: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: The line holds progress, which the next text takes the place of.
    _passing: bool = False
    _step: str | None = None
    #: What is printed of the step that streams, by the number of the part.
    _printed: dict[int, str] = field(default_factory=dict)
    _part: int | None = None
    #: The cursor stands at the end of a line that has begun.
    _open: bool = False

    def take(self, kind: str, event: Event) -> Text:
        """The event's or frame's `event:` and `data:`; what there is to print, often nothing."""
        match kind:
            case "step.delta":
                return self._delta(event)
            case "step.snapshot":
                return self._parts(event["step_id"], event["parts"])
            case "step.finished":
                return self._finished(event)
            case "message.added":
                return self._message(event["message"])
            case "message.queued":
                return self._line(_queued(event), "dim")
            case "message.rejected":
                return self._line(_rejected(event["reason"]), "yellow")
            case "input.received":
                return self._line(_received(event), "dim")
            case "tool.progress":
                return self._progress(event)
            case "approval.resolved":
                return self._line(_resolved(event), "dim")
            case "budget.raised":
                return self._line(_raised(event), "dim")
            case "todo.updated":
                return self._line(todo_text(event["items"]), "dim")
            case "tool.started" | "tool.finished" if event.get("block", {}).get("display") == "hidden":
                return Text()
            case "tool.started":
                self._tools[event["call_id"]] = (event["name"], "")
                return self._line(f"⚙ {plain(event['name'])}({arguments(event['args'])})", "magenta")
            case "tool.finished":
                return self._tool(event)
            case "turn.finished":
                return self._turn(event)
            case "model.switched":
                return self._line(f"(model: {plain(event['to'])})", "dim")
            case "agent.updated":
                return self._line("(the agent's definition has changed)", "dim")
            case "workers.state":
                return self._line(missing_words(event["missing"]), "yellow" if event["missing"] else "dim")
            case "session.snapshot":
                note = self._line("(the session went on meanwhile; this is how it stands)", "dim")
                return note.append_text(self.transcript(event["messages"][-6:], event.get("todo", ())))
            case "session.closed":
                return self._line("the session is closed", "yellow")
            case _:
                return Text()

    def transcript(self, messages: Sequence[Event], todo: Sequence[Event] = ()) -> Text:
        """Messages of a session that is taken up again, and its agent's to-do list."""
        shown = Text()
        for message in messages:
            shown.append_text(self._message(message))
        return shown.append_text(self._line(todo_text(todo), "dim")) if todo else shown

    def question(self, question: Event) -> Text:
        """What is asked, before it is asked."""
        until = f", until {question['expires_at'][:16].replace('T', ' ')} UTC" if question.get("expires_at") else ""
        return self._line(f"{headline(question)}{until}", "bold yellow")

    def interrupted(self) -> Text:
        """The start of a line for whoever types in the middle of an answer."""
        return self._close_line()

    def note(self, words: str, style: str = "dim") -> Text:
        """A line of our own."""
        return self._line(words, style)

    def _delta(self, frame: Event) -> Text:
        self._begin(frame["step_id"])
        if frame["kind"] not in _STYLES:
            return Text()
        return self._grow(frame["part"], frame["kind"], frame["delta"])

    def _parts(self, step_id: str, parts: Sequence[Event]) -> Text:
        """The step's parts as they stand now: prints what is not there yet."""
        self._begin(step_id)
        wanted = {n: part for n, part in enumerate(parts) if part["type"] in _STYLES}
        shown = Text()
        if any(not str(wanted.get(n, {}).get("text", "")).startswith(text) for n, text in self._printed.items()):
            shown.append_text(self._line("(the answer begins again)", "dim"))
            self._printed, self._part = {}, None
        for number, part in wanted.items():
            missing = part["text"][len(self._printed.get(number, "")) :]
            if missing:
                shown.append_text(self._grow(number, part["type"], missing))
        return shown

    def _grow(self, number: int, kind: str, text: str) -> Text:
        shown = self._close_line() if self._part not in (None, number) else Text()
        self._part = number
        self._printed[number] = self._printed.get(number, "") + text
        safe = plain(text)
        if self.markdown is not None and kind == "text":
            return shown.append_text(self.markdown.write(safe))
        if safe:
            self._open = not safe.endswith("\n")
        return shown.append(safe, style=_STYLES[kind])

    def _begin(self, step_id: str) -> None:
        if self._step != step_id:
            self._step, self._printed, self._part = step_id, {}, None

    def _finished(self, event: Event) -> Text:
        shown = self._parts(event["step_id"], event["message"]["parts"]).append_text(self._close_line())
        self._step, self._printed, self._part = None, {}, None
        return shown

    def _message(self, message: Event) -> Text:
        if message["id"] in self.typed:
            return Text()
        shown = self._close_line()
        for part in message["parts"]:
            match part["type"]:
                case "text" if message["role"] == "assistant" and self.markdown is not None:
                    shown.append_text(self.markdown.render(plain(part["text"])))
                case "text":
                    prompt = ("> ", "bold") if message["role"] == "user" else ""
                    shown.append_text(Text.assemble(prompt, plain(part["text"]), "\n"))
                case "tool_result":
                    shown.append_text(self._outcome(part, ""))
                case "file":
                    shown.append(f"> file {plain(part['name'])}\n", style="bold")
                case _:
                    pass
        return shown

    def _progress(self, frame: Event) -> Text:
        name, before = self._tools.get(frame["call_id"], ("", ""))
        share = "" if frame.get("fraction") is None else f"{frame['fraction']:.0%}"
        words = one_line(" ".join(word for word in (share, frame.get("message") or "") if word), 70)
        if not name or words == before:
            return Text()
        self._tools[frame["call_id"]] = (name, words)
        line = f"  {plain(name)}: {words}"
        if not self.rewrites:
            return self._line(line, "dim")
        shown = self._close_line().append(line, style="dim")
        self._open = self._passing = True
        return shown

    def _tool(self, event: Event) -> Text:
        self._tools.pop(event["call_id"], None)
        return self._close_line().append_text(self._outcome(event["result"], f" in {duration(event['duration_ms'])}"))

    def _outcome(self, part: Event, took: str) -> Text:
        failed = bool(part["is_error"])
        word = f"{'✗' if failed else '✓'} {plain(part['name'])}{took}: {result(part)}"
        return Text(f"{word}\n", style="red" if failed else "magenta")

    def _turn(self, event: Event) -> Text:
        shown = Text()
        reason = event["reason"]
        if reason != "done":
            error = event.get("error")
            why = f": {one_line(error['message'], 300)}" if error else ""
            shown.append_text(
                self._line(f"({_ENDS.get(reason, reason)}{why})", "red" if reason == "failed" else "yellow")
            )
        # A turn without a model call, as where going back was declined, has no numbers.
        if event["usage"]["input_tokens"] or event["usage"]["output_tokens"] or event["cost_usd"]:
            shown.append_text(self._line(f"{tokens(event['usage'])}, {dollars(event['cost_usd'])}", "dim"))
        return shown

    def _line(self, words: str, style: str) -> Text:
        return self._close_line().append(f"{words}\n", style=style)

    def _close_line(self) -> Text:
        if self.markdown is not None and self.markdown.is_open:
            return self.markdown.end()
        shown = Text("\x1b[1G\x1b[K" if self._passing else "\n" if self._open else "")
        self._open = self._passing = False
        return shown


def _raised(event: Event) -> str:
    who = _by(event)
    if event["limit"] == "provider":
        return f"(the step is tried again, as decided{who})"
    if event.get("this_turn"):
        return f"(allowed for this turn{who})"
    if event.get("value") is None:
        return f"(the {event['scope']}'s {event['limit']} is lifted{who}: there is no cap any more)"
    return f"(the {event['scope']}'s {event['limit']} is raised{who})"


def _queued(event: Event) -> str:
    if event.get("message"):
        text = " ".join(part.get("text", "") for part in event["message"]["parts"])
        return f"(number {event['position']} in the queue now says: {one_line(text, 200)})"
    match event.get("busy"):
        case "steer":
            return "(joins before the next step)"
        case "interrupt":
            return "(stops the turn, and is next)"
        case _:
            return f"(waits for its turn, {event['position']} in the queue)"


def _rejected(reason: str) -> str:
    if reason == "withdrawn":
        return "(a message was withdrawn)"
    return f"(a message was not taken: {reason})"


def _resolved(event: Event) -> str:
    who, reason = _by(event), event.get("reason")
    late = not who and reason == "expired"
    if event["approved"]:
        return "(allowed, for nobody answered in time)" if late else f"(allowed{who})"
    if late:
        return "(not allowed, for nobody answered in time)"
    if not who and reason in _TAKEN_BACK:
        return _TAKEN_BACK[reason]
    return f"(not allowed{who}{_why(reason)})"


def _received(event: Event) -> str:
    who, reason = _by(event), event.get("reason")
    if reason == "settled":
        return f"(the question is settled{who}: the turn goes on without an answer)"
    if not who and reason in _TAKEN_BACK:
        return _TAKEN_BACK[reason]
    if not who and reason == "expired":
        return "(nobody answered in time)"
    if reason == "declined":
        return f"(declined{who})"
    if reason or event["value"] == {"approved": False}:
        return f"(declined{who}{_why(reason)})"
    if not who and event["value"] is None:
        return "(nobody answered in time)"
    return f"(answered{who})"


def _by(event: Event) -> str:
    return f" by {plain(event['by']['subject'])}" if event.get("by") else ""


def _why(reason: str | None) -> str:
    return f": {one_line(reason, 300)}" if reason else ""
