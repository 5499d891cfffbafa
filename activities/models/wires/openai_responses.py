"""OpenAI Responses, by the openai SDK: OpenAI itself, Azure, and servers that speak this API too, by `base_url`.

Rule 1: nothing is stored at the provider. Reasoning comes encrypted and goes back verbatim, together with the item
that it led to, or not at all.
Rule 2: events are read as plain JSON. At the first answer the SDK would build its types for them, on the event loop, for
longer than a heartbeat may take on a busy machine; and it raises on shapes that it does not know.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Final

import httpx2
from openai import AsyncOpenAI, AsyncStream
from pydantic import JsonValue

from perdure.activities.models.adapting import Adapting, Rewrite
from perdure.activities.models.clients import TIMEOUT, read_out
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.parameters import with_parameters
from perdure.activities.models.provider_turns import turns
from perdure.activities.models.received import Received
from perdure.activities.models.refusal import Refusal
from perdure.activities.models.schemas import fit_all
from perdure.activities.models.sse_events import SseDecoder, events_of
from perdure.activities.models.structured_output import NAME, native_form, told
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.activities.models.wires.openai_clients import OpenAIClients
from perdure.activities.models.wires.openai_errors import neutral
from perdure.activities.models.wires.openai_responses_answer import API, ArrivingAnswer
from perdure.activities.models.wires.openai_responses_input import items
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.providers.openai import OPENAI
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Usage


def connect(provider: ProviderInfo, environment: Mapping[str, str]) -> Wire:
    return OpenAIResponses(environment, provider=provider)


class OpenAIResponses:
    api = API

    def __init__(
        self,
        environment: Mapping[str, str],
        client: Callable[..., AsyncOpenAI] = AsyncOpenAI,
        timeout: httpx2.Timeout = TIMEOUT,
        provider: ProviderInfo = OPENAI,
    ) -> None:
        """See `OpenAIClients`."""
        self._clients = OpenAIClients(provider, environment, client, timeout)
        self._adapting = Adapting()

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        model = prompt.model
        asked = self._clients.asked(API, prompt)
        prompt = told(prompt, asked.dialect)
        body: dict[str, JsonValue] = {
            "model": model.model_name,
            "max_output_tokens": model.max_output_tokens,
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }
        history = items(turns(prompt.around(messages), asked), asked)
        if prompt.system.strip():
            if asked.dialect.instructions == "field":
                body["instructions"] = prompt.system
            else:
                history.insert(0, {"role": asked.dialect.instructions, "content": prompt.system})
        if prompt.tools:
            fitted = fit_all(prompt.tools, asked.dialect)
            body["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": fit.schema,
                    # The default of the API is true.
                    "strict": fit.strict,
                }
                for tool, fit in zip(prompt.tools, fitted, strict=True)
            ]
        if (form := native_form(prompt, asked.dialect)) is not None:
            form_of: dict[str, JsonValue] = {
                "type": "json_schema",
                "name": NAME,
                "schema": form.schema,
                "strict": form.strict,
            }
            body["text"] = {"format": form_of}
        body["input"] = history
        return with_parameters(body, model, asked.dialect)

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        model = prompt.model
        received = Received()
        try:
            client = self._clients.at(model)
            opened = await self._adapting.open(
                self._clients.server(model), model, request, partial(_send, client), neutral, (_WITHOUT_REASONING,)
            )
            async with (
                opened.stream as stream,
                aclosing(events_of(stream.response.aiter_bytes(), SseDecoder())) as events,
            ):
                yield Started(Usage())
                answer = ArrivingAnswer(step_id, str(request["model"]), prompt.tools)
                async for event in events:
                    for delta in received.through(event, answer.take(event)):
                        yield delta
                    if answer.ended:
                        await read_out(events)
                        break
                yield replace(answer.whole(), adapted=opened.adapted)
        except Exception as error:
            # `from None`: the cause would travel to the history with whatever its text holds.
            raise ModelFailed(classify(received.explained(neutral(error)), self._clients.source(model))) from None

    async def aclose(self) -> None:
        await self._clients.aclose()


async def _send(client: AsyncOpenAI, request: dict[str, JsonValue]) -> AsyncStream[object]:
    # As `client.responses.create` does it, but without its types.
    return await client.post("/responses", cast_to=object, body=request, stream=True, stream_cls=AsyncStream[object])


def _about_reasoning(refusal: Refusal) -> bool:
    """Reasoning of another model, key or organization, or a server that takes none back."""
    words = refusal.lower
    named = "encrypted content" in words or "encrypted_content" in words or "reasoning item" in words
    return named or "type 'reasoning'" in words or "invalid_encrypted_content" in refusal.codes


def _without_reasoning(body: dict[str, JsonValue]) -> dict[str, JsonValue]:
    items = body.get("input")
    if not isinstance(items, list) or not any(_type(item) == "reasoning" for item in items):
        return body
    # With its id, an item would be refused for lack of the reasoning that led to it.
    kept: list[JsonValue] = [
        {name: value for name, value in item.items() if name != "id"}
        for item in items
        if isinstance(item, dict) and _type(item) != "reasoning"
    ]
    return {name: value for name, value in body.items() if name != "include"} | {"input": kept}


def _type(item: object) -> Any:
    return item.get("type") if isinstance(item, dict) else None


_WITHOUT_REASONING: Final = Rewrite("input.reasoning: dropped", _about_reasoning, _without_reasoning)
