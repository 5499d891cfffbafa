"""An answer of the Gemini API, put together from the responses that its stream is made of.

Rule 1: an answer is whole when a candidate gave its `finishReason` and the body ended. That a prompt was blocked is an error.
Rule 2: a part that bears a signature, or is of a kind that is not known here, goes back as it came, and is joined with none.
Rule 3: the decoder is total. What it does not know is passed over and counted.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.failures import ProviderError, StreamTruncated
from perdure.activities.models.provider_turns import encodable, parse_arguments
from perdure.activities.models.sse_events import SseEvent
from perdure.activities.models.stop_words import ending, is_bad
from perdure.activities.models.token_counts import merged
from perdure.activities.models.wire import Answer, Delta, DeltaKind
from perdure.activities.models.wires.gemini_errors import reported
from perdure.activities.models.wires.gemini_parts import API, member, plain
from perdure.activities.models.wires.gemini_usage import counts
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import File, Native, Part, Reasoning, Text, ToolCall, ToolSpec, Usage

#: Members of a part of text that say nothing to the server which sent it.
_BARE: Final = frozenset(("text", "thought"))


@dataclass(slots=True)
class _Run:
    """Parts of one kind that came one behind the other, of which one neutral part is made."""

    kind: DeltaKind
    text: list[str] = field(default_factory=list)
    #: As they came. Text without anything else is joined.
    blocks: list[dict[str, JsonValue]] = field(default_factory=list)
    name: str = ""
    #: The server's id of a call, which not all have.
    id: str = ""
    arguments: str = ""
    file: File | None = None

    def joins(self, kind: DeltaKind) -> bool:
        return self.kind == kind != "tool_input" and self.file is None

    def add(self, text: str, block: dict[str, JsonValue]) -> None:
        self.text.append(text)
        last = self.blocks[-1] if self.blocks else None
        if last is not None and last.keys() <= _BARE and block.keys() <= _BARE:
            last["text"] = f"{last.get('text', '')}{text}"
        else:
            self.blocks.append(block)


@dataclass(slots=True)
class ArrivingAnswer:
    """The state of an answer between two responses of its stream. `take` returns what viewers are shown of one."""

    step_id: str
    model: str
    tools: tuple[ToolSpec, ...]
    runs: list[_Run] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    finish: str = ""
    skipped: int = 0

    @property
    def finished(self) -> bool:
        """The reason has come. Usage, or another response, may follow."""
        return bool(self.finish)

    def take(self, event: SseEvent) -> list[Delta]:
        if event.kind == "done":
            return []
        if event.kind != "object":
            return self._skip()
        response = event.value
        if response.get("error"):
            raise reported(response)
        # Proxies of Google's put it into an envelope.
        inner = response.get("response")
        response = inner if isinstance(inner, dict) and "candidates" not in response else response
        model = member(response, "modelVersion")
        self.model = model if isinstance(model, str) and model else self.model
        if (usage := counts(member(response, "usageMetadata"))) is not None:
            self.usage = merged(self.usage, usage)
        candidates = response.get("candidates")
        deltas = self._candidate(candidates[0]) if isinstance(candidates, list) and candidates else []
        if not self.finish and not self.runs:
            _check(member(response, "promptFeedback"))
        return deltas

    def whole(self) -> Answer:
        if not self.finish:
            raise StreamTruncated
        parts: list[Part] = []
        calls = 0
        for run in self.runs:
            calls += run.kind == "tool_input"
            parts += _parts(run, call_id(self.step_id, calls))
        end = ending(self.finish, parts, self.tools)
        return Answer(end.parts, self.model, self.usage, end.stop, end.word, skipped=self.skipped)

    def _skip(self) -> list[Delta]:
        self.skipped += 1
        return []

    def _candidate(self, candidate: object) -> list[Delta]:
        if not isinstance(candidate, dict):
            return self._skip()
        reason = member(candidate, "finishReason")
        if isinstance(reason, str) and reason and not reason.endswith("UNSPECIFIED") and not is_bad(self.finish):
            self.finish = reason
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        if parts is None:
            return []
        if not isinstance(parts, list):
            return self._skip()
        return [delta for part in parts for delta in self._part(part)]

    def _part(self, given: Any) -> list[Delta]:
        part = plain(given)
        if part is None:
            return self._skip()
        call = member(part, "functionCall")
        if isinstance(call, dict):
            # Of the part as it came, for what is no number makes arguments unreadable.
            return self._call(call, part, member(given, "functionCall").get("args"))
        text, kind = part.get("text"), _kind(part)
        if isinstance(text, str) and (text or part.keys() - _BARE):
            return self._text(text, kind, part)
        blob = member(part, "inlineData")
        if isinstance(blob, dict) and (made := self._file(blob)) is not None:
            self.runs.append(_Run("text", file=made, blocks=[part]))
        elif part.keys() - _BARE and not part.keys() & {"functionCall", "function_call", "inlineData", "inline_data"}:
            # A tool that the server runs itself, or something newer than this version.
            self.runs.append(_Run("reasoning", blocks=[part]))
        elif part.keys() - _BARE or text not in ("", None):
            return self._skip()
        return []

    def _text(self, text: str, kind: DeltaKind, part: dict[str, JsonValue]) -> list[Delta]:
        last = self.runs[-1] if self.runs else None
        if last is not None and (last.joins(kind) or (not text and last.kind != "tool_input" and last.file is None)):
            last.add(text, part)
        else:
            # A signature alone, behind a call.
            last = _Run(kind if text else "reasoning")
            last.add(text, part)
            self.runs.append(last)
        return [Delta(len(self.runs) - 1, last.kind, text)] if text else []

    def _call(self, call: dict[str, JsonValue], part: dict[str, JsonValue], args: Any) -> list[Delta]:
        name = call.get("name")
        if not isinstance(name, str) or not name.strip():
            return self._skip()
        fragment = member(call, "willContinue") or member(call, "partialArgs")
        # Fragments, which only Vertex sends, and only on demand, are no whole arguments.
        written = args if isinstance(args, str) else "" if args is None or fragment else compact(args)
        written = encodable(written)
        ident = call.get("id")
        run = _Run("tool_input", [written], [part], name.strip(), ident if isinstance(ident, str) else "", written)
        self.runs.append(run)
        return [Delta(len(self.runs) - 1, "tool_input", written, name.strip())]

    def _file(self, blob: dict[str, JsonValue]) -> File | None:
        """A picture or sound that the model made."""
        media_type, data = member(blob, "mimeType"), blob.get("data")
        if not isinstance(media_type, str) or not isinstance(data, str) or not data:
            return None
        number = sum(run.file is not None for run in self.runs) + 1
        kind, _, form = media_type.partition(";")[0].partition("/")
        return File(
            uri=f"data:{media_type};base64,{data}",
            media_type=media_type,
            name=f"{kind or 'file'}-{number}.{form or 'bin'}",
        )


def _kind(part: dict[str, JsonValue]) -> DeltaKind:
    return "reasoning" if part.get("thought") is True else "text"


def _parts(run: _Run, call_id: str) -> list[Part]:
    native = Native(api=API, block={"parts": [*run.blocks]})
    text = "".join(run.text)
    if run.file is not None:
        # The file for people, and the part, which may bear a signature, for the server.
        return [run.file, Reasoning(native=native)]
    match run.kind:
        case "tool_input":
            args, raw = parse_arguments(run.arguments)
            if run.id:
                native = Native(api=API, block={"id": run.id, "parts": [*run.blocks]})
            return [ToolCall(call_id=call_id, name=run.name, args=args, args_raw=raw, native=native)]
        case "reasoning":
            return [Reasoning(text=text, native=native)]
        case "text":
            # Text that is nothing but text is rebuilt.
            bare = all(block.keys() <= _BARE for block in run.blocks)
            return [Text(text=text, native=None if bare else native)]


def _check(feedback: object) -> None:
    """Raises if the prompt was blocked."""
    if not isinstance(feedback, dict):
        return
    reason = member(feedback, "blockReason")
    if isinstance(reason, str) and reason and not reason.endswith("UNSPECIFIED"):
        told = member(feedback, "blockReasonMessage")
        message = told if isinstance(told, str) and told else f"the prompt was blocked ({reason})"
        raise ProviderError(encodable(message), code="content_filter", kind=reason)
