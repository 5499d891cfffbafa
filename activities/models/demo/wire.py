"""The demo model: ships with the product, needs no key, and really streams, reasons, calls tools and fails on request.

Rule 1: the same request gives the same answer. Only `/fail … once` depends on the attempt.
Rule 2: it says that it is a demo. `script` decides what it says and calls; this file streams it.
Rule 3: tokens are estimated as a quarter of the characters, both of the request's JSON and of the answer.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Final, assert_never

from pydantic import JsonValue
from temporalio import activity

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.demo.files import as_asked, bytes_of
from perdure.activities.models.demo.script import CallTools, Fail, Say, script
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailed, ProviderError, Source, StreamTruncated
from perdure.activities.models.wire import Answer, Delta, DeltaKind, Started, Wire
from perdure.workflows.definition.providers.demo import DEMO
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import Message, Part, Reasoning, StopReason, Text, ToolCall, Usage

#: Seconds per word, about the pace of a real model.
PACE: Final = 0.025

_FAILURES: Final[dict[str, Callable[[], Exception]]] = {
    "429": lambda: ProviderError("too many requests", code="rate_limit_error", status=429, retry_after=1),
    "529": lambda: ProviderError("overloaded", code="overloaded_error", status=529),
    "500": lambda: ProviderError("as you asked", code="api_error", status=500),
    "400": lambda: ProviderError("as you asked", code="invalid_request_error", status=400),
    "404": lambda: ProviderError("as you asked", code="not_found_error", status=404),
    "auth": lambda: ProviderError("as you asked", code="authentication_error", status=401),
    "quota": lambda: ProviderError("as you asked", code="insufficient_quota", status=429),
    "context": lambda: ProviderError("as you asked", code="context_length_exceeded", status=400),
    "policy": lambda: ProviderError("as you asked", code="content_filter", status=400),
    "timeout": TimeoutError,
    "connection": ConnectionResetError,
}
_FAILURES["401"] = _FAILURES["auth"]
#: Failures that come in the middle of the answer.
_MIDWAY: Final[dict[str, Callable[[], Exception]]] = {
    "cut": StreamTruncated,
    "event": _FAILURES["529"],
}
#: Fields that neither the script nor a reader of the trace needs.
_LEFT_OUT: Final[dict[str, Any]] = {
    "id": True,
    "turn_id": True,
    "at": True,
    "stopped": True,
    "parts": {"__all__": {"native", "blob", "misfit", "checked"}},
}


def current_attempt() -> int:
    return activity.info().attempt if activity.in_activity() else 1


def connect(provider: ProviderInfo, environment: Mapping[str, str]) -> Wire:
    return Demo(provider=provider)


class Demo:
    api = "demo"

    def __init__(
        self, pace: float = PACE, attempt: Callable[[], int] = current_attempt, provider: ProviderInfo = DEMO
    ) -> None:
        """`pace` is in seconds a word; `attempt` returns which attempt of the step this is, from 1."""
        self._pace = pace
        self._attempt = attempt
        self._provider = provider

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        """The conversation in neutral form, without examples and dates, which it would take for the user's words."""
        seen = prompt.model_copy(update={"dates": {}}).seen(messages)
        asked = seen if prompt.retelling is None else (*seen, *prompt.closing)
        return {
            "model": prompt.model.model_name,
            "system": prompt.system,
            "tools": [tool.model_dump(mode="json") for tool in prompt.tools],
            "messages": [_dumped(message) for message in asked],
            **({} if prompt.output is None else {"output": prompt.output}),
        }

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        try:
            _fits(request, prompt.model.context_window)
            async with contextlib.aclosing(self._play(request, step_id)) as items:
                async for item in items:
                    yield item
        except Exception as error:
            raise ModelFailed(classify(error, Source.of(self._provider))) from None

    async def _play(
        self, request: dict[str, JsonValue], step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        part = script(request)
        midway: Callable[[], Exception] | None = None
        if isinstance(part, Fail):
            part, midway = self._failing(part, in_form="output" in request)
        before = _tokens(compact(_without_data(request)))
        yield Started(Usage(input_tokens=before))
        thought = _tokens(part.reasoning)
        async for delta in self._write(0, "reasoning", _pieces(part.reasoning)):
            yield delta
        parts: list[Part] = [Reasoning(text=part.reasoning)]
        written = 0
        stop: StopReason
        match part:
            case Say():
                pieces = _pieces(part.text)
                async for delta in self._write(1, "text", pieces[: len(pieces) // 2] if midway else pieces):
                    yield delta
                parts.append(Text(text=part.text))
                written, stop = _tokens(part.text), "end"
            case CallTools():
                for number, (name, args) in enumerate(part.calls, 1):
                    text = json.dumps(args, ensure_ascii=False)
                    yield Delta(number, "tool_input", "", name)
                    async for delta in self._write(number, "tool_input", re.findall(r"(?s).{1,12}", text)):
                        yield delta
                    parts.append(ToolCall(call_id=call_id(step_id, number), name=name, args=args))
                    written += _tokens(name + text)
                stop = "tool_calls"
            case _:
                assert_never(part)
        if midway:
            raise midway()
        usage = Usage(input_tokens=before, output_tokens=thought + written, reasoning_tokens=thought)
        yield Answer(tuple(parts), f"demo/{request['model']}", usage, stop)

    def _failing(self, part: Fail, *, in_form: bool) -> tuple[Say, Callable[[], Exception] | None]:
        attempt = self._attempt()
        if part.once and attempt > 1:
            words = f"Attempt 1 failed with “{part.kind}”, as you asked; this is attempt {attempt}."
            if in_form:
                return Say(f"{part.otherwise.reasoning} {words}", part.otherwise.text), None
            return Say(part.otherwise.reasoning, f"{words} {part.otherwise.text}"), None
        if part.kind in _FAILURES:
            raise _FAILURES[part.kind]()
        if part.kind in _MIDWAY:
            return part.otherwise, _MIDWAY[part.kind]
        kinds = ", ".join([*_FAILURES, *_MIDWAY])
        return Say(part.otherwise.reasoning, f"I can fail as one of {kinds}: write “/fail 529 once”."), None

    async def _write(self, part: int, kind: DeltaKind, pieces: list[str]) -> AsyncIterator[Delta]:
        for piece in pieces:
            yield Delta(part, kind, piece)
            await asyncio.sleep(self._pace)

    async def aclose(self) -> None:
        """Nothing is open."""


def _fits(request: dict[str, JsonValue], window: int | None) -> None:
    """Like a model that has a window, where the definition gives it one. Raises `ProviderError`."""
    tokens = _tokens(compact(_without_data(request)))
    if window is not None and tokens > window:
        message = f"This model's maximum context length is {window} tokens, but the request has {tokens} tokens."
        raise ProviderError(message, code="context_length_exceeded", status=400)


def _without_data(request: dict[str, JsonValue]) -> dict[str, Any]:
    """A file costs nothing here, and certainly not its base64."""
    messages: Any = request["messages"]
    bare = [
        message | {"parts": [{name: one for name, one in part.items() if name != "data"} for part in message["parts"]]}
        for message in messages
    ]
    return {**request, "messages": bare}


def _dumped(message: Message) -> dict[str, Any]:
    asked = message.with_parts(tuple(as_asked(part) for part in message.parts))
    dumped = asked.model_dump(mode="json", exclude=_LEFT_OUT)
    dumped["parts"] = [part | bytes_of(one) for part, one in zip(dumped["parts"], asked.parts, strict=True)]
    return dumped


def _pieces(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)


def _tokens(text: str) -> int:
    return (len(text) + 3) // 4
