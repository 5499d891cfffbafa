"""What a step's model call sees: queried from the session, page by page, with a cache so that only what is new travels.

Rule 1: the session is authoritative. A cached conversation is used only if the session confirms that its epoch, its length
and the hash of its messages match the step's past. Otherwise everything is sent again.
Rule 2: what is sealed is read from the blob store. What is lost there fails the call for good, and is never passed over.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError

from perdure.temporal.server.sticky import forget_worker
from perdure.temporal.sessions.hydrate import whole_message, whole_prompt
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.handover import Handover
from perdure.temporal.stores.segments import SegmentLost, Segments
from perdure.workflows.core.answers import model_input
from perdure.workflows.protocol.activities import CallModelInput, call_of
from perdure.workflows.protocol.steps import ModelInputPage, ModelInputRequest, Prompt, View
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.errors import STATE_LOST, UNKNOWN_STEP
from perdure.workflows.vocabulary.parts import Message

#: Seconds without a response after which a session is taken from the worker that had it.
_DOUBT_S: Final = 0.5


#: Gives a page of a step's input.
Ask = Callable[[ModelInputRequest], Awaitable[ModelInputPage]]


@dataclass(frozen=True, slots=True)
class Conversation:
    view: View
    prompt: Prompt
    prompt_sha256: str
    #: With offloaded parts.
    messages: tuple[Message, ...]


class Conversations:
    """Queries sessions for the input of their steps. Keeps the conversations of the last `capacity` sessions in memory."""

    def __init__(
        self, client: Client, blobs: BlobStore, segments: Segments, handover: Handover, capacity: int = 200
    ) -> None:
        self._client = client
        self._blobs = blobs
        self._segments = segments
        self._handover = handover
        self._capacity = capacity
        self._cache: OrderedDict[str, Conversation] = OrderedDict()

    async def of_step(self, workflow_id: str, run_id: str, request: CallModelInput) -> Conversation:
        """The conversation as the step sees it, with offloaded parts hydrated.

        Raises ApplicationError, non-retryable: the step is unknown or finished (`unknown_step`), or a part of what it sees is
        lost from the blob store (`state_lost`).
        """
        ask = self._handed_over(run_id, request) or self._of_session(workflow_id, run_id)
        try:
            conversation = await self._gather(workflow_id, request.step_id, ask)
        except SegmentLost as lost:
            raise ApplicationError(f"The model cannot be asked: {lost}.", type=STATE_LOST, non_retryable=True) from lost
        self._remember(workflow_id, conversation)
        messages = [await self._whole(message) for message in conversation.messages]
        prompt = await whole_prompt(conversation.prompt, self._blobs)
        return Conversation(conversation.view, prompt, conversation.prompt_sha256, tuple(messages))

    def _handed_over(self, run_id: str, request: CallModelInput) -> Ask | None:
        """Asks the state that the session left in this process for this very call, if it did."""
        state = self._handover.take(run_id, request.step_id)
        record = state.log.step(request.step_id) if state is not None else None
        if state is None or record is None or call_of(record) != request:
            return None
        there = state

        async def ask(asked: ModelInputRequest) -> ModelInputPage:
            return model_input(there, asked)

        return ask

    def _of_session(self, workflow_id: str, run_id: str) -> Ask:
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)

        async def ask(asked: ModelInputRequest) -> ModelInputPage:
            if asked.paging:
                return await handle.query(SessionWorkflow.model_input, asked)
            return await self._first_page(handle, asked)

        return ask

    async def _gather(self, workflow_id: str, step_id: str, ask: Ask) -> Conversation:
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
        page = await ask(request)
        view = _open_view(page, step_id)
        prompt = page.prompt
        if prompt is None and known is not None:
            prompt = known.prompt
        if prompt is None:
            raise ApplicationError(f"the session gave no prompt for step {step_id}")
        # Of one epoch, views begin at one position.
        messages = list(known.messages[: page.start - view.start]) if known is not None else []
        messages += await self._in(workflow_id, page)
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
            page = await ask(request)
            _open_view(page, step_id)
            messages += await self._in(workflow_id, page)
        return Conversation(view, prompt, page.prompt_sha256, tuple(messages))

    async def _in(self, workflow_id: str, page: ModelInputPage) -> tuple[Message, ...]:
        """The messages that a page tells of: sealed ones, then its own."""
        sealed = await self._segments.messages(workflow_id, page.segments, page.sealed) if page.sealed else ()
        return (*sealed, *page.messages)

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
