"""The parts of a Chat Completions answer while they arrive: one text, one reasoning, and the tool calls. Pure and total.

Methods return what viewers are shown of what they take.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from perdure.activities.models.growing_text import GrowingText
from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.think_tags import Piece, ThinkTags
from perdure.activities.models.wire import Delta
from perdure.activities.models.wires.openai_chat_call import API, MESSAGE, ArrivingCall
from perdure.activities.models.wires.openai_chat_calls import ArrivingCalls
from perdure.activities.models.wires.openai_chat_files import picture
from perdure.activities.models.wires.openai_chat_members import Members
from perdure.activities.models.wires.openai_chat_reasoning import ArrivingReasoning
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import File, Native, Part, Reasoning, Text, ToolCall


class _Written:
    """Text or reasoning that is arriving."""

    def __init__(self, kind: Literal["text", "reasoning"], part: int) -> None:
        self.kind = kind
        self.part = part
        self.text = GrowingText()
        #: Half a character, whose other half is to come.
        self.half = ""
        #: It came as text, and turned out to be reasoning.
        self.turned = False

    def add(self, text: str) -> str:
        """Takes a fragment, and returns what can be shown. Some servers cut emojis into halves."""
        if not text.isascii() or self.half:
            text = self.half + text
            self.half = text[-1] if "\ud800" <= text[-1] < "\udc00" else ""
            text = text[: len(text) - len(self.half)]
            text = encodable(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
        self.text.add(text)
        return text


class ArrivingParts:
    def __init__(self, tools: frozenset[str]) -> None:
        """`tools` are the names of those on offer."""
        self._tools = tools
        self._parts: list[_Written | ArrivingCall | File] = []
        self._calls = ArrivingCalls(tools)
        self._reasoning = ArrivingReasoning()
        self._tags = ThinkTags()
        #: Members of the message that its server alone understands.
        self.members = Members()
        #: Pieces of calls whose shape nobody knows.
        self.skipped = 0

    def text(self, text: str) -> Iterator[Delta]:
        """Text, in which there may be reasoning between tags."""
        return self._pieces(self._tags.take(text))

    def refusal(self, text: str) -> Iterator[Delta]:
        if text:
            yield from self._write("text", text)

    def reasoning(self, message: Mapping[str, Any]) -> Iterator[Delta]:
        """The reasoning in a fragment of a message, beside its content."""
        return self._reason(self._reasoning.take(message))

    def reasoning_part(self, part: Mapping[str, Any]) -> Iterator[Delta]:
        """The reasoning in a part of the content."""
        return self._reason(self._reasoning.take_part(part))

    def calls(self, entries: object) -> Iterator[Delta]:
        for taken in self._calls.take(entries):
            if taken is None:
                self.skipped += 1
                continue
            call, new = taken
            if call.part is not None:
                if new:
                    yield Delta(call.part, "tool_input", new)
            elif call.name and (call.name in self._tools or call.has_arguments):
                # Before that, a name may be only the beginning of one.
                yield self._show(call)

    def picture(self, part: Any) -> bool:
        """Takes a picture that the model made. Returns whether `part` is one."""
        files = [part for part in self._parts if isinstance(part, File)]
        file = picture(part, len(files) + 1)
        # Some servers send it once more with the last chunk.
        if file is not None and all(file.uri != other.uri for other in files):
            self._parts.append(file)
        return file is not None

    def rest(self) -> list[Delta]:
        """What was held back, once the stream has ended."""
        deltas = list(self._pieces(self._tags.end()))
        return deltas + [self._show(call) for call in self._calls.different() if call.part is None]

    @property
    def said(self) -> str:
        """The text so far."""
        return next((part.text.text for part in self._of("text")), "")

    @property
    def lost_calls(self) -> int:
        """Calls that are none: without a name, or the same as another."""
        return len(self._calls) - len(self._calls.different())

    def finished(self, step_id: str) -> list[Part]:
        parts = list(self._finished(step_id))
        members = self.members.whole()
        # The first part that goes back in any case bears what else the message held.
        bearer = next((part for part in parts if isinstance(part, Text | ToolCall)), None)
        if not members or bearer is None:
            return parts
        block = {**(bearer.native.block if bearer.native else {}), MESSAGE: members}
        bearing = bearer.model_copy(update={"native": Native(api=API, block=block)})
        return [bearing if part is bearer else part for part in parts]

    def _finished(self, step_id: str) -> Iterator[Part]:
        calls = self._calls.different()
        numbers = {id(call): number for number, call in enumerate(calls, 1)}
        block = self._reasoning.block(with_calls=bool(calls))
        native = Native(api=API, block=block) if block else None
        if native and not any(self._of("reasoning")):
            # Reasoning that nobody can read, but its server.
            yield Reasoning(native=native)
        for part in self._parts:
            match part:
                case File():
                    yield part
                case ArrivingCall() if id(part) in numbers:
                    yield part.finished(call_id(step_id, numbers[id(part)]))
                case _Written(kind="reasoning"):
                    text = part.text.text
                    yield Reasoning(text=text.strip() if part.turned else text, native=native)
                case _Written() if len(part.text):
                    yield Text(text=part.text.text)
                case _:
                    pass

    def _reason(self, text: str) -> Iterator[Delta]:
        if text:
            self._tags.reasoned = True
            yield from self._write("reasoning", text)

    def _pieces(self, pieces: list[Piece]) -> Iterator[Delta]:
        for kind, text in pieces:
            if kind != "text":
                self._reasoning.take_tagged(self._tags.pair)
            if kind == "turned":
                for written in self._of("text"):
                    written.kind, written.turned = "reasoning", True
            else:
                yield from self._write(kind, text)

    def _write(self, kind: Literal["text", "reasoning"], text: str) -> Iterator[Delta]:
        written = next(self._of(kind), None)
        if written is None:
            written = _Written(kind, len(self._parts))
            self._parts.append(written)
        shown = written.add(text)
        if shown:
            yield Delta(written.part, kind, shown)

    def _show(self, call: ArrivingCall) -> Delta:
        call.part = len(self._parts)
        self._parts.append(call)
        return Delta(call.part, "tool_input", call.so_far, call.name)

    def _of(self, kind: Literal["text", "reasoning"]) -> Iterator[_Written]:
        return (part for part in self._parts if isinstance(part, _Written) and part.kind == kind)
