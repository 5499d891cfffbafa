"""An answer of Chat Completions, put together from the events of its stream. Pure.

Rule 1: an answer is whole when a choice gave its reason to end, when `[DONE]` came, or when it was one whole message. The end
of the connection alone means nothing.
Rule 2: nothing else is required. A shape that nobody knows is passed over and counted. What raises is an error that the
server reports, an answer that it gave up, and one that is not whole.
Rule 3: an event that was damaged on its way may have been a piece of a call, so an answer with calls is not whole then.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from perdure.activities.models.failures import StreamTruncated
from perdure.activities.models.growing_text import GrowingText
from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.sse_events import SseEvent
from perdure.activities.models.stop_words import ending, is_bad, says_nothing
from perdure.activities.models.think_tags import Piece, ThinkTags
from perdure.activities.models.token_counts import in_chunk, merged, timed
from perdure.activities.models.wire import Answer, Delta
from perdure.activities.models.wires.openai_chat_call import API, MESSAGE, ArrivingCall
from perdure.activities.models.wires.openai_chat_calls import ArrivingCalls
from perdure.activities.models.wires.openai_chat_members import Members
from perdure.activities.models.wires.openai_chat_reasoning import KEYS, ArrivingReasoning
from perdure.activities.models.wires.openai_stream_errors import reported
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import Native, Part, Reasoning, Text, ToolCall, ToolSpec, Usage

_READ: Final = KEYS | {"content", "refusal", "tool_calls", "function_call"}
#: Members of a message that say something about the answer, and that no server takes back.
_REMARKS: Final = frozenset(
    ("role", "index", "name", "annotations", "citations", "logprobs", "token_ids", "obfuscation", "channel", "audio")
)
#: Types of the parts of a content that is a list.
_TEXTS: Final = ("text", "output_text", "text_delta")
_THOUGHTS: Final = ("thinking", "reasoning", "thought")
#: Members of a chunk without choices that are expected.
_CHUNKS: Final = frozenset(("usage", "x_groq", "timings", "prompt_filter_results", "choices"))


class _Written:
    """Text or reasoning that is arriving."""

    def __init__(self, kind: Literal["text", "reasoning"], part: int) -> None:
        self.kind = kind
        self.part = part
        self.text = GrowingText()
        #: It came as text, and turned out to be reasoning.
        self.turned = False


class ArrivingAnswer:
    """The state of an answer between two events: text, reasoning, and the tool calls.

    `take` and `rest` return what viewers are shown of it."""

    def __init__(self, step_id: str, model: str, tools: tuple[ToolSpec, ...]) -> None:
        self._step_id = step_id
        self._model = model
        self._tools = tools
        self._names = frozenset(tool.name for tool in tools)
        self._parts: list[_Written | ArrivingCall] = []
        self._calls = ArrivingCalls(self._names)
        self._reasoning = ArrivingReasoning()
        self._tags = ThinkTags()
        self._members = Members()
        self._usage = Usage()
        self._timed: Usage | None = None
        self._choice: object = None
        self._finish: str | None = None
        self._refused = False
        self._streamed = False
        self._messages = 0
        self._damaged = False
        self._skipped = 0
        #: `[DONE]` came.
        self.done = False

    def take(self, event: SseEvent) -> list[Delta]:
        """Raises `ProviderError` if the event is an error."""
        if event.kind == "done":
            self.done = True
            return []
        error = reported(event)
        if error is not None:
            raise error
        if event.kind != "object":
            self._skipped += 1
            # Words in place of JSON are a sign of life. What was to be JSON is a loss.
            self._damaged = self._damaged or (event.kind == "damaged" and event.text.lstrip()[:1] in ("", "{", "["))
            return []
        return list(self._chunk(event.value))

    def rest(self) -> list[Delta]:
        """What was held back, once the stream has ended."""
        deltas = list(self._pieces(self._tags.end()))
        return deltas + [self._show(call) for call in self._calls.different() if call.part is None]

    def whole(self) -> Answer:
        """Raises `StreamTruncated`, or `AnswerAborted`."""
        calls = self._calls.different()
        if (self._finish is None and not self.done and not self._messages) or (calls and self._damaged):
            raise StreamTruncated
        skipped = self._skipped + len(self._calls) - len(calls)
        # Without a reason, the text counts as complete, and so do calls whose arguments are.
        word = "refusal" if self._refused else self._finish or ("" if calls else "stop")
        end = ending(word, self._with_members(list(self._finished())), self._tools)
        usage = self._usage if self._usage != Usage() else self._timed or Usage()
        return Answer(end.parts, self._model, usage, end.stop, end.word, skipped=skipped)

    def _chunk(self, chunk: Mapping[str, Any]) -> Iterator[Delta]:
        if "usage" in chunk or "x_groq" in chunk or chunk.get("choices"):
            usage = in_chunk(chunk)
            if usage is not None:
                self._usage = merged(self._usage, usage)
        if "timings" in chunk:
            self._timed = timed(chunk["timings"]) or self._timed
        if self.done:
            return
        model = chunk.get("model")
        if model and isinstance(model, str):
            self._model = encodable(model)
        choices = chunk.get("choices")
        if isinstance(choices, Mapping):
            choices = [choices]
        elif choices is None and ("message" in chunk or "delta" in chunk):
            choices = [chunk]
        if not isinstance(choices, list):
            self._skipped += choices is not None or not _CHUNKS & chunk.keys()
            return
        for choice in choices:
            if isinstance(choice, Mapping) and self._is_ours(choice):
                yield from self._take(choice)
            else:
                self._skipped += 1

    def _is_ours(self, choice: Mapping[str, Any]) -> bool:
        """Only one answer is asked for. Servers that give more number them."""
        index = choice.get("index")
        if index is None:
            return True
        self._choice = index if self._choice is None else self._choice
        return bool(index == self._choice)

    def _take(self, choice: Mapping[str, Any]) -> Iterator[Delta]:
        delta, message = choice.get("delta"), choice.get("message")
        word = choice.get("finish_reason") or choice.get("finishReason") or choice.get("done_reason")
        if isinstance(delta, Mapping) and (not isinstance(message, Mapping) or _says(delta)):
            self._streamed = self._streamed or _says(delta)
            yield from self._message(delta)
        elif isinstance(message, Mapping):
            yield from self._whole(message, ends=bool(word))
        elif isinstance(choice.get("text"), str):
            yield from self._pieces(self._tags.take(choice["text"]))
        elif delta is not None or message is not None:
            self._skipped += 1
        if not isinstance(word, str):
            self._skipped += bool(word)
        elif not says_nothing(word) and (self._finish is None or not is_bad(self._finish)):
            # An answer that was reported as cut stays cut, whatever word follows.
            self._finish = word

    def _whole(self, message: Mapping[str, Any], *, ends: bool) -> Iterator[Delta]:
        """A message in place of a fragment: the whole answer, a fragment under another name, or what came once more."""
        if self._streamed:
            return
        said = next((part for part in self._parts if isinstance(part, _Written) and part.kind == "text"), None)
        content = message.get("content")
        if said is not None and ends and isinstance(content, str) and content.startswith(before := said.text.text):
            message = {**message, "content": content[len(before) :]}
        self._messages += 1
        yield from self._message(message)

    def _message(self, message: Mapping[str, Any]) -> Iterator[Delta]:
        if not KEYS.isdisjoint(message):
            yield from self._reason(self._reasoning.take(message))
        content = message.get("content")
        if isinstance(content, str):
            if content:
                yield from self._pieces(self._tags.take(content))
        elif content is not None:
            for part in content if isinstance(content, list) else [content]:
                yield from self._content(part)
        refusal = message.get("refusal")
        if refusal:
            yield from self._refuse(refusal)
        calls = message.get("tool_calls")
        if calls:
            yield from self._call(calls)
        # What this was called before there were several calls.
        call = message.get("function_call")
        if call:
            yield from self._call({"index": 0, "function": call})
        if len(message) > 1 and not message.keys() <= _READ:
            self._members.add((key, message[key]) for key in message.keys() - _READ - _REMARKS)

    def _content(self, part: Any) -> Iterator[Delta]:
        if isinstance(part, str):
            part = {"text": part}
        kind = part.get("type", "text") if isinstance(part, Mapping) else None
        if kind in _THOUGHTS or (kind and part.get("thinking")):
            yield from self._reason(self._reasoning.take_part(part))
        elif kind == "refusal":
            yield from self._refuse(part.get("refusal"))
        elif kind in _TEXTS and isinstance(part.get("text"), str):
            yield from self._pieces(self._tags.take(part["text"]))
        else:
            self._skipped += 1

    def _refuse(self, refusal: object) -> Iterator[Delta]:
        self._refused = True
        if isinstance(refusal, str):
            yield self._write("text", refusal)
        else:
            self._skipped += 1

    def _reason(self, text: str) -> Iterator[Delta]:
        if text:
            self._tags.reasoned = True
            yield self._write("reasoning", text)

    def _pieces(self, pieces: list[Piece]) -> Iterator[Delta]:
        for kind, text in pieces:
            if kind == "turned":
                self._reasoning.take_tagged(self._tags.pair)
                for written in self._parts:
                    if isinstance(written, _Written):
                        written.kind, written.turned = "reasoning", True
                continue
            if kind == "reasoning":
                self._reasoning.take_tagged(self._tags.pair)
            yield self._write(kind, text)

    def _write(self, kind: Literal["text", "reasoning"], text: str) -> Delta:
        text = encodable(text)
        written = next((part for part in self._parts if isinstance(part, _Written) and part.kind == kind), None)
        if written is None:
            written = _Written(kind, len(self._parts))
            self._parts.append(written)
        written.text.add(text)
        return Delta(written.part, kind, text)

    def _call(self, entries: object) -> Iterator[Delta]:
        for taken in self._calls.take(entries):
            if taken is None:
                self._skipped += 1
                continue
            call, new = taken
            if call.part is not None:
                if new:
                    yield Delta(call.part, "tool_input", new)
            elif call.name and (call.name in self._names or call.has_arguments):
                # Before that, a name may be only the beginning of one.
                yield self._show(call)

    def _show(self, call: ArrivingCall) -> Delta:
        call.part = len(self._parts)
        self._parts.append(call)
        return Delta(call.part, "tool_input", call.so_far, call.name)

    def _finished(self) -> Iterator[Part]:
        calls = self._calls.different()
        numbers = {id(call): number for number, call in enumerate(calls, 1)}
        block = self._reasoning.block(with_calls=bool(calls))
        native = Native(api=API, block=block) if block else None
        if native and not any(isinstance(part, _Written) and part.kind == "reasoning" for part in self._parts):
            # Reasoning that nobody can read, but its server.
            yield Reasoning(native=native)
        for written in self._parts:
            match written:
                case ArrivingCall() if id(written) in numbers:
                    yield written.finished(call_id(self._step_id, numbers[id(written)]))
                case _Written(kind="reasoning"):
                    text = written.text.text
                    yield Reasoning(text=text.strip() if written.turned else text, native=native)
                case _Written() if text := written.text.text:
                    yield Text(text=text)
                case _:
                    pass

    def _with_members(self, parts: list[Part]) -> list[Part]:
        """`parts`, of which the first that a message holds bears what else the message held."""
        members = self._members.whole()
        bearer = next((part for part in parts if isinstance(part, Text | ToolCall)), None)
        if not members or bearer is None:
            return parts
        block = {**(bearer.native.block if bearer.native else {}), MESSAGE: members}
        bearing = bearer.model_copy(update={"native": Native(api=API, block=block)})
        return [bearing if part is bearer else part for part in parts]


def _says(message: Mapping[str, Any]) -> bool:
    return any(value not in (None, "", [], {}) for name, value in message.items() if name not in _REMARKS)
