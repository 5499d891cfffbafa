"""Gemini, by the google-genai SDK: Google itself, and proxies in front of it, by `base_url`.

Rule: a body is the API's own JSON, in camel case, so that parts go back as they came.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Final

import httpx2
from pydantic import JsonValue

from perdure.activities.models.adapting import Adapting
from perdure.activities.models.clients import TIMEOUT
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.parameters import with_parameters
from perdure.activities.models.provider_turns import turns
from perdure.activities.models.received import Received
from perdure.activities.models.schemas import Fitted, fit_all
from perdure.activities.models.sse_events import SseDecoder, SseEvent, events_of
from perdure.activities.models.structured_output import native_form, told
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.activities.models.wires.gemini_answer import ArrivingAnswer
from perdure.activities.models.wires.gemini_clients import GeminiClients
from perdure.activities.models.wires.gemini_contents import contents
from perdure.activities.models.wires.gemini_errors import neutral
from perdure.activities.models.wires.gemini_parts import API
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.gemini import GEMINI
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, ToolSpec, Usage

#: Seconds that a finished answer is waited for to end: its body ends at once, or the connection is lost.
_LAST: Final = 5


def connect(provider: ProviderInfo, environment: Mapping[str, str]) -> Wire:
    return Gemini(environment, provider=provider)


class Gemini:
    api = API

    def __init__(
        self, environment: Mapping[str, str], timeout: httpx2.Timeout = TIMEOUT, provider: ProviderInfo = GEMINI
    ) -> None:
        """See `GeminiClients`."""
        self._clients = GeminiClients(provider, environment, timeout)
        self._adapting = Adapting()

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        model = prompt.model
        asked = self._clients.asked(API, prompt)
        prompt = told(prompt, asked.dialect)
        body: dict[str, JsonValue] = {"contents": contents(turns(prompt.around(messages), asked), asked)}
        if prompt.system.strip():
            body["systemInstruction"] = {"parts": [{"text": prompt.system}]}
        if prompt.tools:
            fitted = fit_all(prompt.tools, asked.dialect)
            declared = [_declared(tool, fit.schema) for tool, fit in zip(prompt.tools, fitted, strict=True)]
            body["tools"] = [{"functionDeclarations": declared}]
        body["generationConfig"] = {
            "maxOutputTokens": model.max_output_tokens,
            **_thinking(model, asked.dialect),
            **_form(native_form(prompt, asked.dialect)),
        }
        return with_parameters(body, model, asked.dialect)

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        model = prompt.model
        received = Received()
        try:
            send = partial(self._clients.at(model).stream, model.model_name)
            opened = await self._adapting.open(self._clients.server(model), model, request, send, neutral)
            response = opened.stream
            try:
                yield Started(Usage())
                answer = ArrivingAnswer(step_id, model.model_name, prompt.tools)
                async with aclosing(_until_ended(response, answer)) as events:
                    async for event in events:
                        for delta in received.through(event, answer.take(event)):
                            yield delta
                yield replace(answer.whole(), adapted=opened.adapted)
            finally:
                await response.aclose()
        except Exception as error:
            # `from None`: the cause would travel to the history with whatever its text holds.
            raise ModelFailed(classify(received.explained(neutral(error)), self._clients.source(model))) from None

    async def aclose(self) -> None:
        await self._clients.aclose()


async def _until_ended(response: httpx2.Response, answer: ArrivingAnswer) -> AsyncGenerator[SseEvent, None]:
    """The events of `response`, to their end. The API has no word for the end of a stream, only for that of the answer."""
    async with aclosing(events_of(response.aiter_bytes(), SseDecoder())) as events:
        while True:
            try:
                async with asyncio.timeout(_LAST if answer.finished else None):
                    event = await anext(events, None)
            except (httpx2.TransportError, TimeoutError):
                if not answer.finished:
                    raise
                return
            if event is None:
                return
            yield event


def _declared(tool: ToolSpec, schema: dict[str, Any]) -> JsonValue:
    declared: dict[str, JsonValue] = {"name": tool.name, "description": tool.description}
    # Without properties, some models refuse the schema.
    return declared | {"parametersJsonSchema": schema} if schema.get("properties") else declared


def _form(form: Fitted | None) -> dict[str, JsonValue]:
    return {} if form is None else {"responseMimeType": "application/json", "responseJsonSchema": form.schema}


def _thinking(model: ModelDefinition, dialect: Dialect) -> dict[str, JsonValue]:
    thinking = dialect.thinking
    word = thinking.off if model.thinking == "off" else thinking.levels.get(model.thinking, model.thinking)
    name = {"level": "thinkingLevel", "budget": "thinkingBudget"}.get(thinking.form)
    if name is None or word is None:
        return {}
    # Without a word on it, thoughts are paid for and not shown.
    shown: dict[str, JsonValue] = {"includeThoughts": True} if model.thinking != "off" or thinking.always else {}
    return {"thinkingConfig": {name: word, **shown}}
