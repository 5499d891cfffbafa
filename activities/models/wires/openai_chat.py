"""OpenAI Chat Completions, by the openai SDK: OpenAI itself, and Ollama, vLLM, llama.cpp and the like by `base_url`.

Rule 1: an answer is whole when a choice gave its `finish_reason`, or `[DONE]` came; the SDK takes less.
Rule 2: compatible servers leave out what they like (usage, its details, ids, indexes) and name reasoning in two ways;
nothing but an end is required.
Rule 3: reasoning is kept for people and never sent back, for this API has no agreed place for it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from openai import AsyncOpenAI, AsyncStream
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall
from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models import failures
from perdure.activities.models.clients import TIMEOUT
from perdure.activities.models.provider_turns import (
    AssistantTurn,
    Call,
    Turn,
    UserTurn,
    encodable,
    parse_arguments,
    turns,
)
from perdure.activities.models.schemas import fit_all
from perdure.activities.models.stop_words import ending, is_bad
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.activities.models.wires.openai_clients import OpenAIClients
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.commands import Prompt
from perdure.workflows.vocabulary.parts import Message, Native, Part, Reasoning, Text, ToolCall, ToolSpec, Usage

API: Final = "openai.chat"


class OpenAIChat:
    api = API

    def __init__(
        self,
        environment: Mapping[str, str],
        client: Callable[..., AsyncOpenAI] = AsyncOpenAI,
        timeout: httpx2.Timeout = TIMEOUT,
    ) -> None:
        """For the three, see `OpenAIClients`."""
        self._clients = OpenAIClients(environment, client, timeout)

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        model = prompt.model
        # Compatible servers know the older name; OpenAI's newer models refuse it.
        limit = "max_completion_tokens" if self._clients.are_openais(model.base_url) else "max_tokens"
        body: dict[str, JsonValue] = {
            "model": model.model_name,
            limit: model.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if prompt.tools:
            fitted = fit_all(prompt.tools, "openai" if self._clients.are_openais(model.base_url) else "plain")
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": fit.schema,
                        **({"strict": True} if fit.strict else {}),
                    },
                }
                for tool, fit in zip(prompt.tools, fitted, strict=True)
            ]
        if model.thinking != "off":
            body["reasoning_effort"] = model.thinking
        history: list[JsonValue] = []
        if prompt.system.strip():
            history.append({"role": "system", "content": prompt.system})
        for turn in turns(prompt.around(messages), API, prompt.tool_output_tokens):
            history += _messages(turn)
        body["messages"] = history
        return body

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        openais = self._clients.are_openais(prompt.model.base_url)
        provider = failures.OPENAI if openais else failures.MODEL_SERVER
        try:
            async with await self._open(request, prompt.model) as chunks:
                yield Started(Usage())
                answer = _Answer(step_id, str(request["model"]), prompt.tools)
                # The SDK reads to the end of the body itself once it has seen [DONE].
                async for chunk in chunks:
                    for delta in answer.take(chunk):
                        yield delta
                yield answer.whole(done=chunks.done)
        except Exception as error:
            # `from None`: the cause would travel to the history with whatever its text holds.
            raise failures.classify(error, provider) from None

    async def _open(self, request: dict[str, JsonValue], model: ModelDefinition) -> "_Chunks":
        # What `client.chat.completions.create` does, but that it keeps `[DONE]` to itself.
        client = self._clients.at(model)
        return await client.post(
            "/chat/completions", cast_to=ChatCompletionChunk, body=request, stream=True, stream_cls=_Chunks
        )

    async def aclose(self) -> None:
        await self._clients.aclose()


class _Chunks(AsyncStream[ChatCompletionChunk]):
    #: `[DONE]` has come.
    done = False

    async def _iter_events(self) -> AsyncIterator[Any]:
        async for event in super()._iter_events():
            self.done = self.done or event.data.startswith("[DONE]")
            yield event


def _messages(turn: Turn) -> list[JsonValue]:
    match turn:
        case UserTurn():
            results: list[JsonValue] = [
                {
                    "role": "tool",
                    "tool_call_id": result.id,
                    # The API has no flag for it.
                    "content": f"Error: {result.text}" if result.is_error else result.text,
                }
                for result in turn.results
            ]
            return [*results, {"role": "user", "content": "\n\n".join(turn.texts)}] if turn.texts else results
        case AssistantTurn():
            text = "\n\n".join(part.text for part in turn.parts if isinstance(part, Text))
            calls: list[JsonValue] = [_call(part) for part in turn.parts if isinstance(part, Call)]
            message: dict[str, JsonValue] = {"role": "assistant", "content": text or (None if calls else "(no answer)")}
            return [message | {"tool_calls": calls}] if calls else [message]


def _call(call: Call) -> JsonValue:
    native = call.part.native
    if native and native.api == API and call.part.args_raw is None:
        return native.block | {"id": call.id}
    # Servers read the arguments back, so what was no JSON cannot be sent.
    return _function(call.id, call.part.name, compact(call.part.args))


def _function(call_id: str, name: str, arguments: str) -> dict[str, JsonValue]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


@dataclass(slots=True)
class _Written:
    """A part that is arriving."""

    kind: str
    part: int
    text: list[str] = field(default_factory=list)
    name: str = ""
    id: str = ""


@dataclass(slots=True)
class _Answer:
    """Puts a stream's chunks together: at most one text and one reasoning part, and the tool calls."""

    step_id: str
    model: str
    tools: tuple[ToolSpec, ...]
    parts: list[_Written] = field(default_factory=list)
    calls: dict[int, _Written] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    finish: str | None = None
    refused: bool = False

    def take(self, chunk: ChatCompletionChunk) -> list[Delta]:
        self.model = chunk.model or self.model
        if chunk.usage:
            self.usage = _usage(chunk.usage)
        deltas: list[Delta] = []
        for choice in chunk.choices or ():
            deltas += self._take(choice.delta)
            if self.finish is None or not is_bad(self.finish):
                # What was said to be cut is not made whole by a later word. Words that say nothing (`null`, `in_progress`)
                # stand in every chunk of some servers.
                self.finish = choice.finish_reason or self.finish
        return deltas

    def whole(self, *, done: bool) -> Answer:
        """`done`: the server said so, with a finish reason or without."""
        if self.finish is None and not done:
            raise failures.StreamTruncated
        parts: list[Part] = []
        calls = 0
        for written in self.parts:
            calls += written.kind == "tool_input"
            parts.append(_part(written, f"{self.step_id}.c{calls}"))
        # Without a reason, what was said is whole, and calls are if they look so.
        word = "refusal" if self.refused else self.finish or ("" if calls else "stop")
        end = ending(word, parts, self.tools)
        return Answer(end.parts, self.model, self.usage, end.stop, end.word)

    def _take(self, delta: ChoiceDelta) -> list[Delta]:
        deltas: list[Delta] = []
        reasoning = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        if isinstance(reasoning, str) and reasoning:
            written = self._one("reasoning")
            deltas.append(Delta(written.part, "reasoning", _add(written, reasoning)))
        self.refused = self.refused or bool(delta.refusal)
        for text in (delta.content, delta.refusal):
            if text:
                written = self._one("text")
                deltas.append(Delta(written.part, "text", _add(written, text)))
        for call in delta.tool_calls or ():
            deltas += self._call(call)
        return deltas

    def _call(self, call: ChoiceDeltaToolCall) -> list[Delta]:
        function = call.function
        name = (function.name if function else None) or ""
        arguments: Any = (function.arguments if function else None) or ""
        # Some servers send an object in place of its JSON: not a fragment, but all that there is.
        whole = not isinstance(arguments, str)
        text = compact(arguments) if whole else arguments
        index = call.index or 0
        written = self.calls.get(index)
        # Some servers give every call the index 0 and only another id.
        if written is None or (name and call.id and call.id != written.id):
            written = self.calls[index] = self._begin("tool_input")
            written.name, written.id = name, call.id or ""
            return [Delta(written.part, "tool_input", _add(written, text), name)]
        if whole:
            written.text.clear()
        return [Delta(written.part, "tool_input", _add(written, text))] if text else []

    def _one(self, kind: str) -> _Written:
        return next((written for written in self.parts if written.kind == kind), None) or self._begin(kind)

    def _begin(self, kind: str) -> _Written:
        written = _Written(kind, len(self.parts))
        self.parts.append(written)
        return written


def _add(written: _Written, text: str) -> str:
    text = encodable(text)
    written.text.append(text)
    return text


def _part(written: _Written, call_id: str) -> Part:
    text = "".join(written.text)
    match written.kind:
        case "reasoning":
            return Reasoning(text=text)
        case "text":
            return Text(text=text)
        case _:
            args, raw = parse_arguments(text)
            block = _function(written.id, written.name, text if text.strip() else "{}")
            native = Native(api=API, block=block) if written.id else None
            return ToolCall(call_id=call_id, name=written.name, args=args, args_raw=raw, native=native)


def _usage(usage: CompletionUsage) -> Usage:
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        cached_tokens=(read.cached_tokens or 0) if read else 0,
        output_tokens=usage.completion_tokens or 0,
        reasoning_tokens=(written.reasoning_tokens or 0) if written else 0,
    )
