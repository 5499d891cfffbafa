"""The activity `deliver_message`: sends a schedule's message to its session.

Rule 1: however often it is tried, a message is in one session once. Its id is derived from the schedule and its time.
Rule 2: the session is started if there is none. One that was closed is followed by `{session}-2`, that one by `{session}-3`:
what is over stays over, and the schedule goes on until it is removed from the definition.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.definitions.store import Definitions, InputProblem, Known, check_inputs
from perdure.temporal.sessions.starting import BACKGROUND, Memo, session_attributes
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobStore, fold
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.protocol.activities import TASK_QUEUE, DeliverMessageInput, Delivery
from perdure.workflows.protocol.commands import NewSession, Receipt, SendMessage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.errors import AGENT_UNAVAILABLE, INPUTS_INVALID, SESSION_TAKEN, SESSIONS_CLOSED
from perdure.workflows.vocabulary.parts import Text

#: Sessions of one name among which an open one is looked for.
MOST_SESSIONS: Final = 50
_TITLE: Final = 60


class Deliveries:
    def __init__(self, client: Client, definitions: Definitions, blobs: BlobStore, settings: Settings) -> None:
        self._client = client
        self._definitions = definitions
        self._blobs = blobs
        self._settings = settings

    @activity.defn(name="deliver_message")
    async def deliver_message(self, request: DeliverMessageInput) -> str:
        delivery = request.delivery
        agent = self._definitions.current(delivery.agent)
        if agent is None:
            # Another worker may have it.
            message = f"The agent {delivery.agent!r} is not known to this worker."
            raise ApplicationError(message, type=AGENT_UNAVAILABLE)
        message_id = message_id_of(delivery.schedule_id, request.due)
        free: str | None = None
        for number in range(1, MOST_SESSIONS + 1):
            session_id = delivery.schedule.session if number == 1 else f"{delivery.schedule.session}-{number}"
            receipt = await self._receipt(delivery, session_id, message_id)
            if receipt is None and free is None:
                # The next one may still exist: Temporal keeps the history of a closed session only for a while.
                free = session_id
                continue
            if receipt is None:
                break
            if receipt.content_sha256 is not None:
                return session_id
            free = None
            if not receipt.closed and await self._send(delivery, agent, session_id, message_id):
                return session_id
        if free is None:
            message = f"The sessions {delivery.schedule.session} to {session_id} are all closed; name another."
            raise ApplicationError(message, type=SESSIONS_CLOSED, non_retryable=True)
        if not await self._send(delivery, agent, free, message_id):
            raise ApplicationError(f"The session {free} was closed meanwhile.", type=SESSIONS_CLOSED)
        return free

    async def _receipt(self, delivery: Delivery, session_id: str, message_id: str) -> Receipt | None:
        """None: there is no such session. Raises ApplicationError if it belongs to another agent."""
        handle: WorkflowHandle[SessionWorkflow, Any] = self._client.get_workflow_handle_for(
            SessionWorkflow.run, f"{delivery.tenant}/{session_id}"
        )
        try:
            receipt = await handle.query(SessionWorkflow.receipt, message_id)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        if receipt.started_as != delivery.agent:
            message = f"The session {session_id} is one of {receipt.started_as}, not of {delivery.agent}."
            raise ApplicationError(message, type=SESSION_TAKEN, non_retryable=True)
        return receipt

    async def _send(self, delivery: Delivery, agent: Known, session_id: str, message_id: str) -> bool:
        """Signals the session, or starts it with the signal. False: it was closed meanwhile."""
        schedule, workflow_id = delivery.schedule, f"{delivery.tenant}/{session_id}"
        try:
            inputs = check_inputs(agent.definition, dict(schedule.inputs))
        except InputProblem as problem:
            raise ApplicationError(f"inputs.{problem}", type=INPUTS_INVALID, non_retryable=True) from None
        message = SendMessage(
            message_id=message_id,
            parts=await fold(self._blobs, workflow_id, (Text(text=schedule.message),)),
            content_sha256=hashlib.sha256(schedule.message.encode()).hexdigest(),
            cursor=0,
            digest=agent.digest,
        )
        new = NewSession(
            tenant=delivery.tenant,
            session_id=session_id,
            agent=delivery.agent,
            digest=agent.digest,
            inputs=inputs,
            user=schedule.user,
            continue_as_new_after=self._settings.continue_as_new_after,
        )
        title = " ".join(schedule.message.split())[:_TITLE]
        try:
            await self._client.start_workflow(
                SessionWorkflow.run,
                SessionInput(new=new),
                id=workflow_id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=self._settings.workflow_task_timeout,
                priority=BACKGROUND,
                start_signal="send_message",
                start_signal_args=[message],
                memo=Memo("", datetime.now(UTC).isoformat(), title, agent.demo).values(),
                search_attributes=session_attributes(new, works=True),
                static_summary=f"{new.agent}: {title}",
                static_details=f"Session of the agent **{new.agent}**, by the schedule `{delivery.schedule_id}`.",
            )
        except WorkflowAlreadyStartedError:
            return False
        # A session that is about to close rejects the message.
        receipt = await self._receipt(delivery, session_id, message_id)
        return receipt is not None and receipt.content_sha256 is not None


def message_id_of(schedule_id: str, due: datetime) -> str:
    """The same for each attempt at one delivery, and different for each delivery."""
    schedule = hashlib.sha256(schedule_id.encode()).hexdigest()[:12]
    return f"scheduled-{schedule}-{due.astimezone(UTC):%Y%m%dT%H%M%SZ}"
