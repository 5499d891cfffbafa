"""OpenAI Chat Completions, by the openai SDK's client: OpenAI itself, and all who speak its API, by `base_url`.

Rule: the SDK sends the request. The answer is read from the raw events, for few servers keep to the SDK's types.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import httpx2
from openai import AsyncOpenAI, AsyncStream
from pydantic import JsonValue

from perdure.activities.models.adapting import Adapting, Opened
from perdure.activities.models.clients import TIMEOUT
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.parameters import with_parameters
from perdure.activities.models.provider_turns import turns
from perdure.activities.models.received import Received
from perdure.activities.models.schemas import fit_all
from perdure.activities.models.sse_events import SseDecoder, SseEvent, events_of
from perdure.activities.models.structured_output import NAME, native_form, told
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.activities.models.wires.openai_chat_answer import ArrivingAnswer
from perdure.activities.models.wires.openai_chat_call import API
from perdure.activities.models.wires.openai_chat_messages import messages
from perdure.activities.models.wires.openai_chat_rewrites import REWRITES
from perdure.activities.models.wires.openai_clients import OpenAIClients
from perdure.activities.models.wires.openai_errors import neutral
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.providers.openai_chat import OPENAI_CHAT
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Usage

#: Seconds to wait for what may follow: the usage and `[DONE]` behind the reason to end; the end of the body behind `[DONE]`.
_AFTER_REASON_S: Final = 5
_AFTER_DONE_S: Final = 0.2


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
        self._adapting = Adapting()

    def request(self, prompt: Prompt, conversation: tuple[Message, ...]) -> dict[str, JsonValue]:
        model = prompt.model
        asked = self._clients.asked(API, prompt)
        dialect = asked.dialect
        prompt = told(prompt, dialect)
        body: dict[str, JsonValue] = {
            "model": model.model_name,
            dialect.output_limit: model.max_output_tokens,
            "stream": True,
        }
        if dialect.stream_usage:
            body["stream_options"] = {"include_usage": True}
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
        if (form := native_form(prompt, dialect)) is not None:
            schema: dict[str, JsonValue] = {"name": NAME, "schema": form.schema, "strict": form.strict}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        body["messages"] = messages(prompt.system, turns(prompt.around(conversation), asked), dialect)
        return with_parameters(body, model, dialect)

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        received = Received()
        try:
            opened = await self._open(request, prompt)
            async with opened.stream as stream:
                yield Started(Usage())
                answer = ArrivingAnswer(step_id, str(request["model"]), prompt.tools)
                async with aclosing(_events(stream.response, answer)) as events:
                    async for event in events:
                        for delta in received.through(event, answer.take(event)):
                            yield delta
                for delta in answer.rest():
                    yield delta
                yield replace(answer.whole(), adapted=opened.adapted)
        except Exception as error:
            # `from None`: the cause would travel to the history with whatever its text holds.
            told = received.explained(neutral(error))
            raise ModelFailed(classify(told, self._clients.source(prompt.model))) from None

    async def _open(self, request: dict[str, JsonValue], prompt: Prompt) -> Opened[AsyncStream[object]]:
        client = self._clients.at(prompt.model)

        async def send(body: dict[str, JsonValue]) -> AsyncStream[object]:
            return await client.post(
                "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
            )

        server = self._clients.server(prompt.model)
        return await self._adapting.open(server, prompt.model, request, send, neutral, REWRITES)

    async def aclose(self) -> None:
        await self._clients.aclose()


async def _events(response: httpx2.Response, answer: ArrivingAnswer) -> AsyncGenerator[SseEvent, None]:
    """The events of the response, to its end if that comes soon. Then the connection can serve another request.

    Once the answer has ended, a silent or lost connection takes nothing from it."""
    loop = asyncio.get_running_loop()
    until: float | None = None
    async with aclosing(events_of(response.aiter_bytes(), SseDecoder())) as events:
        while True:
            try:
                if answer.done:
                    until = loop.time() + _AFTER_DONE_S if until is None else until
                    event = await asyncio.wait_for(anext(events), until - loop.time())
                elif answer.has_ended:
                    event = await asyncio.wait_for(anext(events), _AFTER_REASON_S)
                else:
                    event = await anext(events)
            except StopAsyncIteration:
                return
            except (httpx2.TransportError, TimeoutError):
                if answer.has_ended:
                    return
                raise
            yield event
