"""Anthropic Messages, by its own SDK."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Final

import anthropic
import httpx2
from anthropic import AsyncAnthropic, AsyncAnthropicBedrock, AsyncStream, DefaultAsyncHttpxClient
from anthropic.types import Message as SdkMessage
from anthropic.types import RawMessageStreamEvent
from pydantic import JsonValue

from perdure.activities.models.adapting import Adapting, Opened, Rewrite
from perdure.activities.models.clients import (
    PLACEHOLDER_KEY,
    TIMEOUT,
    SdkHeaders,
    Server,
    http_options,
    read_out,
)
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.parameters import with_parameters
from perdure.activities.models.provider_clients import ProviderClients
from perdure.activities.models.provider_turns import turns
from perdure.activities.models.received import Received
from perdure.activities.models.refusal import Refusal
from perdure.activities.models.schemas import fit_all
from perdure.activities.models.sse_events import Decoder, SseDecoder, events_of
from perdure.activities.models.structured_output import native_form, told
from perdure.activities.models.think_tags import ThinkTags
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.activities.models.wires.anthropic_answer import API, ArrivingAnswer
from perdure.activities.models.wires.anthropic_caching import with_caching
from perdure.activities.models.wires.anthropic_content import THOUGHT, messages, without
from perdure.activities.models.wires.anthropic_errors import neutral
from perdure.activities.models.wires.anthropic_thinking import fitting_loop
from perdure.temporal.definitions.references import MissingVariable
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.anthropic import ANTHROPIC
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message

_HEADERS: Final = SdkHeaders(frozenset(("authorization", "x-api-key")), custom="ANTHROPIC_CUSTOM_HEADERS")
SdkClient = AsyncAnthropic | AsyncAnthropicBedrock


def connect(provider: ProviderInfo, environment: Mapping[str, str]) -> Wire:
    return AnthropicMessages(environment, provider=provider)


class AnthropicMessages:
    api = API

    def __init__(
        self,
        environment: Mapping[str, str],
        client: Callable[..., AsyncAnthropic] = AsyncAnthropic,
        timeout: httpx2.Timeout = TIMEOUT,
        provider: ProviderInfo = ANTHROPIC,
    ) -> None:
        """`environment` gives what `${NAME}` in a model definition stands for; `client` takes what `AsyncAnthropic` does."""
        self._provider = provider
        self._environment = environment
        self._client = client
        self._timeout = timeout
        self._clients: ProviderClients[SdkClient] = ProviderClients(provider, environment, self.connect)
        self._adapting = Adapting()

    def connect(self, server: Server) -> SdkClient:
        """A client of the SDK. Raises `MissingVariable`, and `NotSetUp`."""
        # With a key given, the SDK looks for no credentials by itself, not in files either.
        key = {} if server.sdk_credentials else {"api_key": server.key or PLACEHOLDER_KEY}
        http = DefaultAsyncHttpxClient(**http_options(server, _HEADERS, self._environment, self._timeout))
        try:
            # Without the SDK's spans: each call has ours where spans are on, and two would count every token twice.
            return self._client(
                base_url=server.url,
                timeout=self._timeout,
                max_retries=0,
                open_telemetry=False,
                http_client=http,
                **key,
            )
        except anthropic.CredentialsError:
            # A profile that the SDK was pointed to, and that holds no credentials.
            raise MissingVariable(self._clients.endpoint.keys[0]) from None

    def decoder(self, response: httpx2.Response) -> Decoder:
        """What reads the body of an answer."""
        return SseDecoder()

    def neutral(self, error: Exception) -> Exception:
        """`error` without the SDK's types."""
        return neutral(error)

    def request(self, prompt: Prompt, conversation: tuple[Message, ...]) -> dict[str, JsonValue]:
        model = prompt.model
        asked = self._clients.asked(API, prompt)
        dialect = asked.dialect
        prompt = told(prompt, dialect)
        body: dict[str, JsonValue] = {"model": model.model_name, "max_tokens": model.max_output_tokens, "stream": True}
        if prompt.system.strip():
            body["system"] = prompt.system
        if prompt.tools:
            fitted = fit_all(prompt.tools, dialect)
            body["tools"] = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": fit.schema,
                    **({"strict": True} if fit.strict else {}),
                }
                for tool, fit in zip(prompt.tools, fitted, strict=True)
            ]
        body["messages"] = messages(turns(prompt.around(conversation), asked), dialect)
        if (form := native_form(prompt, dialect)) is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": form.schema}}
        made = with_parameters(with_caching(body, dialect.caching), model, dialect)
        return made if "thinking" in model.extra else fitting_loop(made)

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        received = Received()
        try:
            opened = await self._open(request, prompt.model)
            async with opened.stream as stream:
                tags = None if self._clients.is_own(prompt.model) else ThinkTags()
                answer = ArrivingAnswer(step_id, str(request["model"]), prompt.tools, tags)
                chunks = stream.response.aiter_bytes()
                try:
                    async with aclosing(events_of(chunks, self.decoder(stream.response))) as events:
                        async for event in events:
                            for item in received.through(event, answer.take(event)):
                                yield item
                            if answer.ended:
                                break
                except httpx2.TransportError:
                    if not answer.has_end:
                        raise
                for delta in answer.finish():
                    yield delta
                await read_out(chunks)
                yield replace(answer.whole(), adapted=opened.adapted)
        except Exception as error:
            told = received.explained(self.neutral(error))
            # `from None`: the cause would travel to the history with whatever its text holds.
            raise ModelFailed(classify(told, self._clients.source(prompt.model))) from None

    async def _open(self, request: dict[str, JsonValue], model: ModelDefinition) -> Opened[AsyncStream[Any]]:
        client = self._clients.at(model)
        if isinstance(client, AsyncAnthropic) and not _has_credentials(client):
            raise MissingVariable(self._clients.endpoint.keys[0])
        server = self._clients.server(model)
        return await self._adapting.open(server, model, request, partial(_send, client), self.neutral, _REWRITES)

    async def aclose(self) -> None:
        await self._clients.aclose()


async def _send(client: SdkClient, request: dict[str, JsonValue]) -> AsyncStream[Any]:
    # Not by `client.messages.create`, which knows only what its own version of the API has.
    return await client.post(
        "/v1/messages", cast_to=SdkMessage, body=request, stream=True, stream_cls=AsyncStream[RawMessageStreamEvent]
    )


def _has_credentials(client: AsyncAnthropic) -> bool:
    return bool(
        client.api_key
        or client.auth_token
        or client.credentials
        or {"authorization", "x-api-key"} & {name.lower() for name, value in client.default_headers.items() if value}
    )


def _wants_thinking_first(refusal: Refusal) -> bool:
    """An answer of the open tool loop does not begin with thinking. No code names this refusal."""
    return "must start with a thinking block" in refusal.lower


def _is_of_another_conversation(refusal: Refusal) -> bool:
    """Signed thinking belongs to another prefix, model or account. No code names this refusal."""
    return "different conversation" in refusal.lower or "signature" in refusal.lower


def _is_about_messages(refusal: Refusal) -> bool:
    return any(place[0] == "messages" for place in refusal.places) or "messages." in refusal.lower


_REWRITES: Final = (
    Rewrite("thinking of before: left out", _is_of_another_conversation, lambda body: without(body, *THOUGHT)),
    Rewrite("thinking: left out until the tool loop ends", _wants_thinking_first, fitting_loop),
    Rewrite(
        "blocks of unknown types: left out",
        _is_about_messages,
        lambda body: without(body, known=("text", "tool_use", *THOUGHT)),
    ),
)
