"""Chat Completions over the real SDK, against a server that sends whatever it is given."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import PLAIN, Dialect
from perdure.workflows.definition.providers.openai_chat import OPENAI_CHAT
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Part, Reasoning, Text, ToolCall, ToolResult, ToolSpec
from tests.support.body_server import JSON, Body, BodyServer, body_server

_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)
_ORDER: Final[dict[str, Any]] = {"type": "object", "properties": {"p": {}, "a": {}}}
TOOLS: Final = (
    ToolSpec(name="glob", description="", input=_ORDER),
    ToolSpec(name="f", description="", input=_ORDER),
    ToolSpec(name="ping", description="", input={"type": "object", "properties": {}}),
)


def chunk(delta: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    choice = {"index": 0, "finish_reason": finish} | ({} if delta is None else {"delta": delta})
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def called(*entries: Any, **more: Any) -> dict[str, Any]:
    """A chunk with fragments of tool calls."""
    return chunk({"tool_calls": list(entries)}, **more)


def stream(*chunks: Any, done: bool = True) -> bytes:
    """The chunks as events; a text stands for itself."""
    lines = (each if isinstance(each, str) else f"data: {json.dumps(each)}\n\n" for each in chunks)
    return "".join(lines).encode() + (b"data: [DONE]\n\n" if done else b"")


def message(role: Any, *parts: Part) -> Message:
    return Message(id="m", role=role, parts=parts, at=_AT)


def user(text: str) -> Message:
    return message("user", Text(text=text))


def text(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def reasoning(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Reasoning))


def calls(parts: Iterable[Part]) -> list[tuple[str, Any]]:
    """Names and arguments; those that are not whole as they were written."""
    found = [part for part in parts if isinstance(part, ToolCall)]
    return [(call.name, call.args if call.args_raw is None else call.args_raw) for call in found]


class Chat:
    """A model behind the wire."""

    def __init__(self, server: BodyServer, dialect: Dialect = PLAIN) -> None:
        self._server = server
        self.wire = OpenAIChat({}, provider=replace(OPENAI_CHAT, elsewhere=dialect))

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self._server.requests]

    def refuse_with(self, body: Body) -> None:
        """Queues an answer for a request that comes before that of the next `play`'s answer."""
        self._server.give(body)

    async def play(
        self, body: bytes | Body, *said: Message, tools: tuple[ToolSpec, ...] = TOOLS, **model: Any
    ) -> list[Started | Delta | Answer]:
        """What the wire yields of an answer with this body."""
        self._server.give(body)
        definition = ModelDefinition(**{"use": "openai-chat/m", "base_url": f"{self._server.url}/v1"} | model)
        prompt = Prompt(model=definition, system="Be brief.", tools=tools)
        request = self.wire.request(prompt, said or (user("go"),))
        return [item async for item in self.wire.stream(request, prompt, "t1.s1")]

    async def answer(self, body: bytes | Body, *said: Message, **more: Any) -> Answer:
        last = (await self.play(body, *said, **more))[-1]
        assert isinstance(last, Answer)
        return last

    async def of(self, *chunks: Any, done: bool = True) -> Answer:
        """The answer of these chunks."""
        return await self.answer(stream(*chunks, done=done))

    async def of_messages(self, *said: Message, **more: Any) -> Answer:
        """A short answer to this conversation."""
        return await self.answer(stream(chunk({"content": "Done."}, "stop")), *said, **more)

    async def of_json(self, body: Any) -> Answer:
        return await self.answer(Body(json.dumps(body).encode(), JSON))

    async def failure(self, body: bytes | Body) -> ModelFailure:
        """What became of an answer with this body that is none."""
        try:
            told = await self.answer(body)
        except ModelFailed as failed:
            return failed.failure
        raise AssertionError(told)

    async def after(self, answer: Answer, *more: Message) -> dict[str, Any]:
        """The request that follows `answer` and the results of its calls."""
        done = [part for part in answer.parts if isinstance(part, ToolCall)]
        results = message("tool", *(ToolResult(call_id=part.call_id, name=part.name, output="ok") for part in done))
        said = message("assistant", *answer.parts)
        await self.of_messages(user("go"), said, results, *more)
        return self.requests[-1]


@asynccontextmanager
async def chatting(dialect: Dialect = PLAIN) -> AsyncIterator[Chat]:
    async with body_server() as server:
        chat = Chat(server, dialect)
        try:
            yield chat
        finally:
            await chat.wire.aclose()
