"""A model that says what it was told to: one more wire, behind which everything else is real.

Rule 1: answers come in the order of the script, whoever asks. A call that was lost with its worker gets its answer again
when it is asked again; one that was told to fail gets the next.
Rule 2: a script that runs out ends the turn at once, and says which call it had no answer for.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from temporalio import activity

from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailed, ModelFailure, ProviderError, Source, StreamTruncated
from perdure.activities.models.providers import Providers
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.temporal.app.testing.transcript import Said, Transcript
from perdure.workflows.core.budget import BYTES_PER_TOKEN
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Part, Reasoning, StopReason, Text, ToolCall, Usage

_SOURCE = Source("scripted", "The scripted model")


class ScriptError(AssertionError):
    """The model was asked more often than it was told to answer, or less often."""


@dataclass(frozen=True)
class Asked:
    """What the model was told in one call."""

    #: As the definition names it: `anthropic/claude-sonnet-5-5`.
    model: str
    #: Without the line on the date, which is `date`.
    system: str
    transcript: Transcript
    #: Names of the tools that it could call.
    tools: tuple[str, ...]
    date: str = ""
    #: JSON Schema that the final answer has to keep to; None: it is text.
    output: dict[str, JsonValue] | None = None


@dataclass(frozen=True)
class _Reply:
    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    stop: StopReason | None = None
    usage: Usage | None = None
    failure: ModelFailure | None = None
    #: It failed before it began to answer, so that it costs nothing.
    refused: bool = False
    hangs: bool = False
    gate: asyncio.Event | None = None

    def __str__(self) -> str:
        if self.failure is not None:
            return f"fails({self.failure.kind})"
        return f"{'hangs' if self.hangs else 'says'}({self.text!r}, calls={[name for name, _ in self.calls]})"


class ScriptedModel:
    """The script of a test. Whatever model an agent names, this one answers."""

    api = "scripted"

    def __init__(self, streaming: Callable[[], Awaitable[None]]) -> None:
        """`streaming` is awaited in the middle of each answer."""
        self._streaming = streaming
        self._replies: list[_Reply] = []
        #: What a call was answered, for when its answer is lost and it is asked again.
        self._given: dict[tuple[str, str], _Reply] = {}
        #: Every call, oldest first, repeated ones too.
        self.asked: list[Asked] = []
        #: Answers that stream at this moment.
        self.streaming = 0
        self.problem: str | None = None

    def says(
        self,
        text: str = "",
        *,
        calls: Sequence[tuple[str, dict[str, Any]]] = (),
        reasoning: str = "",
        stop: StopReason | None = None,
        usage: Usage | None = None,
        gate: asyncio.Event | None = None,
    ) -> None:
        """The next answer: its text, tool calls as (name, arguments), reasoning before them.

        `stop` is why it ends, by itself `tool_calls` or `end`. `usage` counts tokens; by itself it is estimated.
        With a `gate` the answer waits after its text until that is set: so you can do something in the middle of it.
        """
        self._replies.append(_Reply(text, reasoning, tuple(calls), stop, usage, gate=gate))

    def fails(self, status: int | None = None, message: str = "", *, retry_after: float = 0, after: str = "") -> None:
        """The next call fails as a provider's would that answers `status`; None: its stream breaks off.

        `after` streams before that. What can be tried again is, at once on the virtual clock or after `retry_after`
        seconds, and then takes the next of the script.
        """
        error = StreamTruncated() if status is None else ProviderError(message, status=status, retry_after=retry_after)
        refused = status is not None and not after
        self._replies.append(_Reply(after, failure=classify(error, _SOURCE), refused=refused))

    def hangs(self, text: str = "") -> None:
        """The next answer streams `text` and then never ends, until its turn is stopped."""
        self._replies.append(_Reply(text, hangs=True))

    def check(self) -> None:
        """Raises `ScriptError` where the script ran out, or was not used up."""
        if self.problem is not None:
            raise ScriptError(self.problem)
        if self._replies:
            left = "\n".join(f"    {reply}" for reply in self._replies)
            raise ScriptError(f"the model was never asked for {len(self._replies)} of its answers:\n{left}")

    # What makes it a wire.

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        # A test that moves the clock is not about the lines on the days.
        undated = prompt.model_copy(update={"dates": {}})
        told = [message.model_dump(mode="json") for message in undated.around(messages)]
        tools = [tool.model_dump(mode="json") for tool in prompt.tools]
        body: dict[str, JsonValue] = {"model": prompt.model.use, "system": prompt.system}
        body |= {"messages": [*told], "tools": [*tools]}
        return body if prompt.output is None else body | {"output": prompt.output}

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        reply = self._next(request, prompt, step_id)
        self.streaming += 1
        try:
            async for event in self._play(reply, request, prompt, step_id):
                yield event
        finally:
            self.streaming -= 1

    async def _play(
        self, reply: _Reply, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        if reply.failure is not None and reply.refused:
            await self._streaming()
            raise ModelFailed(reply.failure)
        usage = reply.usage or _estimate(request, reply)
        yield Started(usage.model_copy(update={"output_tokens": 0, "reasoning_tokens": 0}))
        parts: list[Part] = []
        if reply.reasoning:
            yield Delta(0, "reasoning", reply.reasoning)
            parts.append(Reasoning(text=reply.reasoning))
        if reply.text:
            yield Delta(len(parts), "text", reply.text)
            parts.append(Text(text=reply.text))
        await self._streaming()
        if reply.gate is not None:
            await reply.gate.wait()
        if reply.failure is not None:
            raise ModelFailed(reply.failure)
        if reply.hangs:
            await asyncio.Event().wait()
        for number, (name, args) in enumerate(reply.calls, 1):
            yield Delta(len(parts), "tool_input", "", tool_name=name)
            parts.append(ToolCall(call_id=f"{step_id}.c{number}", name=name, args=args))
        stop = reply.stop or ("tool_calls" if reply.calls else "end")
        yield Answer(tuple(parts), prompt.model.model_name, usage, stop)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _next(self, request: dict[str, JsonValue], prompt: Prompt, step_id: str) -> _Reply:
        messages = request["messages"]
        assert isinstance(messages, list)
        transcript = Transcript.of(Message.model_validate(message) for message in messages)
        tool_names = tuple(tool.name for tool in prompt.tools)
        self.asked.append(
            Asked(prompt.model.use, prompt.instructions, transcript, tool_names, prompt.date, prompt.output)
        )
        key = (activity.info().workflow_id or "", step_id)
        given = self._given.get(key)
        if given is not None and given.failure is None:
            return given
        if not self._replies:
            last = transcript[-1] if transcript else Said("user", ())
            self.problem = (
                f"the model's script has run out: call {len(self.asked)} ({key[1]}) has no answer; it followed on\n"
                f"    {last!r}\nSay what it answers: perdure.model.says(...)"
            )
            exhausted = ModelFailure(kind="script_exhausted", message=self.problem, provider=_SOURCE.provider)
            raise ModelFailed(exhausted)
        reply = self._given[key] = self._replies.pop(0)
        return reply


class ScriptedProviders(Providers):
    """Every model is the scripted one; no key is needed and nothing leaves the machine."""

    def __init__(self, model: ScriptedModel) -> None:
        super().__init__({})
        self._model = model

    def wire(self, model: ModelDefinition) -> Wire:
        return self._model

    def is_given(self, model: ModelDefinition) -> bool:
        return True


def _estimate(request: dict[str, JsonValue], reply: _Reply) -> Usage:
    thought = len(reply.reasoning) // BYTES_PER_TOKEN
    said = len(reply.text) // BYTES_PER_TOKEN + 20 * len(reply.calls) + 1
    asked = len(str(request)) // BYTES_PER_TOKEN
    return Usage(input_tokens=asked, output_tokens=said + thought, reasoning_tokens=thought)
