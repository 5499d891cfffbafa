"""The activity `deliver_message`: sends a schedule's message to its session, or triggers its handler there.

Rule 1: however often it is tried, each is in one session once. Its id is derived from the schedule and its time.
Rule 2: the session is started if there is none. One that was closed is followed by `{session}-2`, that one by `{session}-3`:
what is over stays over, and the schedule goes on until it is removed from the definition.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from perdure.temporal.definitions.inputs import scheduled_inputs
from perdure.temporal.definitions.store import Definitions, InputProblem, Known
from perdure.temporal.server.deliveries import sessions_of
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.content import new_message, trigger_sha256
from perdure.temporal.sessions.errors import SessionNotFound, TooManyTurns
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.starting import BACKGROUND, Start
from perdure.temporal.sessions.workers import Workers
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.core.titles import title_of
from perdure.workflows.protocol.activities import DeliverMessageInput, Delivery
from perdure.workflows.protocol.queries import Receipt
from perdure.workflows.protocol.signals import BEHAVIOR, NewSession, SendMessage, Trigger
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.errors import (
    AGENT_UNAVAILABLE,
    INPUTS_INVALID,
    NO_HANDLER,
    SESSION_TAKEN,
    SESSIONS_CLOSED,
)
from perdure.workflows.vocabulary.parts import Text


class Deliveries:
    def __init__(
        self,
        client: Client,
        definitions: Definitions,
        blobs: BlobStore,
        settings: Settings,
        limits: Limits | None = None,
    ) -> None:
        # This process is a worker that answers for sessions.
        self._backend = Backend(client, settings, Workers(client, here=True), limits)
        self._definitions = definitions
        self._blobs = blobs
        self._settings = settings

    @activity.defn(name="deliver_message")
    async def deliver_message(self, request: DeliverMessageInput) -> str:
        delivery = request.delivery
        agent = self._definitions.current(delivery.agent, delivery.tenant)
        if agent is None:
            # Another worker may have it.
            message = f"The agent {delivery.agent!r} is not known to this worker."
            raise ApplicationError(message, type=AGENT_UNAVAILABLE)
        message_id = message_id_of(delivery.schedule_id, request.due)
        free: str | None = None
        for session_id in sessions_of(delivery.schedule):
            receipt = await self._receipt(delivery, session_id, message_id)
            if receipt is None and free is None:
                # The next one may still exist: Temporal keeps the history of a closed session only for a while.
                free = session_id
                continue
            if receipt is None:
                break
            if not await self._is_ours(delivery, session_id, receipt):
                free = None
                continue
            if receipt.content_sha256 is not None:
                return session_id
            free = None
            if not receipt.closed:
                await self._check_handler(delivery, session_id, receipt)
            if not receipt.closed and await self._send(delivery, agent, session_id, message_id):
                return session_id
        if free is None:
            all_of_them = f"The sessions {delivery.schedule.session} to {session_id}"
            message = f"{all_of_them} are all closed, or belong to others; name another."
            raise ApplicationError(message, type=SESSIONS_CLOSED, non_retryable=True)
        if not await self._send(delivery, agent, free, message_id):
            raise ApplicationError(f"The session {free} was closed meanwhile.", type=SESSIONS_CLOSED)
        return free

    async def _receipt(self, delivery: Delivery, session_id: str, message_id: str) -> Receipt | None:
        """None: there is no such session."""
        session = Principal.trusted(delivery.tenant).workflow_id(session_id)
        try:
            return await self._backend.query(session, SessionWorkflow.receipt, message_id)
        except SessionNotFound:
            return None

    async def _is_ours(self, delivery: Delivery, session_id: str, receipt: Receipt) -> bool:
        """Whether the session belongs to the schedule's user: its id can be seen by others, who can start one of that name.
        Raises ApplicationError where it does, and is one of another agent."""
        belonging = await self._backend.belonging(Principal.trusted(delivery.tenant).workflow_id(session_id))
        if belonging.user != delivery.schedule.user:
            return False
        if receipt.started_as != delivery.agent:
            message = f"The session {session_id} is one of {receipt.started_as}, not of {delivery.agent}."
            raise ApplicationError(message, type=SESSION_TAKEN, non_retryable=True)
        return True

    async def _check_handler(self, delivery: Delivery, session_id: str, receipt: Receipt) -> None:
        """Raises ApplicationError where the session would reject the trigger: it keeps to a definition, because it is pinned
        or another agent has taken it over, whose handlers are others."""
        name = delivery.schedule.handler
        if name is None or not (receipt.pinned or receipt.agent != delivery.agent):
            return
        definition = await self._definitions.by_digest(receipt.digest, delivery.tenant)
        if definition is None:
            return
        message = f"The session {session_id} keeps to the version {receipt.digest[:12]} of {definition.name}, "
        if name not in definition.handlers:
            raise ApplicationError(f"{message}which has no handler {name!r}.", type=NO_HANDLER, non_retryable=True)
        try:
            scheduled_inputs(definition, delivery.schedule)
        except InputProblem as problem:
            message += f"whose handler {name} takes other inputs: inputs.{problem}"
            raise ApplicationError(message, type=INPUTS_INVALID, non_retryable=True) from None

    async def _send(self, delivery: Delivery, agent: Known, session_id: str, message_id: str) -> bool:
        """Signals the session, or starts it with the signal. False: it was closed meanwhile."""
        schedule = delivery.schedule
        if schedule.handler is not None and schedule.handler not in agent.definition.handlers:
            # As of an agent that is not known: the schedule may come of a newer definition.
            message = f"The agent {delivery.agent!r} has no handler {schedule.handler!r} on this worker."
            raise ApplicationError(message, type=AGENT_UNAVAILABLE)
        try:
            inputs, given = scheduled_inputs(agent.definition, schedule)
        except InputProblem as problem:
            raise ApplicationError(f"inputs.{problem}", type=INPUTS_INVALID, non_retryable=True) from None
        new = NewSession(
            tenant=delivery.tenant,
            session_id=session_id,
            agent=delivery.agent,
            digest=agent.digest,
            inputs=inputs,
            user=schedule.user,
            timezone=schedule.timezone,
            dated=True,
            behavior=BEHAVIOR,
            continue_as_new_after=self._settings.continue_as_new_after,
        )
        command = await self._command(delivery, agent, session_id, message_id, given)
        start = Start(
            SessionInput(new=new),
            agent.digest,
            "" if schedule.message is None else title_of((Text(text=schedule.message),)),
            agent.demo,
            schedule_id=delivery.schedule_id,
            priority=BACKGROUND,
            signal=await self._backend.budgets.announcing(command, delivery.tenant, schedule.user),
        )
        try:
            if not await self._backend.start(start):
                return False
        except TooManyTurns as error:
            # The schedule waits for a place, as everybody does.
            wait = timedelta(seconds=error.retry_after_s)
            raise ApplicationError(error.detail, type=error.code, next_retry_delay=wait) from error
        # A session that is about to close rejects the message.
        receipt = await self._receipt(delivery, session_id, message_id)
        if receipt is None:
            return False
        left_out = schedule.busy == "reject" and not receipt.closed
        return left_out or receipt.content_sha256 is not None

    async def _command(
        self, delivery: Delivery, agent: Known, session_id: str, id_: str, given: dict[str, JsonValue]
    ) -> SendMessage | Trigger:
        """What the session is sent; `given` are the inputs of a handler."""
        schedule = delivery.schedule
        if schedule.handler is not None:
            sha256 = trigger_sha256(schedule.handler, schedule.inputs)
            return Trigger(
                id=id_, name=schedule.handler, inputs=given, content_sha256=sha256, cursor=0, digest=agent.digest
            )
        assert schedule.message is not None
        workflow_id, parts = Principal.trusted(delivery.tenant).workflow_id(session_id), (Text(text=schedule.message),)
        return await new_message(self._blobs, workflow_id, parts, agent.digest, id_, busy=schedule.busy)


def message_id_of(schedule_id: str, due: datetime) -> str:
    """The same for each attempt at one delivery, and different for each delivery."""
    schedule = hashlib.sha256(schedule_id.encode()).hexdigest()[:12]
    return f"scheduled-{schedule}-{due.astimezone(UTC):%Y%m%dT%H%M%SZ}"
