"""Sessions as they are reached through Temporal: every call has a deadline, and every failure is a `SessionError`.

Rule 1: nothing is signalled to a session that no worker answers for: whoever signals asks a query first.
Rule 2: a query that stays without an answer means `no_worker` as soon as no worker lives that could answer, else
`overloaded` at its deadline, if Temporal itself answers.
Rule 3: calls take turns (`Turnstile`); deadlines begin when it is a call's turn.
Rule 4: while a worker is suspected to be dead, a session that is asked in vain is taken from the worker that had it in
memory: otherwise the question waits out the sticky time-out, which is long for the sake of busy workers.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import Priority
from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.server.schedules import next_times
from perdure.temporal.server.sticky import forget_worker
from perdure.temporal.sessions.access import Belonging
from perdure.temporal.sessions.budgets import Budgets
from perdure.temporal.sessions.errors import (
    NoWorker,
    Overloaded,
    SessionClosed,
    SessionError,
    SessionNotFound,
    StateLost,
    TemporalSilent,
    from_rpc,
)
from perdure.temporal.sessions.failed_tasks import failing_task, meaning
from perdure.temporal.sessions.limits.going_to_work import going_to_work
from perdure.temporal.sessions.limits.limits import Limits, Place
from perdure.temporal.sessions.listed_runs import Page, listed_runs
from perdure.temporal.sessions.look import Look, read_belonging, read_look
from perdure.temporal.sessions.signal_of import SIGNALS
from perdure.temporal.sessions.starting import WATCHED, Start, among_tenants, start_session
from perdure.temporal.sessions.turnstile import Turnstile
from perdure.temporal.sessions.workers import Workers
from perdure.temporal.settings import Settings
from perdure.workflows.protocol.activities import TASK_QUEUE
from perdure.workflows.protocol.queries import EventsPage
from perdure.workflows.protocol.signals import (
    CallerCommand,
    Close,
    Retry,
    Rewind,
    SendMessage,
    Spending,
    Trigger,
)
from perdure.workflows.session import SessionWorkflow

R = TypeVar("R")
P = TypeVar("P")
Question = Callable[[WorkflowHandle[SessionWorkflow, str]], Coroutine[Any, Any, R]]

_PROBE_S: Final = 2.0
#: Seconds without an answer after which it is asked whether a worker lives, and between two such looks.
_DOUBT_S: Final = 1.0
_DOUBT_AGAIN_S: Final = 0.5


class Backend:
    """`session` is always a workflow id, `{tenant}/{session_id}`."""

    def __init__(
        self, client: Client, settings: Settings, workers: Workers | None = None, limits: Limits | None = None
    ) -> None:
        """Without `limits`, any number of sessions may go to work."""
        self._client = client
        self._settings = settings
        self._workers = workers or Workers(client)
        self.budgets = Budgets(client, settings, self._workers)
        self.going_to_work = partial(going_to_work, limits)
        self._turnstile = Turnstile(settings.calls_at_once, settings.calls_waiting, settings.calls_wait_s)

    async def start(self, start: Start, place: Place | None = None) -> bool:
        """Starts a session. False where one with this id exists or existed. Raises `TooManyTurns` where it has no `place`."""
        if place is None:
            async with self.going_to_work(start.works, start.workflow_id, start.new.user) as place:
                return await self.start(start, place)
        async with self._turn(start.workflow_id):
            started = await start_session(self._client, start, self._settings.workflow_task_timeout)
        if not started:
            place.leave()
        return started

    async def body_sha256(self, session: str) -> str | None:
        """Of the body that the session was created with; None where there is no such session."""
        try:
            async with self._turn(session):
                description = await self._handle(session).describe()
        except SessionNotFound:
            return None
        value = await description.memo_value("body_sha256", None, type_hint=str)
        return value if isinstance(value, str) else None

    async def belonging(self, session: str) -> Belonging:
        """The user that the session was started for, if any. Raises `SessionNotFound`, `TemporalSilent`, `TooMany`."""
        async with self._turn(session):
            return read_belonging(await self._handle(session).describe())

    async def query(self, session: str, method: Callable[[SessionWorkflow, P], R], arg: P) -> R:
        """Asks a session. Raises `SessionNotFound`, `StateLost`, `NoWorker`, `Overloaded`, `TemporalSilent`, `TooMany`."""
        return await self._asked(lambda handle: handle.query(method, arg), session)

    async def ask(self, session: str, method: Callable[[SessionWorkflow], R]) -> R:
        """The same with a query that takes nothing."""
        return await self._asked(lambda handle: handle.query(method), session)

    async def _asked(self, question: Question[R], session: str) -> R:
        async with self._turnstile.turn(session):
            return await self._asked_now(question, session)

    async def _asked_now(self, question: Question[R], session: str) -> R:
        try:
            async with asyncio.timeout(self._settings.query_timeout_s):
                return await self._answer(question, session)
        except TimeoutError:
            raise await self._silent(session) from None
        except WorkflowQueryFailedError as error:
            known = meaning(error.message)
            if known is None:
                raise
            raise known from error
        except RPCError as error:
            if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
                raise await self._silent(session) from error
            if error.status is RPCStatusCode.FAILED_PRECONDITION:
                # No worker has polled for long, or the session's workflow task fails on those that do.
                raise (await self._lost(session) or NoWorker()) from error
            raise from_rpc(error) from error

    async def _answer(self, question: Question[R], session: str) -> R:
        """Waits for the answer while a worker lives that could give it."""
        asked = asyncio.create_task(question(self._handle(session)))
        doubt, taken = _DOUBT_S, False
        try:
            while not (await asyncio.wait({asked}, timeout=doubt))[0]:
                doubt = _DOUBT_AGAIN_S
                try:
                    if not await self._workers.any_for(session):
                        raise NoWorker
                    if lost := await self._lost(session):
                        raise lost
                    if not taken and await self._workers.any_dead():
                        taken = True
                        await forget_worker(self._client, session)
                        asked.cancel()
                        asked = asyncio.create_task(question(self._handle(session)))
                except RPCError:
                    # Whether it is Temporal that is away shows at the deadline.
                    continue
            return asked.result()
        finally:
            asked.cancel()

    async def events(self, session: str, after: int) -> EventsPage:
        return await self.query(session, SessionWorkflow.events, after)

    async def signal(self, session: str, command: CallerCommand) -> None:
        """Raises what `query` raises, and `SessionClosed` where the session ended meanwhile."""
        await self._signal(session, command)

    async def let_spend(self, session: str, user: str | None, command: Spending) -> None:
        """As `spend`. Raises `TooManyTurns`, too, where the session would go to work beside too many others."""
        async with self.going_to_work(isinstance(command, SendMessage | Trigger | Rewind | Retry), session, user):
            await self.spend(session, user, command)

    async def spend(self, session: str, user: str | None, command: Spending) -> None:
        """Signals a session of this user, which may work, and tells it which purses it has to ask. Raises as `signal`."""
        tenant = session.partition("/")[0]
        await self._signal(session, await self.budgets.announcing(command, tenant, user))

    async def _signal(self, session: str, command: CallerCommand | Spending) -> None:
        async with self._turn(session):
            try:
                await self._handle(session).signal(SIGNALS[type(command)], command)
            except RPCError as error:
                # The caller has just asked the session, so it exists: what is not found is an open run of it.
                if error.status is RPCStatusCode.NOT_FOUND:
                    raise SessionClosed from error
                raise

    async def close(self, session: str, reason: str = "closed") -> bool:
        """Tells a session to close; False where it was told before. Raises what `query` and `signal` raise."""
        if (await self.query(session, SessionWorkflow.receipt, "")).closed:
            return False
        try:
            await self.signal(session, Close(id=uuid.uuid4().hex, reason=reason))
        except SessionClosed:
            return False
        return True

    async def look(self, session: str) -> Look:
        """What Temporal itself knows of it, without a worker."""
        async with self._turn(session):
            described = await self._handle(session).describe()
            return await read_look(described, self._client.data_converter, self._settings.own_queues.values())

    async def prefer(self, session: str) -> None:
        """Has the tasks of a session taken before others', for somebody looks on. Costs one event of its history."""
        watched = among_tenants(WATCHED, session.partition("/")[0])
        request = UpdateWorkflowExecutionOptionsRequest(
            namespace=self._client.namespace,
            workflow_execution=Execution(workflow_id=session),
            workflow_execution_options=WorkflowExecutionOptions(
                priority=Priority(priority_key=watched.priority_key or 0, fairness_key=watched.fairness_key or "")
            ),
            update_mask=FieldMask(paths=["priority"]),
        )
        async with self._turn(session):
            await self._client.workflow_service.update_workflow_execution_options(request)

    async def list(self, query: str, page_size: int, token: bytes | None) -> Page:
        """One page of Temporal's visibility store, and the token of the next. Raises `InvalidRequest` for a wrong token."""
        async with self._deadline():
            return await listed_runs(self._client, query, page_size, token)

    async def next_times(self, schedule_id: str) -> tuple[datetime, ...]:
        """When a schedule is due next; nothing where it is not in place, or paused."""
        async with self._deadline():
            return await next_times(self._client, schedule_id)

    async def check_ready(self) -> None:
        """Raises SessionError unless Temporal answers and a worker polls for sessions."""
        async with self._deadline(_PROBE_S):
            if not await self._workers.any_polls():
                raise NoWorker(f"No worker polls the task queue {TASK_QUEUE!r}.")

    def _handle(self, session: str) -> WorkflowHandle[SessionWorkflow, str]:
        return self._client.get_workflow_handle_for(SessionWorkflow.run, session)

    @asynccontextmanager
    async def _turn(self, session: str) -> AsyncIterator[None]:
        async with self._turnstile.turn(session), self._deadline():
            yield

    @asynccontextmanager
    async def _deadline(self, seconds: float | None = None) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds or self._settings.query_timeout_s):
                yield
        except TimeoutError:
            raise TemporalSilent from None
        except RPCError as error:
            raise from_rpc(error) from error

    async def _lost(self, session: str) -> StateLost | None:
        """Whether the session's workflow task fails because its state is lost. None also where Temporal is away."""
        try:
            failing = await failing_task(self._client, session)
        except RPCError:
            return None
        return failing if isinstance(failing, StateLost) else None

    async def _silent(self, session: str) -> SessionError:
        """Who did not answer in time: Temporal, a worker that lives, or is there none?"""
        try:
            async with asyncio.timeout(_PROBE_S):
                await self._client.service_client.check_health()
                if not await self._workers.any_for(session):
                    return NoWorker()
                if (failing := await failing_task(self._client, session)) is not None:
                    return failing
        except (TimeoutError, RPCError):
            return TemporalSilent()
        return Overloaded()
