"""A conversation that moves between the servers of the fake provider, straight over the wires."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from perdure.activities.models.call_attempt import signed
from perdure.activities.models.providers import Providers
from perdure.activities.models.wire import Answer
from perdure.temporal.app.fakes.dialects import DIALECTS
from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.definitions.endpoints import owns
from perdure.temporal.definitions.servers import server_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Part, Role, Text, ToolCall, ToolResult, ToolSpec

_AT = datetime(2026, 11, 1, tzinfo=UTC)
#: Providers by the API of a dialect, and those of dialects that have one of their own.
_PROVIDERS = {"anthropic": "anthropic", "chat": "openai-chat", "responses": "openai", "gemini": "gemini"}
_OWN = {"bedrock": "bedrock", "azure": "azure-chat", "azure-responses": "azure"}
TOOLS = tuple(
    ToolSpec(
        name=name,
        description="Finds.",
        input={
            "type": "object",
            "properties": {"id": {"type": "string"}},
            "required": ["id"],
            "additionalProperties": False,
        },
    )
    for name in ("find_order", "find_stock")
)


def provider_of(dialect: str) -> str:
    return _OWN.get(dialect) or _PROVIDERS[DIALECTS[dialect].api]


#: Those that this version has a provider for.
MOVABLE = tuple(name for name in DIALECTS if provider_of(name) in PROVIDERS)


#: Those whose hosts are known.
KNOWN = tuple(name for name in MOVABLE if DIALECTS[name].host)


def thought(dialect: str, step: int) -> str:
    return f"What {dialect} thought in step {step}."


@dataclass
class Servers:
    """A fake provider for each dialect, each at an address of its own."""

    fakes: Mapping[str, FakeProvider]
    providers: Providers
    models: Mapping[str, ModelDefinition]

    def calls(self, dialect: str = "") -> list[Call]:
        """All calls, or those of this dialect."""
        made = [call for fake in dict.fromkeys(self.fakes.values()) for call in fake.calls]
        return [call for call in made if not dialect or call.dialect.name == dialect]

    def reset(self) -> None:
        for fake in self.fakes.values():
            fake.reset()


@asynccontextmanager
async def serving(environment: Mapping[str, str]) -> AsyncIterator[Servers]:
    fakes = {name: FakeProvider(dialect=name) for name in MOVABLE}
    for fake in fakes.values():
        await fake.__aenter__()
    models = {name: model(name, fake.url + DIALECTS[name].base) for name, fake in fakes.items()}
    providers = Providers(environment)
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Bedrock's SDK finds it by itself, and makes no client without it.
            patch.setenv("AWS_REGION", "us-east-1")
            yield Servers(fakes, providers, models)
    finally:
        await providers.aclose()
        for fake in fakes.values():
            await fake.__aexit__()


@asynccontextmanager
async def standing_in(environment: Mapping[str, str], patch: pytest.MonkeyPatch) -> AsyncIterator[Servers]:
    """One fake provider that stands in for the vendors' own hosts: whatever goes there, over TLS, reaches it instead."""
    send = httpx2.AsyncHTTPTransport.handle_async_request
    async with FakeProvider() as fake:
        port = int(fake.url.rpartition(":")[2])

        async def reroute(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
            # The header `Host` stays, and says which vendor it is.
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
            return await send(transport, request)

        patch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", reroute)
        providers = Providers(environment)
        try:
            yield Servers(dict.fromkeys(KNOWN, fake), providers, {name: model(name, address(name)) for name in KNOWN})
        finally:
            await providers.aclose()


def address(dialect: str) -> str | None:
    """Of the real server; None: its provider's own."""
    here = DIALECTS[dialect]
    url = f"https://{here.host}{here.base}"
    endpoint = PROVIDERS[provider_of(dialect)].endpoint
    return None if endpoint is not None and owns(endpoint, url) else url


def model(dialect: str, base_url: str | None) -> ModelDefinition:
    use = f"{provider_of(dialect)}/{DIALECTS[dialect].model}"
    key = "${KEY}" if base_url is not None else None
    return ModelDefinition(use=use, base_url=base_url, api_key=key, thinking="medium")


@dataclass
class Conversation:
    servers: Servers
    system: str = "You are the order desk."
    tools: tuple[ToolSpec, ...] = TOOLS
    messages: list[Message] = field(default_factory=list)
    steps: int = 0

    def say(self, text: str) -> None:
        self._add("user", Text(text=text))

    async def step(self, dialect: str, reply: Reply, **changes: Any) -> Answer:
        """One answer of this server, and the results of its calls."""
        self.steps += 1
        model = self.servers.models[dialect].model_copy(update=changes)
        prompt = Prompt(model=model, system=self.system, tools=self.tools)
        self.servers.fakes[dialect].script(reply)
        wire = self.servers.providers.wire(model)
        body = wire.request(prompt, tuple(self.messages))
        (answer,) = [item async for item in wire.stream(body, prompt, f"t1.s{self.steps}") if isinstance(item, Answer)]
        self._add("assistant", *signed(answer.parts, server_of(model, {})))
        results = [
            ToolResult(call_id=part.call_id, name=part.name, output={"found": part.args})
            for part in answer.parts
            if isinstance(part, ToolCall)
        ]
        if results:
            self._add("tool", *results)
        return answer

    async def calls(self, dialect: str) -> Answer:
        """A step in which the server thinks, and calls two tools at once."""
        tools = (("find_order", {"id": f"{dialect}-1"}), ("find_stock", {"id": f"{dialect}-2"}))
        reply = Reply(
            reasoning=thought(dialect, self.steps + 1),
            text="Let me look.",
            tools=tools,
            output_tokens=40,
            reasoning_tokens=9,
        )
        return await self.step(dialect, reply)

    def _add(self, role: Role, *parts: Part) -> None:
        self.messages.append(Message(id=f"m{len(self.messages)}", role=role, parts=parts, at=_AT))
