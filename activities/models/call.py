"""The activity `call_model`: gets the conversation from its session, streams the answer, returns the whole of it.

Rule 1: Temporal owns retries; nothing is tried again in here. A `ModelFailure` becomes an `ApplicationError` here and nowhere
else.
Rule 2: a stop is not a failure. A cancelled turn closes the provider's stream and returns what had come. A worker that shuts
down also cancels, and then the attempt must fail, so that another worker makes a new one.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from perdure.activities.mcp.published import Published, model_of
from perdure.activities.models.argument_validation import OwnTool
from perdure.activities.models.call_attempt import Attempt
from perdure.activities.models.call_progress import Progress, earlier_attempts
from perdure.activities.models.conversation import Conversation, Conversations
from perdure.activities.models.delta_writer import DeltaWriter
from perdure.activities.models.failure_log import log_failure
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.gate import Gates
from perdure.activities.models.made_files import kept
from perdure.activities.models.media.loading import Loaded, MediaLoader
from perdure.activities.models.providers import Providers
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.definitions.servers import server_of
from perdure.temporal.environment import environment
from perdure.temporal.live.protocols import Live, Nowhere
from perdure.temporal.stores.blobs import BlobStore, fold
from perdure.temporal.stores.handover import Handover
from perdure.temporal.stores.learnt import LearntChanges
from perdure.temporal.stores.segments import Segments
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics
from perdure.workflows.definition.pricing import cost
from perdure.workflows.protocol.activities import CallModelInput, StepOutput
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.ids import is_compaction
from perdure.workflows.vocabulary.parts import Message, StopReason

STOP_RETRY_S = 0.5

#: Takes the prompt and the messages that a model is about to get.
Asked = Callable[[Prompt, tuple[Message, ...]], None]


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
        media: MediaLoader | None = None,
    ) -> None:
        """`published` gives the definitions that addresses and keys are taken from. `asked` is called within an attempt,
        with the prompt and the messages that the model is about to get. `own_tool` gives what a Python tool of this worker
        takes. `media` loads files; None: those of the session only."""
        self._client = client
        self._live = live
        self._blobs = blobs
        self._providers = providers
        self._tools_digest = tools_digest
        self._conversations = Conversations(client, blobs, Segments(blobs), handover)
        self._published = published
        self._allowed = Allowed.load()
        self._metrics = metrics
        self._asked = asked
        self._own_tool = own_tool
        self._media = media or MediaLoader(blobs, environment())
        self._gates = Gates(metrics)
        self._learnt = LearntChanges(blobs)

    @activity.defn(name="call_model")
    async def call_model(self, request: CallModelInput) -> StepOutput:
        info = activity.info()
        workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
        self._metrics.attempt(request.model, info.attempt)
        # Nobody watches a summary being written, nor what a handler keeps to itself.
        live = Nowhere() if request.hidden or is_compaction(request.step_id) else self._live
        writer = DeltaWriter(live, workflow_id, request.step_id, request.attempts_before + info.attempt)
        progress = Progress(earlier_attempts(), writer, has_next=request.has_next)
        beats = asyncio.create_task(progress.beat())
        conversation: Conversation | None = None
        try:
            conversation = await self._conversations.of_step(workflow_id, run_id, request)
            await model_of(conversation.prompt.model, request.agent_digest, self._published, self._allowed)
            self._asked(conversation.prompt, conversation.messages)
            loaded = await self._media.load(workflow_id, conversation.prompt, conversation.messages)
            attempt = self._attempt(request, conversation, loaded, progress, workflow_id)
            progress.check_left(request.left)
            async with self._live.stops(workflow_id) as stop_reported:
                stopped = await self._run(attempt, stop_reported, workflow_id, run_id)
            return await self._output(attempt, stopped, workflow_id)
        except ModelFailed as failed:
            error = progress.failed(failed.failure)
            if conversation is not None:
                log_failure(conversation.prompt.model, failed, tried_again=not error.non_retryable)
            raise error from None
        except ApplicationError as error:
            raise progress.with_costs(error) from error
        except BaseException:
            progress.tell()
            raise
        finally:
            beats.cancel()
            writer.close()

    def _attempt(
        self,
        request: CallModelInput,
        conversation: Conversation,
        loaded: Loaded,
        progress: Progress,
        workflow_id: str,
    ) -> Attempt:
        model, has_next = conversation.prompt.model, request.has_next
        step = f"{workflow_id} {request.step_id}"
        passage = self._gates.passage(
            model, step, progress.attempt, has_next=has_next, shared=not self._providers.is_given(model)
        )
        wire = self._providers.wire(model)
        return Attempt(
            request.step_id,
            conversation,
            loaded,
            wire,
            progress,
            self._metrics,
            self._own_tool,
            passage,
            has_next=has_next,
        )

    async def _run(self, attempt: Attempt, stop_reported: asyncio.Event, workflow_id: str, run_id: str) -> bool:
        """Streams to the end, or until the turn is stopped. Returns whether it was."""
        stream = asyncio.create_task(attempt.stream())
        watch = asyncio.create_task(self._until_stopping(attempt.step_id, stop_reported, workflow_id, run_id))
        try:
            await asyncio.wait((stream, watch), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _end(watch, stream)
            details = activity.cancellation_details()
            if details is None or not details.cancel_requested:
                raise  # the worker shuts down: another worker makes the next attempt
            return attempt.answer is None
        if stream.done():
            await _end(watch)
            stream.result()
            return False
        await _end(stream)
        watch.result()
        return attempt.answer is None

    async def _until_stopping(self, step_id: str, stop_reported: asyncio.Event, workflow_id: str, run_id: str) -> None:
        """Returns once the session says that this step is being stopped. The live plane only says when to ask it."""
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        while True:
            await stop_reported.wait()
            stop_reported.clear()
            try:
                if await handle.query(SessionWorkflow.step_state, step_id) != "running":
                    return
            except RPCError:
                # The cancellation comes by heartbeat in any case. A query that failed must not end the answer.
                await asyncio.sleep(STOP_RETRY_S)
                stop_reported.set()

    async def _output(self, attempt: Attempt, stopped: bool, workflow_id: str) -> StepOutput:
        model = attempt.conversation.prompt.model
        answer = attempt.answer
        parts = answer.parts if answer and not stopped else attempt.partial()
        cut: StopReason = "repetition" if attempt.repeats is not None and not stopped else "stopped"
        usage = attempt.meter.usage()
        price = price_of(model)
        if answer and answer.adapted:
            await self._learnt.add(server_of(model), model.model_name, answer.adapted)
        return StepOutput(
            parts=await fold(self._blobs, workflow_id, await kept(self._blobs, workflow_id, parts)),
            model=answer.model if answer else model.model_name,
            usage=usage,
            cost_usd=cost(price, usage) if price else None,
            timing=attempt.timing(),
            stop=cut if stopped or answer is None else answer.stop,
            attempt=attempt.progress.attempt,
            lost=attempt.progress.lost,
            before=attempt.progress.before,
            stop_raw=answer.stop_raw if answer and not stopped else None,
            adapted=(*attempt.loaded.adapted, *(answer.adapted if answer else ())),
            skipped=answer.skipped if answer else 0,
            answer=attempt.checked if not stopped else None,
            request_sha256=hashlib.sha256(attempt.body).hexdigest(),
            tools_digest=self._tools_digest([tool.name for tool in attempt.conversation.prompt.tools]),
        )


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
