"""Anthropic Messages, by its own SDK.

Rule 1: thinking goes back verbatim and signed, or not at all.
Rule 2: an answer is whole when `message_stop` came and a stop reason with it; the SDK takes less.
Rule 3: events are read raw and put together here, for the SDK parses a tool's arguments anew with each fragment, and
raises where they are no JSON; to us that is data.
"""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anthropic
import httpx2
from anthropic import AsyncAnthropic, AsyncStream, DefaultAsyncHttpxClient
from anthropic.types import RawContentBlockDelta, RawMessageStreamEvent
from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models import failures
from perdure.activities.models.clients import PLACEHOLDER_KEY, TIMEOUT, Clients, Server, http_options, read_out
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
from perdure.activities.models.stop_words import ending, is_good
from perdure.activities.models.wire import Answer, Delta, DeltaKind, Started
from perdure.temporal.definitions.references import MissingVariable
from perdure.temporal.definitions.vendors import ANTHROPIC
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.commands import Prompt
from perdure.workflows.vocabulary.parts import Message, Native, Part, Reasoning, Text, ToolCall, ToolSpec, Usage

API: Final = "anthropic.messages"
#: Stands for an answer of which nothing may be sent back, for no turn may be empty.
_NOTHING: Final[dict[str, JsonValue]] = {"type": "text", "text": "(no answer)"}
_KINDS: Final[dict[str, DeltaKind]] = {"text": "text", "thinking": "reasoning", "tool_use": "tool_input"}


class AnthropicMessages:
    api = API

    def __init__(
        self,
        environment: Mapping[str, str],
        client: Callable[..., AsyncAnthropic] = AsyncAnthropic,
        timeout: httpx2.Timeout = TIMEOUT,
    ) -> None:
        """`environment` fills in `${NAME}` of a model definition; `client` takes what `AsyncAnthropic` does."""
        self._environment = environment

        def connect(server: Server) -> AsyncAnthropic:
            # Said outright where it is no vendor's: the SDK then looks for no credentials by itself, in files neither.
            key = {} if server.trusted else {"api_key": server.key or PLACEHOLDER_KEY}
            http = DefaultAsyncHttpxClient(**http_options(server, environment, timeout))
            try:
                # No spans of its own: where spans are on, each call has ours, and two would count every token twice.
                return client(
                    base_url=server.url,
                    timeout=timeout,
                    max_retries=0,
                    open_telemetry=False,
                    http_client=http,
                    **key,
                )
            except anthropic.CredentialsError:
                # A profile that the SDK was told of and that holds nothing of use.
                raise MissingVariable("ANTHROPIC_API_KEY") from None

        self._clients = Clients(connect)

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        model = prompt.model
        body: dict[str, JsonValue] = {"model": model.model_name, "max_tokens": model.max_output_tokens, "stream": True}
        if prompt.system.strip():
            body["system"] = prompt.system
        if prompt.tools:
            fitted = fit_all(prompt.tools, "anthropic" if self._asks_anthropic(model.base_url) else "plain")
            body["tools"] = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": fit.schema,
                    **({"strict": True} if fit.strict else {}),
                }
                for tool, fit in zip(prompt.tools, fitted, strict=True)
            ]
        if model.thinking != "off":
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
            body["output_config"] = {"effort": model.thinking}
        body["cache_control"] = {"type": "ephemeral"}
        body["messages"] = [_turn(turn) for turn in turns(prompt.around(messages), API, prompt.tool_output_tokens)]
        return body

    def _asks_anthropic(self, base_url: str | None) -> bool:
        """Others that speak this API may know nothing of strict tools."""
        url = base_url or self._environment.get(ANTHROPIC.address)
        return not url or ANTHROPIC.owns(url)

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        try:
            async with await self._open(request, prompt.model) as events:
                answer = _Answer(step_id, str(request["model"]), prompt.tools)
                async for event in events:
                    for item in answer.take(event):
                        yield item
                    if answer.ended:
                        await read_out(events)
                        break
                yield answer.whole()
        except Exception as error:
            # `from None`: the cause would travel to the history with whatever its text holds.
            raise failures.classify(error, failures.ANTHROPIC) from None

    async def _open(self, request: dict[str, JsonValue], model: ModelDefinition) -> AsyncStream[RawMessageStreamEvent]:
        client = self._clients.at(Server.of(model, ANTHROPIC, self._environment))
        if not _has_credentials(client):
            raise MissingVariable("ANTHROPIC_API_KEY")
        try:
            return await _send(client, request)
        except anthropic.BadRequestError as error:
            bare = _without_thinking(request)
            # No code names this refusal: signed thinking that belongs to another prefix, model or account.
            about = (error.api_message or "").lower()
            if bare == request or not ("different conversation" in about or "signature" in about):
                raise
            return await _send(client, bare)

    async def aclose(self) -> None:
        await self._clients.aclose()


async def _send(client: AsyncAnthropic, request: dict[str, JsonValue]) -> AsyncStream[RawMessageStreamEvent]:
    body: dict[str, Any] = dict(request)
    stream: AsyncStream[RawMessageStreamEvent] = await client.messages.create(**body)
    return stream


def _has_credentials(client: AsyncAnthropic) -> bool:
    return bool(
        client.api_key
        or client.auth_token
        or client.credentials
        or {"authorization", "x-api-key"} & {name.lower() for name, value in client.default_headers.items() if value}
    )


def _turn(turn: Turn) -> JsonValue:
    match turn:
        case UserTurn():
            content: list[JsonValue] = [
                {"type": "tool_result", "tool_use_id": result.id, "content": result.text, "is_error": result.is_error}
                for result in turn.results
            ]
            content += [{"type": "text", "text": text} for text in turn.texts]
            return {"role": "user", "content": content}
        case AssistantTurn():
            blocks: list[JsonValue] = [block for part in turn.parts if (block := _block(part)) is not None]
            # Nor may one be thinking alone, as of an answer that was cut before its first word.
            return {"role": "assistant", "content": blocks if any(map(_is_said, blocks)) else [_NOTHING]}


def _is_said(block: JsonValue) -> bool:
    return isinstance(block, dict) and block.get("type") not in ("thinking", "redacted_thinking")


def _block(part: Text | Reasoning | Call) -> JsonValue:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Reasoning():
            block = part.native.block if part.native else {}
            return block if block.get("signature") or block.get("type") == "redacted_thinking" else None
        case Call():
            own = part.part.native.block if part.part.native and part.part.native.api == API else {}
            rebuilt: dict[str, JsonValue] = {"type": "tool_use", "id": part.id, "name": part.part.name}
            return own | rebuilt | {"input": part.part.args}


def _without_thinking(request: dict[str, JsonValue]) -> dict[str, JsonValue]:
    bare: dict[str, Any] = json.loads(json.dumps(request))
    for message in bare["messages"]:
        kept = [block for block in message["content"] if block["type"] not in ("thinking", "redacted_thinking")]
        message["content"] = kept or [_NOTHING]
    return bare


@dataclass(slots=True)
class _Block:
    """A content block that is arriving. `part` is its index among the parts once it has any content."""

    start: dict[str, Any]
    part: int | None = None
    text: list[str] = field(default_factory=list)
    signature: str = ""


@dataclass(slots=True)
class _Answer:
    """Puts a stream's events together."""

    step_id: str
    model: str
    tools: tuple[ToolSpec, ...]
    blocks: dict[int, _Block] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    stop: str | None = None
    refusal: str = ""
    ended: bool = False
    begun: int = 0

    def take(self, event: RawMessageStreamEvent) -> list[Started | Delta]:
        match event.type:
            case "message_start":
                self.model = event.message.model or self.model
                self._count(event.message.usage)
                return [Started(self._usage())]
            case "content_block_start":
                block = _Block(event.content_block.to_dict(mode="json", exclude_none=True, warnings=False))
                self.blocks[event.index] = block
                # Some compatible servers put the first words here.
                first = str(block.start.get("text") or block.start.get("thinking") or "")
                if block.start["type"] == "tool_use":
                    return [self._delta(block, "", block.start["name"])]
                return [self._delta(block, first)] if first else []
            case "content_block_delta":
                return self._fragment(self.blocks[event.index], event.delta)
            case "content_block_stop":
                block = self.blocks[event.index]
                if block.start["type"] == "tool_use" and not any(block.text) and (given := _given(block)):
                    return [self._delta(block, given)]
                if block.part is None and (block.signature or block.start["type"] == "redacted_thinking"):
                    self._begin(block)
            case "message_delta":
                self.stop = event.delta.stop_reason
                details = event.delta.stop_details
                self.refusal = (details.explanation or "") if details else ""
                self._count(event.usage)
            case "message_stop":
                self.ended = True
                if self.stop == "refusal" and self.refusal and not self.begun:
                    self.blocks[-1] = _Block({"type": "text"})
                    return [self._delta(self.blocks[-1], self.refusal)]
        return []

    def whole(self) -> Answer:
        if not self.ended or self.stop is None:
            raise failures.StreamTruncated
        begun = sorted((b for b in self.blocks.values() if b.part is not None), key=lambda block: block.part or 0)
        parts: list[Part] = []
        calls = 0
        for block in begun:
            calls += block.start["type"] == "tool_use"
            parts.append(_part(block, f"{self.step_id}.c{calls}", good=is_good(self.stop)))
        end = ending(self.stop, parts, self.tools)
        return Answer(end.parts, self.model, self._usage(), end.stop, end.word)

    def _fragment(self, block: _Block, delta: RawContentBlockDelta) -> list[Started | Delta]:
        match delta.type:
            case "text_delta":
                text = delta.text
            case "thinking_delta":
                text = delta.thinking
            case "input_json_delta":
                # Some compatible servers send the object itself.
                given: Any = delta.partial_json
                text = given if isinstance(given, str) else compact(given)
            case "signature_delta":
                block.signature += delta.signature
                return []
            case _:
                return []
        return [self._delta(block, text)] if text and block.start["type"] in _KINDS else []

    def _delta(self, block: _Block, text: str, tool_name: str | None = None) -> Delta:
        text = encodable(text)
        block.text.append(text)
        return Delta(self._begin(block), _KINDS[block.start["type"]], text, tool_name)

    def _begin(self, block: _Block) -> int:
        if block.part is None:
            block.part, self.begun = self.begun, self.begun + 1
        return block.part

    def _count(self, usage: anthropic.types.Usage | anthropic.types.MessageDeltaUsage | None) -> None:
        """Counts are totals so far; one that is left out stays as it was."""
        if usage is not None:
            details = usage.output_tokens_details
            counts = {
                "input": usage.input_tokens,
                "written": usage.cache_creation_input_tokens,
                "read": usage.cache_read_input_tokens,
                "output": usage.output_tokens,
                "thinking": details.thinking_tokens if details else None,
            }
            self.usage |= {name: count for name, count in counts.items() if count is not None}

    def _usage(self) -> Usage:
        count = self.usage.get
        return Usage(
            input_tokens=count("input", 0) + count("written", 0) + count("read", 0),
            cached_tokens=count("read", 0),
            output_tokens=count("output", 0),
            reasoning_tokens=count("thinking", 0),
        )


def _given(block: _Block) -> str:
    """The arguments that some compatible servers give in whole with the block's start, as JSON; "" where there are none."""
    given = block.start.get("input")
    return given if isinstance(given, str) else compact(given) if given else ""


def _part(block: _Block, call_id: str, *, good: bool) -> Part:
    """`good`: the answer ended well."""
    text = "".join(block.text)
    match block.start["type"]:
        case "thinking":
            # Without a signature (compatible servers send none) it may never be sent back.
            signed: dict[str, JsonValue] = {"type": "thinking", "thinking": text, "signature": block.signature}
            return Reasoning(text=text, native=Native(api=API, block=signed) if block.signature else None)
        case "redacted_thinking":
            return Reasoning(native=Native(api=API, block=block.start))
        case "tool_use":
            # The API itself begins with an empty object, always: that is what a call without arguments comes to in the end,
            # but not one that was cut before its first byte.
            nothing = "{}" if good and block.start.get("input") == {} else ""
            args, raw = parse_arguments(text if text.strip() else _given(block) or nothing)
            native = Native(api=API, block=block.start | {"input": args})
            return ToolCall(call_id=call_id, name=block.start["name"], args=args, args_raw=raw, native=native)
        case _:
            return Text(text=text)
