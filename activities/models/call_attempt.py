"""One attempt at a model call: its request, its clock, its answer."""

import asyncio
import json
import time
from contextlib import aclosing
from dataclasses import replace

from pydantic import JsonValue
from temporalio import activity

from perdure.activities.models.answer_validation import checked_answer
from perdure.activities.models.argument_validation import OwnTool, validated
from perdure.activities.models.call_progress import Progress
from perdure.activities.models.conversation import Conversation
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.gate import Passage
from perdure.activities.models.media.loading import Loaded
from perdure.activities.models.meter import Meter
from perdure.activities.models.patience import begins_within
from perdure.activities.models.repetition import Repetition, shortened
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.definitions.servers import server_of
from perdure.temporal.telemetry.metrics import Metrics
from perdure.workflows.protocol.checked_answers import CheckedAnswer
from perdure.workflows.vocabulary.parts import Part, Reasoning, Text, Timing, ToolCall


def encode_request(body: dict[str, JsonValue]) -> bytes:
    """The canonical bytes of a provider request, for its sha256."""
    # By the standard library, for arguments and results may hold integers that faster encoders refuse.
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def signed(parts: tuple[Part, ...], server: str) -> tuple[Part, ...]:
    """`parts` whose native blocks name the server that made them."""
    return tuple(
        part.model_copy(update={"native": part.native.model_copy(update={"server": server})})
        if isinstance(part, Text | Reasoning | ToolCall) and part.native is not None
        else part
        for part in parts
    )


class Attempt:
    """One attempt at one step: its request, its clock, its answer."""

    def __init__(
        self,
        step_id: str,
        conversation: Conversation,
        loaded: Loaded,
        wire: Wire,
        progress: Progress,
        metrics: Metrics,
        own_tool: OwnTool,
        passage: Passage,
        *,
        has_next: bool = False,
    ) -> None:
        """`has_next`: another model can go on with the step."""
        self.step_id = step_id
        self.conversation = conversation
        self.progress = progress
        self.answer: Answer | None = None
        #: Where the prompt asks for a form (`Prompt.output`) and the answer is final.
        self.checked: CheckedAnswer | None = None
        self._wire = wire
        self._metrics = metrics
        self._own_tool = own_tool
        self.loaded = loaded
        self._passage = passage
        self._request = wire.request(conversation.prompt, loaded.messages)
        self.body = encode_request(self._request)
        model = conversation.prompt.model
        self.meter = Meter(price_of(model), loaded.weight_of(self.body), model.max_output_tokens)
        progress.measure(self.meter)
        #: Seconds in which the answer has to begin; None: as long as the wire waits.
        self._begins_within = begins_within(self.meter.input.input_tokens) if has_next else None
        self._started = time.monotonic()
        self._first_token: float | None = None
        #: The length of the piece that the answer repeated without end, for which it was cut.
        self.repeats: int | None = None
        self._repetitions: dict[int, Repetition] = {}

    async def stream(self) -> None:
        async with self._passage:
            try:
                async with asyncio.timeout(self._begins_within) as begins:
                    await self._stream(begins)
            except TimeoutError as error:
                raise ModelFailed(classify(error, self._passage.source)) from None

    async def _stream(self, begins: asyncio.Timeout) -> None:
        model = self.conversation.prompt.model.use
        self._metrics.request_sent(model, time.time() - activity.info().current_attempt_scheduled_time.timestamp())
        self._started = time.monotonic()
        self.meter.sent()
        async with aclosing(self._wire.stream(self._request, self.conversation.prompt, self.step_id)) as items:
            async for item in items:
                match item:
                    case Started():
                        begins.reschedule(None)
                        self._passage.heard({}, taken=True)
                        self.meter.begun(item.usage)
                        self.progress.begun()
                    case Delta():
                        if self._first_token is None:
                            self._passage.answers()
                            self._first_token = time.monotonic()
                            self._metrics.first_token(model, self._first_token - self._started)
                        self.meter.streamed((item.tool_name or "") + item.text)
                        self.progress.writer.write(item)
                        self.repeats = self._repeats(item)
                        if self.repeats is not None:
                            return
                    case Answer():
                        self.meter.answered(item.usage, item.parts)
                        # In a thread, for validators of tools are the users' own code.
                        tools = self.conversation.prompt.tools
                        parts = await asyncio.to_thread(validated, item.parts, tools, self._own_tool)
                        output = self.conversation.prompt.output
                        if output is not None:
                            self.checked = await asyncio.to_thread(checked_answer, parts, item.stop, output)
                        self.answer = replace(item, parts=signed(parts, server_of(self.conversation.prompt.model)))

    def partial(self) -> tuple[Part, ...]:
        """What has come so far; of what was repeated without end, a few repetitions."""
        parts = self.progress.writer.partial()
        last = parts[-1] if parts else None
        if self.repeats is None or not isinstance(last, Text | Reasoning):
            return parts
        return (*parts[:-1], last.model_copy(update={"text": shortened(last.text, self.repeats)}))

    def _repeats(self, delta: Delta) -> int | None:
        if delta.kind == "tool_input":
            # A long argument may be as dull as it likes.
            return None
        return self._repetitions.setdefault(delta.part, Repetition()).add(delta.text)

    def timing(self) -> Timing:
        first = None if self._first_token is None else round((self._first_token - self._started) * 1000, 3)
        return Timing(first_token_ms=first, total_ms=round((time.monotonic() - self._started) * 1000, 3))
