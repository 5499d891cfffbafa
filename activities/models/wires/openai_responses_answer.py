"""An answer of OpenAI Responses, put together from the events of its stream.

Rule 1: an answer is whole when `response.completed` or `response.incomplete` came, and its parts are what
`response.output_item.done` said, or else the terminal event. What came before is for viewers. Failures are events, which the
SDK does not raise.
Rule 2: compatible servers leave out what they like (indexes, usage, its details); an item is known by its index or its id.
Rule 3: events are plain JSON, so that an item stays as it came.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.failures import ProviderError, StreamTruncated
from perdure.activities.models.provider_turns import encodable, parse_arguments
from perdure.activities.models.stop_words import ending
from perdure.activities.models.wire import Answer, Delta, DeltaKind
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import Native, Part, Reasoning, Text, ToolCall, ToolSpec, Usage

#: Tag of the items that go back verbatim.
API: Final = "openai.responses"
_KINDS: Final[dict[str, DeltaKind]] = {"message": "text", "reasoning": "reasoning", "function_call": "tool_input"}


@dataclass(slots=True)
class _Arriving:
    """An output item that is arriving. `part` is its index among the answer's parts once it has content."""

    kind: DeltaKind
    part: int | None = None
    text: list[str] = field(default_factory=list)
    name: str = ""
    #: The summary or text of the item that came last.
    section: tuple[str, int] | None = None
    #: The complete item.
    done: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ArrivingAnswer:
    """The state of an answer between two events. `take` returns what viewers are shown of an event."""

    step_id: str
    model: str
    tools: tuple[ToolSpec, ...]
    items: dict[int | str | None, _Arriving] = field(default_factory=dict)
    begun: list[_Arriving] = field(default_factory=list)
    refused: bool = False
    #: As the terminal event gives it.
    response: dict[str, Any] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> list[Delta]:
        match event.get("type"):
            case "response.output_item.added" | "response.output_item.done" as kind:
                item = _plain(event["item"])
                if item.get("type") in _KINDS:
                    arriving = self._arriving(event | {"item_id": item.get("id")}, item["type"])
                    return self._added(arriving, item) if kind.endswith("added") else self._done(arriving, item)
            case "response.output_text.delta":
                return self._fragment(self._arriving(event, "message"), event["delta"])
            case "response.refusal.delta":
                self.refused = True
                return self._fragment(self._arriving(event, "message"), event["delta"])
            case "response.function_call_arguments.delta":
                return self._fragment(self._arriving(event, "function_call"), _written(event["delta"]))
            case "response.function_call_arguments.done":
                return self._rest(self._arriving(event, "function_call"), _written(event.get("arguments")))
            case "response.reasoning_summary_text.delta":
                section = ("summary", event.get("summary_index", 0))
                return self._fragment(self._arriving(event, "reasoning"), event["delta"], section)
            case "response.reasoning_text.delta":
                section = ("content", event.get("content_index", 0))
                return self._fragment(self._arriving(event, "reasoning"), event["delta"], section)
            case "response.completed" | "response.incomplete" as kind:
                status = event["response"].get("status") or kind.removeprefix("response.")
                self.response = event["response"] | {"status": status}
                return self._outstanding()
            case "response.failed":
                error = (event.get("response") or {}).get("error") or {}
                raise ProviderError(error.get("message") or "", code=error.get("code") or error.get("type"))
            case "error":
                raise ProviderError(event.get("message") or "", code=event.get("code"))
            case _:
                pass
        return []

    def whole(self) -> Answer:
        if not self.response:
            raise StreamTruncated
        parts: list[Part] = []
        calls = 0
        for arriving in self.begun:
            calls += arriving.kind == "tool_input"
            parts.append(_part(arriving, call_id(self.step_id, calls)))
        status = str(self.response["status"])
        reason = str((self.response.get("incomplete_details") or {}).get("reason") or "")
        word = "refusal" if self.refused else reason or status
        end = ending(word, parts, self.tools, whole=self.refused or not (reason or status == "incomplete"))
        model = self.response.get("model") or self.model
        return Answer(end.parts, model, _usage(self.response.get("usage") or {}), end.stop, end.word)

    def _arriving(self, event: dict[str, Any], item_type: str) -> _Arriving:
        key = event.get("output_index", event.get("item_id"))
        return self.items.setdefault(key, _Arriving(_KINDS[item_type]))

    def _outstanding(self) -> list[Delta]:
        """What only the terminal event gives of the answer: some servers announce no items, or do not finish them."""
        deltas: list[Delta] = []
        known = {one.done.get("id") for one in self.items.values()} - {None}
        for at, given in enumerate(self.response.get("output") or ()):
            item = _plain(given) if isinstance(given, dict) else {}
            arriving = self.items.get(at) or self.items.get(item.get("id"))
            if item.get("type") not in _KINDS or item.get("id") in known or (arriving and arriving.done):
                continue
            if arriving is None or arriving.kind != _KINDS[item["type"]]:
                arriving = self.items[f"output {at}"] = _Arriving(_KINDS[item["type"]])
            deltas += self._done(arriving, item)
        return deltas

    def _added(self, arriving: _Arriving, item: dict[str, Any]) -> list[Delta]:
        arriving.name = item.get("name", "")
        return [self._delta(arriving, "", arriving.name)] if arriving.kind == "tool_input" else []

    def _fragment(self, arriving: _Arriving, text: str, section: tuple[str, int] | None = None) -> list[Delta]:
        if not text or (arriving.kind == "tool_input" and arriving.part is None):
            return []
        between = "\n\n" if arriving.section not in (None, section) else ""
        arriving.section = section
        return [self._delta(arriving, between + text)]

    def _done(self, arriving: _Arriving, item: dict[str, Any]) -> list[Delta]:
        arriving.done = item
        self.refused = self.refused or any(part.get("type") == "refusal" for part in item.get("content") or ())
        if arriving.kind == "tool_input" and arriving.part is None:
            arriving.name = item.get("name", "")
            return [self._delta(arriving, _text(item), arriving.name)]
        rest = self._rest(arriving, _text(item))
        if item.get("encrypted_content"):
            self._begin(arriving)
        return rest

    def _rest(self, arriving: _Arriving, whole: str) -> list[Delta]:
        """What viewers have not seen yet of a text that is complete now."""
        streamed = "".join(arriving.text)
        unseen = whole[len(streamed) :] if whole.startswith(streamed) else ""
        unknown = arriving.kind == "tool_input" and arriving.part is None
        return [self._delta(arriving, unseen)] if unseen and not unknown else []

    def _delta(self, arriving: _Arriving, text: str, tool_name: str | None = None) -> Delta:
        text = encodable(text)
        arriving.text.append(text)
        return Delta(self._begin(arriving), arriving.kind, text, tool_name)

    def _begin(self, arriving: _Arriving) -> int:
        if arriving.part is None:
            arriving.part = len(self.begun)
            self.begun.append(arriving)
        return arriving.part


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """`item` as it came, but without nulls, which the API sends but does not accept, and without lone surrogates."""
    written = encodable(json.dumps(item, ensure_ascii=False))
    plain: dict[str, Any] = json.loads(written, object_hook=_without_nulls)
    return plain


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in value.items() if each is not None}


def _text(item: dict[str, Any]) -> str:
    match item["type"]:
        case "message":
            return "".join(part.get("text") or part.get("refusal") or "" for part in item.get("content") or ())
        case "reasoning":
            sections = [*(item.get("summary") or ()), *(item.get("content") or ())]
            return "\n\n".join(section["text"] for section in sections if section.get("text"))
        case _:
            return _written(item.get("arguments"))


def _written(arguments: Any) -> str:
    """Arguments as JSON text. Some servers send the object itself."""
    return arguments if isinstance(arguments, str) else "" if arguments is None else compact(arguments)


def _part(arriving: _Arriving, call_id: str) -> Part:
    """The part of a complete item, or of what has come of an incomplete one."""
    item = arriving.done
    streamed = "".join(arriving.text)
    # Some servers omit the arguments from the item once they have streamed them.
    text = (_text(item) or (streamed if arriving.kind == "tool_input" else "")) if item else streamed
    native = Native(api=API, block=item) if item else None
    match arriving.kind:
        case "text":
            return Text(text=text, native=native)
        case "reasoning":
            # The status of a reasoning item must not be sent back.
            block = {name: value for name, value in item.items() if name != "status"}
            kept = Native(api=API, block=block) if item.get("encrypted_content") else None
            return Reasoning(text=text, native=kept)
        case "tool_input":
            args, raw = parse_arguments(text)
            return ToolCall(call_id=call_id, name=arriving.name, args=args, args_raw=raw, native=native)


def _usage(usage: dict[str, Any]) -> Usage:
    read, written = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return Usage(
        input_tokens=usage.get("input_tokens") or 0,
        cached_tokens=read.get("cached_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        reasoning_tokens=written.get("reasoning_tokens") or 0,
    )
