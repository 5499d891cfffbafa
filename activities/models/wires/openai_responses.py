"""OpenAI Responses, by the openai SDK: OpenAI itself, and servers that speak this API too, by `base_url`.

Rule 1: nothing is stored at the provider. Reasoning comes encrypted and goes back verbatim, together with the item
that it led to, or not at all.
Rule 2: events are read as plain JSON. At the first answer the SDK would build its types for them, on the event loop, for
longer than a heartbeat may take on a busy machine.
"""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream
from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.clients import TIMEOUT, read_out
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.provider_turns import AssistantTurn, Call, Turn, UserTurn, as_text, text_of, turns
from perdure.activities.models.schemas import fit_all
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.activities.models.wires.openai_clients import OpenAIClients
from perdure.activities.models.wires.openai_errors import neutral
from perdure.activities.models.wires.openai_responses_answer import API, ArrivingAnswer
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.providers.openai import OPENAI
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Reasoning, Text, Usage


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

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        model = prompt.model
        asked = self._clients.asked(API, prompt)
        body: dict[str, JsonValue] = {
            "model": model.model_name,
            "max_output_tokens": model.max_output_tokens,
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }
        if prompt.system.strip():
            body["instructions"] = prompt.system
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
        if model.thinking != "off":
            body["reasoning"] = {"effort": model.thinking, "summary": "auto"}
        shown = turns(prompt.around(messages), asked)
        body["input"] = [item for turn in shown for item in _items(turn)]
        return body

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        try:
            async with await self._open(request, prompt.model) as events:
                yield Started(Usage())
                answer = ArrivingAnswer(step_id, str(request["model"]), prompt.tools)
                async for event in events:
                    for delta in answer.take(event) if isinstance(event, dict) else ():
                        yield delta
                    if answer.response:
                        await read_out(events)
                        break
                yield answer.whole()
        except Exception as error:
            # `from None`: the cause would travel to the history with whatever its text holds.
            raise ModelFailed(classify(neutral(error), self._clients.source(prompt.model.base_url))) from None

    async def _open(self, request: dict[str, JsonValue], model: ModelDefinition) -> AsyncStream[object]:
        client = self._clients.at(model)
        try:
            return await _send(client, request)
        except openai.BadRequestError as error:
            # Reasoning of another model, key or organization, or a model that has none.
            if error.code != "invalid_encrypted_content" and "encrypted content" not in error.message.lower():
                raise
            return await _send(client, _without_reasoning(request))

    async def aclose(self) -> None:
        await self._clients.aclose()


async def _send(client: AsyncOpenAI, request: dict[str, JsonValue]) -> AsyncStream[object]:
    # As `client.responses.create` does it, but without its types.
    return await client.post("/responses", cast_to=object, body=request, stream=True, stream_cls=AsyncStream[object])


def _items(turn: Turn) -> list[JsonValue]:
    items: list[JsonValue] = []
    match turn:
        case UserTurn():
            for result in turn.results:
                # The API has no flag for an error.
                output = f"Error: {as_text(result.content)}" if result.is_error else as_text(result.content)
                items.append({"type": "function_call_output", "call_id": result.id, "output": output})
            if turn.content:
                said: list[JsonValue] = [{"type": "input_text", "text": text_of(part)} for part in turn.content]
                items.append({"role": "user", "content": said})
        case AssistantTurn():
            for at, part in enumerate(turn.parts):
                item = _item(part, turn.parts[at + 1 :])
                items += [item] if item else []
    return items


def _item(part: Text | Reasoning | Call, following: tuple[Text | Reasoning | Call, ...]) -> dict[str, JsonValue]:
    match part:
        case Text():
            said: JsonValue = [{"type": "output_text", "text": part.text, "annotations": []}]
            return _own(part) or {"type": "message", "role": "assistant", "content": said}
        case Reasoning():
            # Reasoning is refused without the item that it led to, which an answer that was cut may not have.
            led_to = next((other for other in following if not isinstance(other, Reasoning)), None)
            return _own(part) if led_to and _own(led_to) else {}
        case Call():
            rebuilt: dict[str, JsonValue] = {"type": "function_call", "name": part.part.name}
            item = (_own(part) or rebuilt) | {"call_id": part.id}
            # Servers parse the arguments again, so what was not JSON cannot be sent.
            written = item.get("arguments")
            as_written = isinstance(written, str) and written.strip() and part.part.args_raw is None
            return item if as_written else item | {"arguments": compact(part.part.args)}


def _own(part: Text | Reasoning | Call) -> dict[str, JsonValue]:
    native = part.part.native if isinstance(part, Call) else part.native
    return native.block if native else {}


def _without_reasoning(request: dict[str, JsonValue]) -> dict[str, JsonValue]:
    bare: dict[str, Any] = json.loads(json.dumps(request))
    del bare["include"]
    # With its id, an item would be refused for lack of the reasoning that led to it.
    bare["input"] = [
        {name: value for name, value in item.items() if name != "id"}
        for item in bare["input"]
        if item.get("type") != "reasoning"
    ]
    return bare
