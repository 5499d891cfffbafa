"""The activities through which sessions and purses reach each other.

Rule 1: whose purse it is follows from the workflow that runs the activity, so no session reaches another tenant's.
Rule 2: requests of several sessions to one purse travel as one batch. While a batch is under way, further requests wait for
the next one, so each worker has at most one update open at a purse, however many sessions draw on it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.sessions.ledgers import Ledgers
from perdure.temporal.sessions.visibility import at_work_query
from perdure.temporal.settings import Settings
from perdure.workflows.protocol.purse_visits import SessionsVisited, Visit, Visited, VisitSessions
from perdure.workflows.protocol.purses import (
    Draw,
    DrawLeases,
    Drawn,
    Draws,
    DrawsTaken,
    LeasesDrawn,
    PurseChanged,
    PurseName,
    Scope,
)
from perdure.workflows.session import SessionWorkflow

#: Seconds until a refused request is made again, while other sessions are asked for their leases.
_AGAIN_S: Final = (0.3, 0.6, 1.2, 2.4)
_QUERY_TIMEOUT: Final = timedelta(seconds=8)
#: Sessions that are visited at the same time.
_VISITS: Final = 10
#: Requests in one batch, at most.
_BATCH: Final = 100


class Purses:
    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._ledgers = Ledgers(client, settings.workflow_task_timeout)
        self._batchers: dict[PurseName, DrawBatcher] = {}

    @activity.defn(name="draw_leases")
    async def draw_leases(self, request: DrawLeases) -> LeasesDrawn:
        tenant, _, session_id = (activity.info().workflow_id or "").partition("/")
        answers = await asyncio.gather(
            *(
                self._draw(PurseName(tenant=tenant, scope=scope, id=_owner(scope, tenant, request)), session_id, draw)
                for scope, draw in request.draws.items()
            )
        )
        return LeasesDrawn(drawn=dict(zip(request.draws, answers, strict=True)))

    async def _draw(self, name: PurseName, session_id: str, draw: Draw) -> Drawn:
        drawn = await self._batcher(name).ask(session_id, draw)
        for wait in _AGAIN_S:
            if drawn.refused is None or not drawn.refused.again:
                break
            await asyncio.sleep(wait)
            drawn = await self._batcher(name).ask(session_id, draw)
        return drawn

    def _batcher(self, name: PurseName) -> "DrawBatcher":
        batcher = self._batchers.get(name)
        if batcher is None:

            def send(draws: Draws) -> Awaitable[DrawsTaken]:
                return self._ledgers.draw(name, draws)

            batcher = self._batchers[name] = DrawBatcher(send, lambda: self._batchers.pop(name, None))
        return batcher

    @activity.defn(name="visit_sessions")
    async def visit_sessions(self, request: VisitSessions) -> SessionsVisited:
        tenant, scope, purse_id = (activity.info().workflow_id or "").split("/", 2)
        kind: Scope = "tenant" if scope == "tenant" else "user"
        places = asyncio.Semaphore(_VISITS)

        async def visit(one: Visit) -> Visited:
            async with places:
                activity.heartbeat()
                return await self._visit(f"{tenant}/{one.session_id}", kind, one)

        if request.at_work is not None:
            await self._tell_at_work(PurseName(tenant=tenant, scope=kind, id=purse_id), request.at_work)
        return SessionsVisited(visited=tuple(await asyncio.gather(*map(visit, request.visits))))

    async def _tell_at_work(self, name: PurseName, news: PurseChanged) -> None:
        """A session that cannot be told hears it with what lets it spend next."""
        try:
            async for found in self._client.list_workflows(at_work_query(name)):
                activity.heartbeat()
                handle: WorkflowHandle[SessionWorkflow, Any] = self._client.get_workflow_handle(found.id)
                with suppress(RPCError):
                    await handle.signal(SessionWorkflow.purse_changed, news, rpc_timeout=_QUERY_TIMEOUT)
        except RPCError as error:
            # Temporal's test server lists nothing.
            if error.status is not RPCStatusCode.UNIMPLEMENTED:
                raise

    async def _visit(self, workflow_id: str, scope: Scope, visit: Visit) -> Visited:
        handle: WorkflowHandle[SessionWorkflow, Any] = self._client.get_workflow_handle(workflow_id)
        unknown = Visited(session_id=visit.session_id, found="unknown")
        try:
            described = await handle.describe(rpc_timeout=_QUERY_TIMEOUT)
            is_open = described.status is WorkflowExecutionStatus.RUNNING
            if visit.tell is not None and is_open:
                await handle.signal(SessionWorkflow.purse_changed, visit.tell, rpc_timeout=_QUERY_TIMEOUT)
            if not visit.ask:
                return Visited(session_id=visit.session_id, found="open" if is_open else "over")
            report = await handle.query(SessionWorkflow.lease, scope, rpc_timeout=_QUERY_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return Visited(session_id=visit.session_id, found="gone")
            return unknown
        except WorkflowQueryFailedError:
            return unknown
        return Visited(session_id=visit.session_id, found="open" if is_open else "over", report=report)


class DrawBatcher:
    """Asks one purse on behalf of several sessions. `send` sends a batch; `idle` is called once no request waits."""

    def __init__(self, send: Callable[[Draws], Awaitable[DrawsTaken]], idle: Callable[[], object]) -> None:
        self._send = send
        self._idle = idle
        self._waiting: dict[str, tuple[Draw, asyncio.Future[Drawn]]] = {}
        self._work: asyncio.Task[None] | None = None

    async def ask(self, session_id: str, draw: Draw) -> Drawn:
        """The purse's answer. Raises what `send` raises."""
        loop = asyncio.get_running_loop()
        before = self._waiting.pop(session_id, None)
        if before is not None and not before[1].done():
            # An attempt that was given up; its repeat is this one.
            before[1].cancel()
        mine: asyncio.Future[Drawn] = loop.create_future()
        self._waiting[session_id] = (draw, mine)
        if self._work is None:
            self._work = loop.create_task(self._work_off())
        return await mine

    async def _work_off(self) -> None:
        # Requests that come in the same moment share the first batch.
        await asyncio.sleep(0)
        while self._waiting:
            batch = {session: self._waiting.pop(session) for session in list(self._waiting)[:_BATCH]}
            try:
                taken = await self._send(Draws(draws={session: draw for session, (draw, _) in batch.items()}))
                for session, (_, future) in batch.items():
                    if not future.done():
                        future.set_result(taken.drawn[session])
            except Exception as error:
                for _, future in batch.values():
                    if not future.done():
                        future.set_exception(error)
        self._work = None
        self._idle()


def _owner(scope: Scope, tenant: str, request: DrawLeases) -> str:
    return tenant if scope == "tenant" else request.user
