"""Model calls over the real wires, outside of Temporal: they cost what they cost.

A failure that may pass is tried again a few times, as Temporal would.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import aclosing
from copy import copy
from typing import Final

from pydantic import JsonValue

from perdure.activities.models.answer_validation import checked_answer
from perdure.activities.models.argument_validation import OwnTool, validated
from perdure.activities.models.call_attempt import encode_request
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.media.loading import MediaLoader
from perdure.activities.models.meter import Meter
from perdure.activities.models.providers import Providers
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.environment import environment
from perdure.temporal.stores.blobs import BlobStore, unfold
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.pricing import Spent, cost
from perdure.workflows.protocol.activities import Partial, StepOutput
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import Message, Timing, ToolError

_ATTEMPTS: Final = 4
_LONGEST_WAIT_S: Final = 30.0


class Models:
    """Model calls over the real wires."""

    def __init__(self, providers: Providers, blobs: BlobStore, own_tool: OwnTool) -> None:
        """`own_tool` gives what a Python tool takes, as in a worker."""
        self._session = ""
        self._media = MediaLoader(blobs, environment())
        self._providers = providers
        self._blobs = blobs
        self._own_tool = own_tool

    def of(self, session: str) -> "Models":
        """The same for the conversation of `session`, a workflow id, which has the files that it names."""
        made = copy(self)
        made._session = session
        return made

    async def call(self, prompt: Prompt, messages: Sequence[Message], step_id: str) -> StepOutput | StepFailure:
        """The answer in whole, with the arguments of its calls checked, or why there is none."""
        whole = [one.model_copy(update={"parts": await unfold(self._blobs, one.parts)}) for one in messages]
        wire = self._providers.wire(prompt.model)
        loaded = await self._media.load(self._session, prompt, tuple(whole))
        body = wire.request(prompt, loaded.messages)
        encoded = encode_request(body)
        price = price_of(prompt.model)
        before = Spent()
        for attempt in range(1, _ATTEMPTS + 1):
            meter = Meter(price, loaded.weight_of(encoded), prompt.model.max_output_tokens)
            try:
                output = await self._attempt(wire, body, prompt, step_id, meter)
                told = {"attempt": attempt, "request_sha256": hashlib.sha256(encoded).hexdigest()}
                return output.model_copy(update={**told, "before": before if before != Spent() else None})
            except ModelFailed as error:
                failure = error.failure
                if failure.request == "refused":
                    meter.refused()
                if failure.is_final(attempt) or attempt == _ATTEMPTS:
                    books = Partial(attempt=attempt, lost=0, streaming=False, spent=meter.spent(), before=before)
                    return StepFailure(
                        ToolError(type=failure.kind, message=preview(failure.message), retryable=failure.retryable),
                        books,
                    )
                delay = failure.retry_after
                wait = delay.total_seconds() if delay is not None else 0.1 * 4 ** (attempt - 1)
            before += meter.spent()
            await asyncio.sleep(min(wait, _LONGEST_WAIT_S))
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(
        self, wire: Wire, body: dict[str, JsonValue], prompt: Prompt, step_id: str, meter: Meter
    ) -> StepOutput:
        sent = time.monotonic()
        meter.sent()
        first: float | None = None
        answer: Answer | None = None
        async with aclosing(wire.stream(body, prompt, step_id)) as items:
            async for item in items:
                match item:
                    case Started():
                        meter.begun(item.usage)
                    case Delta():
                        meter.streamed((item.tool_name or "") + item.text)
                        first = first or time.monotonic()
                    case Answer():
                        meter.answered(item.usage, item.parts)
                        answer = item
        assert answer is not None, "a stream that ends has given its answer"
        # In a thread, because validators of tools are the users' own code.
        parts = await asyncio.to_thread(validated, answer.parts, prompt.tools, self._own_tool)
        price, usage = price_of(prompt.model), meter.usage()
        return StepOutput(
            parts=parts,
            model=answer.model,
            usage=usage,
            cost_usd=cost(price, usage) if price else None,
            timing=Timing(
                first_token_ms=None if first is None else round((first - sent) * 1000, 3),
                total_ms=round((time.monotonic() - sent) * 1000, 3),
            ),
            stop=answer.stop,
            stop_raw=answer.stop_raw,
            answer=checked_answer(parts, answer.stop, prompt.output) if prompt.output is not None else None,
            attempt=1,
            request_sha256="",
        )
