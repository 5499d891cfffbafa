"""What a step's model call sees: queried from the session, page by page, with a cache so that only what is new travels.

Rule: the session is authoritative. A cached conversation is used only if the session confirms that its epoch, its length and
the hash of its messages match the step's past. Otherwise everything is sent again.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError

from perdure.temporal.server.sticky import forget_worker
from perdure.temporal.sessions.hydrate import whole_message, whole_prompt
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.handover import Handover
from perdure.workflows.core.prompt import build_prompt, prompt_sha256
from perdure.workflows.protocol.activities import CallModelInput, call_of
from perdure.workflows.protocol.steps import ModelInputPage, ModelInputRequest, Prompt, View
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.errors import UNKNOWN_STEP
from perdure.workflows.vocabulary.parts import Message

#: Seconds without a response after which a session is taken from the worker that had it.
_DOUBT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Conversation:
    view: View
    prompt: Prompt
    prompt_sha256: str
    #: With offloaded parts.
    messages: tuple[Message, ...]


class Conversations:
    """Queries sessions for the input of their steps. Keeps the conversations of the last `capacity` sessions in memory."""

    def __init__(self, client: Client, blobs: BlobStore, handover: Handover, capacity: int = 200) -> None:
        self._client = client
        self._blobs = blobs
        self._handover = handover
        self._capacity = capacity
        self._cache: OrderedDict[str, Conversation] = OrderedDict()

    async def of_step(self, workflow_id: str, run_id: str, request: CallModelInput) -> Conversation:
        """The conversation as the step sees it, with offloaded parts hydrated.

        Raises ApplicationError, non-retryable: the step is unknown or finished.
        """
        conversation = self._handed_over(run_id, request) or await self._ask(workflow_id, run_id, request.step_id)
        self._remember(workflow_id, conversation)
        messages = [await self._whole(message) for message in conversation.messages]
        prompt = await whole_prompt(conversation.prompt, self._blobs)
        return Conversation(conversation.view, prompt, conversation.prompt_sha256, tuple(messages))

    def _handed_over(self, run_id: str, request: CallModelInput) -> Conversation | None:
        """The conversation that the session left in this process for this very call, if it did."""
        state = self._handover.take(run_id, request.step_id)
        record = state.log.step(request.step_id) if state is not None else None
        if state is None or record is None or call_of(record) != request:
            return None
        prompt = build_prompt(state, record)
        return Conversation(record.view, prompt, prompt_sha256(prompt), state.transcript.seen(record.view))

    async def _ask(self, workflow_id: str, run_id: str, step_id: str) -> Conversation:
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        known = self._cache.get(workflow_id)
        request = ModelInputRequest(step_id=step_id)
        if known is not None:
            request = ModelInputRequest(
                step_id=step_id,
                epoch=known.view.epoch,
                after=known.view.count,
                prefix=known.view.prefix,
                prompt_sha256=known.prompt_sha256,
            )
        page = await self._first_page(handle, request)
        view = _open_view(page, step_id)
        prompt = page.prompt
        if prompt is None and known is not None:
            prompt = known.prompt
        if prompt is None:
            raise ApplicationError(f"the session gave no prompt for step {step_id}")
        # Of one epoch, views begin at one position.
        messages = list(known.messages[: page.start - view.start]) if known is not None else []
        messages.extend(page.messages)
        while view.start + len(messages) < view.count:
            # The session compares a prefix with those of earlier steps, so later pages use the step's own view.
            request = ModelInputRequest(
                step_id=step_id,
                epoch=view.epoch,
                after=view.start + len(messages),
                prefix=view.prefix,
                prompt_sha256=page.prompt_sha256,
                paging=True,
            )
            page = await handle.query(SessionWorkflow.model_input, request)
            _open_view(page, step_id)
            messages.extend(page.messages)
        return Conversation(view, prompt, page.prompt_sha256, tuple(messages))

    async def _first_page(self, handle: WorkflowHandle[Any, Any], request: ModelInputRequest) -> ModelInputPage:
        """If the previous attempt died with its worker, that worker may have had the session in memory, too."""
        asked = asyncio.create_task(handle.query(SessionWorkflow.model_input, request))
        try:
            if activity.info().attempt > 1 and not (await asyncio.wait({asked}, timeout=_DOUBT_S))[0]:
                await forget_worker(self._client, handle.id)
                asked.cancel()
                asked = asyncio.create_task(handle.query(SessionWorkflow.model_input, request))
            return await asked
        finally:
            asked.cancel()

    async def _whole(self, message: Message) -> Message:
        return await whole_message(message, self._blobs)

    def _remember(self, workflow_id: str, conversation: Conversation) -> None:
        self._cache[workflow_id] = conversation
        self._cache.move_to_end(workflow_id)
        while len(self._cache) > self._capacity:
            self._cache.popitem(last=False)


def _open_view(page: ModelInputPage, step_id: str) -> View:
    if not page.open or page.view is None:
        raise ApplicationError(
            f"step {step_id} is unknown to its session, or finished", type=UNKNOWN_STEP, non_retryable=True
        )
    return page.view
