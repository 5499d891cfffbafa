"""The activity `call_model`: asks its session for the conversation, streams the answer, returns the whole of it.

Rule 1: Temporal owns retries. A failure leaves as a typed `ApplicationError`; nothing is tried again in here.
Rule 2: a stop is not a failure. A cancelled turn closes the provider's stream and returns what had come; a worker that
shuts down also cancels, and then the attempt must fail, so that another worker makes a new one.
Rule 3: what was sent, streamed and lost is counted, through heartbeats, for it was paid for. Each attempt tells what it has
cost before it fails; of one that told nothing, the next assumes that it was sent.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from pydantic import JsonValue, ValidationError
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from perdure.activities.mcp.published import Published, model_of
from perdure.activities.models.argument_validation import OwnTool, validated
from perdure.activities.models.conversation import Conversation, Conversations
from perdure.activities.models.delta_writer import HEARTBEAT_TAIL, DeltaWriter
from perdure.activities.models.meter import Meter
from perdure.activities.models.providers import Providers
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.live.live import Live
from perdure.temporal.stores.blobs import BlobStore, fold
from perdure.temporal.stores.handover import Handover
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics
from perdure.workflows.definition.pricing import Spent, cost
from perdure.workflows.protocol.activities import CallModelInput, Partial, StepOutput
from perdure.workflows.protocol.commands import Prompt
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.errors import MODEL_ABORTED, MODEL_TIMEOUT
from perdure.workflows.vocabulary.parts import Message, Part, Timing

HEARTBEAT_S = 2.0
STOP_RETRY_S = 0.5
#: Attempts after which a server that gives its answers up is believed; each of them was paid for.
MOST_ABORTED = 3

Asked = Callable[[Prompt, tuple[Message, ...]], None]


def encode_request(body: dict[str, JsonValue]) -> bytes:
    """The canonical bytes of a provider request, for its sha256.

    The standard library's, for arguments and results may hold integers that faster encoders refuse.
    """
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


class ModelCalls:
    """Holds what every model call of this worker shares. `tools_digest` describes the worker's tools by name."""

    def __init__(
        self,
        client: Client,
        live: Live,
        blobs: BlobStore,
        providers: Providers,
        tools_digest: Callable[[Sequence[str]], str],
        handover: Handover,
        published: Published,
        metrics: Metrics = UNMEASURED,
        asked: Asked = lambda prompt, messages: None,
        own_tool: OwnTool = lambda spec: None,
    ) -> None:
        """`published` gives the definitions that addresses and keys are taken from. `asked` is called within an attempt,
        with what the model is about to be asked; `own_tool` gives what a Python tool of this worker takes."""
        self._client = client
        self._live = live
        self._blobs = blobs
        self._providers = providers
        self._tools_digest = tools_digest
        self._conversations = Conversations(client, blobs, handover)
        self._published = published
        self._allowed = Allowed.load()
        self._metrics = metrics
        self._asked = asked
        self._own_tool = own_tool

    @activity.defn(name="call_model")
    async def call_model(self, request: CallModelInput) -> StepOutput:
        info = activity.info()
        workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
        self._metrics.attempt(request.model, info.attempt)
        writer = DeltaWriter(self._live, workflow_id, request.step_id, info.attempt)
        progress = _Progress(_before(), writer)
        beats = asyncio.create_task(progress.beat())
        try:
            conversation = await self._conversations.of_step(workflow_id, run_id, request)
            await model_of(conversation.prompt.model, request.agent_digest, self._published, self._allowed)
            self._asked(conversation.prompt, conversation.messages)
            wire = self._providers.wire(conversation.prompt.model)
            attempt = _Attempt(request.step_id, conversation, wire, progress, self._metrics, self._own_tool)
            async with self._live.stops(workflow_id) as told:
                stopped = await self._run(attempt, told, workflow_id, run_id)
            return await self._output(attempt, stopped, workflow_id)
        except ApplicationError as error:
            raise progress.failure(error) from error
        except BaseException:
            progress.tell()
            raise
        finally:
            beats.cancel()
            writer.close()

    async def _run(self, attempt: "_Attempt", told: asyncio.Event, workflow_id: str, run_id: str) -> bool:
        """Streams to the end, or until the turn is stopped; says whether it was."""
        stream = asyncio.create_task(attempt.stream())
        watch = asyncio.create_task(self._until_stopping(attempt.step_id, told, workflow_id, run_id))
        try:
            await asyncio.wait((stream, watch), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _end(watch, stream)
            details = activity.cancellation_details()
            if details is None or not details.cancel_requested:
                raise  # the worker shuts down: the next attempt belongs to another
            return attempt.answer is None
        if stream.done():
            await _end(watch)
            stream.result()
            return False
        await _end(stream)
        watch.result()
        return attempt.answer is None

    async def _until_stopping(self, step_id: str, told: asyncio.Event, workflow_id: str, run_id: str) -> None:
        """Returns once the session says that this step is being stopped. The live plane only says when to ask."""
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        while True:
            await told.wait()
            told.clear()
            try:
                if await handle.query(SessionWorkflow.step_state, step_id) != "running":
                    return
            except RPCError:
                # The cancellation comes by heartbeat in any case; a question that failed must not end the answer.
                await asyncio.sleep(STOP_RETRY_S)
                told.set()

    async def _output(self, attempt: "_Attempt", stopped: bool, workflow_id: str) -> StepOutput:
        model = attempt.conversation.prompt.model
        answer = attempt.answer
        parts = answer.parts if answer and not stopped else attempt.progress.writer.partial()
        usage = answer.usage if answer and not stopped else attempt.meter.usage()
        price = price_of(model)
        return StepOutput(
            parts=await fold(self._blobs, workflow_id, parts),
            model=answer.model if answer else model.model_name,
            usage=usage,
            cost_usd=cost(price, usage) if price else None,
            timing=attempt.timing(),
            stop="stopped" if stopped or answer is None else answer.stop,
            attempt=attempt.progress.attempt,
            lost=attempt.progress.lost,
            before=attempt.progress.before,
            stop_raw=answer.stop_raw if answer and not stopped else None,
            request_sha256=hashlib.sha256(attempt.body).hexdigest(),
            tools_digest=self._tools_digest([tool.name for tool in attempt.conversation.prompt.tools]),
        )


class _Progress:
    """How far an attempt has come, for heartbeats and for the session's books."""

    def __init__(self, start: Partial, writer: DeltaWriter) -> None:
        """`start` is what is told of an attempt that begins."""
        self._start = start
        self.writer = writer
        self._meter: Meter | None = None
        self._begun = 0.0

    @property
    def attempt(self) -> int:
        return self._start.attempt

    @property
    def lost(self) -> int:
        return self._start.lost

    @property
    def before(self) -> Spent | None:
        return self._start.before

    def measure(self, meter: Meter) -> None:
        """What is to be sent is known, and with it what the attempts before may have sent of which nobody heard."""
        self._meter = meter
        before = self._start.before or Spent()
        for _ in range(self._start.silent):
            before += meter.silent()
        self._start = self._start.model_copy(update={"silent": 0, "before": before if before != Spent() else None})

    def begun(self) -> None:
        """The provider has begun to answer: from here on this attempt costs money, and the session has to know."""
        self._begun = time.monotonic()
        self._heartbeat()

    async def beat(self) -> None:
        """Heartbeats on a timer: providers may be silent for long while a model thinks.

        The first waits, for the SDK sends one at once and holds the next back; that one belongs to `begun`.
        """
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self._heartbeat()

    def tell(self) -> None:
        """Leaves what this attempt has cost to the next one."""
        activity.heartbeat(self._so_far(self.writer.partial(HEARTBEAT_TAIL)))

    def failure(self, error: ApplicationError) -> ApplicationError:
        """`error` with what this attempt cost, which is also left to the next one."""
        if self._meter is not None and error.type != MODEL_TIMEOUT:
            self._meter.refused()
        self.tell()
        given_up = error.type == MODEL_ABORTED and self.attempt >= MOST_ABORTED
        return ApplicationError(
            error.message,
            *error.details,
            self._so_far(()),
            type=error.type,
            non_retryable=error.non_retryable or given_up,
            next_retry_delay=None if given_up else error.next_retry_delay,
            category=error.category,
        )

    def _heartbeat(self) -> None:
        # What streams until the next heartbeat is known to nobody if the worker dies.
        activity.heartbeat(self._so_far(self.writer.partial(HEARTBEAT_TAIL), ahead_s=HEARTBEAT_S))

    def _so_far(self, parts: tuple[Part, ...], ahead_s: float = 0) -> Partial:
        meter = self._meter
        spent = meter.spent(ahead_s, time.monotonic() - self._begun if self._begun else 0) if meter else Spent()
        streaming = meter is not None and meter.streaming
        return self._start.model_copy(update={"streaming": streaming, "parts": parts, "spent": spent})


class _Attempt:
    """One attempt at one step: its request, its clock, its answer."""

    def __init__(
        self,
        step_id: str,
        conversation: Conversation,
        wire: Wire,
        progress: _Progress,
        metrics: Metrics,
        own_tool: OwnTool,
    ) -> None:
        self.step_id = step_id
        self.conversation = conversation
        self.progress = progress
        self.answer: Answer | None = None
        self._wire = wire
        self._metrics = metrics
        self._own_tool = own_tool
        self._request = wire.request(conversation.prompt, conversation.messages)
        self.body = encode_request(self._request)
        model = conversation.prompt.model
        self.meter = Meter(price_of(model), len(self.body), model.max_output_tokens)
        progress.measure(self.meter)
        self._started = time.monotonic()
        self._first_token: float | None = None

    async def stream(self) -> None:
        model = self.conversation.prompt.model.use
        self._metrics.request_sent(model, time.time() - activity.info().current_attempt_scheduled_time.timestamp())
        self._started = time.monotonic()
        self.meter.sent()
        async with aclosing(self._wire.stream(self._request, self.conversation.prompt, self.step_id)) as items:
            async for item in items:
                match item:
                    case Started():
                        self.meter.begun(item.usage)
                        self.progress.begun()
                    case Delta():
                        if self._first_token is None:
                            self._first_token = time.monotonic()
                            self._metrics.first_token(model, self._first_token - self._started)
                        self.meter.streamed((item.tool_name or "") + item.text)
                        self.progress.writer.write(item)
                    case Answer():
                        self.meter.billed(item.usage)
                        # In a thread, for validators of tools are the users' own code.
                        tools = self.conversation.prompt.tools
                        parts = await asyncio.to_thread(validated, item.parts, tools, self._own_tool)
                        self.answer = replace(item, parts=parts)

    def timing(self) -> Timing:
        first = None if self._first_token is None else round((self._first_token - self._started) * 1000, 3)
        return Timing(first_token_ms=first, total_ms=round((time.monotonic() - self._started) * 1000, 3))


def _before() -> Partial:
    """What is known of the attempts before this one, as the last heartbeat of one of them tells."""
    info = activity.info()
    for detail in info.heartbeat_details:
        try:
            last = Partial.model_validate(detail)
        except ValidationError:
            continue
        before = (last.before or Spent()) + (last.spent or Spent())
        return Partial(
            attempt=info.attempt,
            # An older worker says only that it had begun to stream.
            lost=last.lost + (last.streaming and last.spent is None),
            streaming=False,
            before=before if before != Spent() else None,
            silent=last.silent + max(info.attempt - 1 - last.attempt, 0),
        )
    return Partial(attempt=info.attempt, lost=0, streaming=False, silent=info.attempt - 1)


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
