"""OpenAI Chat Completions, by the openai SDK: OpenAI itself, and Ollama, vLLM, llama.cpp and the like by `base_url`.

Rule: reasoning is kept for people and never sent back, for this API has no agreed place for it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

import httpx2
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk
from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.clients import TIMEOUT
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.provider_turns import AssistantTurn, Call, Turn, UserTurn, as_text, turns
from perdure.activities.models.schemas import fit_all
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.activities.models.wires.openai_chat_answer import API, ArrivingAnswer, function_call
from perdure.activities.models.wires.openai_clients import OpenAIClients
from perdure.activities.models.wires.openai_errors import neutral
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.providers.openai_chat import OPENAI_CHAT
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Text, Usage


def connect(provider: ProviderInfo, environment: Mapping[str, str]) -> Wire:
    return OpenAIChat(environment, provider=provider)


class OpenAIChat:
    api = API

    def __init__(
        self,
        environment: Mapping[str, str],
        client: Callable[..., AsyncOpenAI] = AsyncOpenAI,
        timeout: httpx2.Timeout = TIMEOUT,
        provider: ProviderInfo = OPENAI_CHAT,
    ) -> None:
        """See `OpenAIClients`."""
        self._clients = OpenAIClients(provider, environment, client, timeout)

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        model = prompt.model
        asked = self._clients.asked(API, prompt)
        dialect = asked.dialect
        body: dict[str, JsonValue] = {
            "model": model.model_name,
            dialect.output_limit: model.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if prompt.tools:
            fitted = fit_all(prompt.tools, dialect)
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
        for turn in turns(prompt.around(messages), asked):
            history += _messages(turn)
        body["messages"] = history
        return body

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        try:
            async with await self._open(request, prompt.model) as chunks:
                yield Started(Usage())
                answer = ArrivingAnswer(step_id, str(request["model"]), prompt.tools)
                # The SDK reads to the end of the body itself once it has seen [DONE].
                async for chunk in chunks:
                    for delta in answer.take(chunk):
                        yield delta
                yield answer.whole(done=chunks.done)
        except Exception as error:
            # `from None`: the cause would travel to the history with whatever its text holds.
            raise ModelFailed(classify(neutral(error), self._clients.source(prompt.model.base_url))) from None

    async def _open(self, request: dict[str, JsonValue], model: ModelDefinition) -> "_Chunks":
        # As `client.chat.completions.create` does it, but with `[DONE]` in sight.
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
                    "content": f"Error: {as_text(result.content)}" if result.is_error else as_text(result.content),
                }
                for result in turn.results
            ]
            return [*results, {"role": "user", "content": as_text(turn.content)}] if turn.content else results
        case AssistantTurn():
            text = "\n\n".join(part.text for part in turn.parts if isinstance(part, Text))
            calls: list[JsonValue] = [_call(part) for part in turn.parts if isinstance(part, Call)]
            message: dict[str, JsonValue] = {"role": "assistant", "content": text or (None if calls else "(no answer)")}
            return [message | {"tool_calls": calls}] if calls else [message]


def _call(call: Call) -> JsonValue:
    native = call.part.native
    if native and call.part.args_raw is None:
        return native.block | {"id": call.id}
    # Servers parse the arguments again, so what was not JSON cannot be sent.
    return function_call(call.id, call.part.name, compact(call.part.args))
