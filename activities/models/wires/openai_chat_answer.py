"""An answer of Chat Completions, put together from the events of its stream. Pure.

Rule 1: an answer is whole when a choice gave its reason to end, when `[DONE]` came, or when it was one whole message. The end
of the connection alone means nothing.
Rule 2: nothing else is required. A shape that nobody knows is passed over and counted. What raises is an error that the
server reports, an answer that it gave up, and one that is not whole.
Rule 3: an event that was damaged on its way may have been a piece of a call, so an answer with calls is not whole then.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from perdure.activities.models.failures import StreamTruncated
from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.sse_events import SseEvent
from perdure.activities.models.stop_words import ending, is_bad, says_nothing
from perdure.activities.models.token_counts import in_chunk, merged, timed
from perdure.activities.models.wire import Answer, Delta
from perdure.activities.models.wires.openai_chat_parts import ArrivingParts
from perdure.activities.models.wires.openai_chat_reasoning import KEYS
from perdure.activities.models.wires.openai_stream_errors import reported
from perdure.workflows.vocabulary.parts import ToolCall, ToolSpec, Usage

_READ: Final = KEYS | {"content", "refusal", "tool_calls", "function_call", "images"}
#: Members of a message that say something about the answer, and that no server takes back.
_REMARKS: Final = frozenset(
    ("role", "index", "name", "annotations", "citations", "logprobs", "token_ids", "obfuscation", "channel", "audio")
)
#: Types of the parts of a content that is a list.
_TEXTS: Final = ("text", "output_text", "text_delta")
_THOUGHTS: Final = ("thinking", "reasoning", "thought")
#: What the API calls a chunk.
_FRAGMENT: Final = "chat.completion.chunk"
#: Members of a chunk without choices that are expected.
_CHUNKS: Final = frozenset(("usage", "x_groq", "timings", "prompt_filter_results", "choices"))


class ArrivingAnswer:
    """The state of an answer between two events: text, reasoning, and the tool calls.

    `take` and `rest` return what viewers are shown of it."""

    def __init__(self, step_id: str, model: str, tools: tuple[ToolSpec, ...]) -> None:
        self._step_id = step_id
        self._model = model
        self._tools = tools
        self._parts = ArrivingParts(frozenset(tool.name for tool in tools))
        self._usage = Usage()
        self._timed: Usage | None = None
        self._choice: object = None
        self._finish: str | None = None
        self._refused = False
        #: Fragments have come; whole messages have; something came behind a reason to end; something was cut.
        self._streamed = False
        self._messages = 0
        self._goes_on = False
        self._damaged = False
        self._skipped = 0
        #: `[DONE]` came.
        self.done = False

    def take(self, event: SseEvent) -> list[Delta]:
        """Raises `ProviderError` if the event is an error."""
        if event.kind == "done":
            self.done = True
            return []
        error = None if self.done else reported(event)
        if error is not None:
            raise error
        if event.kind != "object":
            self._skipped += 1
            # Words in place of JSON are a sign of life. What was to be JSON is a loss.
            self._damaged = self._damaged or (event.kind == "damaged" and event.text.lstrip()[:1] in ("", "{", "["))
            return []
        return list(self._chunk(event.value))

    @property
    def has_ended(self) -> bool:
        """The server said that this is the end. One that gives a reason with each chunk says it by `[DONE]` alone."""
        return self.done or (self._finish is not None and not self._goes_on)

    def rest(self) -> list[Delta]:
        """What was held back, once the stream has ended."""
        return self._parts.rest()

    def whole(self) -> Answer:
        """Raises `StreamTruncated`, or `AnswerAborted`."""
        parts = self._parts.finished(self._step_id)
        calls = any(isinstance(part, ToolCall) for part in parts)
        if not (self._finish is not None or self.done or self._messages == 1) or (calls and self._damaged):
            raise StreamTruncated
        skipped = self._skipped + self._parts.skipped + self._parts.lost_calls
        # Without a reason, the text counts as complete, and so do calls whose arguments are.
        word = "refusal" if self._refused else self._finish or ("" if calls else "stop")
        end = ending(word, parts, self._tools)
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
                # Otherwise it only looks like a whole message.
                lone = chunk.get("object") != _FRAGMENT and chunk.get("done") is not False
                yield from self._take(choice, lone=lone)
            else:
                self._skipped += 1

    def _is_ours(self, choice: Mapping[str, Any]) -> bool:
        """Only one answer is asked for. Servers that give more number them."""
        index = choice.get("index")
        if index is None:
            return True
        self._choice = index if self._choice is None else self._choice
        return bool(index == self._choice)

    def _take(self, choice: Mapping[str, Any], *, lone: bool) -> Iterator[Delta]:
        delta, message = choice.get("delta"), choice.get("message")
        word = choice.get("finish_reason") or choice.get("finishReason") or choice.get("done_reason")
        if isinstance(delta, Mapping) and (not isinstance(message, Mapping) or _says(delta)):
            says = _says(delta)
            self._streamed = self._streamed or says
            self._goes_on = self._goes_on or (says and self._finish is not None)
            yield from self._message(delta)
        elif isinstance(message, Mapping):
            yield from self._whole(message, ends=bool(word), lone=lone)
        elif isinstance(choice.get("text"), str):
            yield from self._parts.text(choice["text"])
        elif delta is not None or message is not None:
            self._skipped += 1
        if not isinstance(word, str):
            self._skipped += bool(word)
        elif not says_nothing(word) and (self._finish is None or not is_bad(self._finish)):
            # An answer that was reported as cut stays cut, whatever word follows.
            self._finish = word

    def _whole(self, message: Mapping[str, Any], *, ends: bool, lone: bool) -> Iterator[Delta]:
        """A message in place of a fragment: the whole answer, a fragment under another name, or what came once more."""
        if self._streamed:
            return
        content = message.get("content")
        if ends and isinstance(content, str):
            message = {**message, "content": content.removeprefix(self._parts.said)}
        self._messages += 1 if lone else 2
        yield from self._message(message)

    def _message(self, message: Mapping[str, Any]) -> Iterator[Delta]:
        if not KEYS.isdisjoint(message):
            yield from self._parts.reasoning(message)
        content = message.get("content")
        if isinstance(content, str):
            if content:
                yield from self._parts.text(content)
        elif content is not None:
            for part in content if isinstance(content, list) else [content]:
                yield from self._content(part)
        images = message.get("images")
        for image in images if isinstance(images, list) else ():
            self._skipped += not self._parts.picture(image)
        refusal = message.get("refusal")
        if refusal:
            yield from self._refuse(refusal)
        calls = message.get("tool_calls")
        if calls:
            yield from self._parts.calls(calls)
        # What this was called before there were several calls. Some servers say it twice.
        call = message.get("function_call")
        if call and not calls:
            yield from self._parts.calls({"index": 0, "function": call})
        if len(message) > 1 and not message.keys() <= _READ:
            self._parts.members.add((key, message[key]) for key in message.keys() - _READ - _REMARKS)

    def _content(self, part: Any) -> Iterator[Delta]:
        if isinstance(part, str):
            part = {"text": part}
        kind = part.get("type", "text") if isinstance(part, Mapping) else None
        if kind in _THOUGHTS or (kind and part.get("thinking")):
            yield from self._parts.reasoning_part(part)
        elif kind == "refusal":
            yield from self._refuse(part.get("refusal"))
        elif kind in _TEXTS and isinstance(part.get("text"), str):
            yield from self._parts.text(part["text"])
        elif not self._parts.picture(part):
            self._skipped += 1

    def _refuse(self, refusal: object) -> Iterator[Delta]:
        self._refused = True
        if isinstance(refusal, str):
            yield from self._parts.refusal(refusal)
        else:
            self._skipped += 1


def _says(message: Mapping[str, Any]) -> bool:
    return any(value not in (None, "", [], {}) for name, value in message.items() if name not in _REMARKS)
