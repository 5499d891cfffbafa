"""Erasing a session: it is closed, and then every history of it and every blob are deleted.

Rule 1: it can be repeated, also after it failed half-way. A session that is erased and one that never was are the same:
erasing either succeeds.
Rule 2: runs go oldest first: the others are found from the latest one, so that one is deleted last.
Rule 3: its sub-agents' sessions go before it, for they are found by its runs.
Rule 4: blobs go after the runs, for a run that still works writes more. Uploads that its messages named go with them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import NoWorker, SessionNotFound, StateLost, from_rpc
from perdure.temporal.sessions.runs import RPC_TIMEOUT, children_of, run_exists, runs_of, unless_not_found
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.uploads import forget
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.files import noted_uploads

Scrub = Callable[[], Awaitable[None]]

#: Seconds for a session to end once it was told to close: its turn is stopped first.
_END_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Erased:
    """What there was to delete, and whether all of it is gone: Temporal may have taken the order and not done it yet."""

    runs: int
    blobs: int
    complete: bool


class Eraser:
    """`session` is always a workflow id, `{tenant}/{session_id}`."""

    def __init__(
        self,
        client: Client,
        backend: Backend,
        blobs: BlobStore,
        sealed: Sealed,
        gone_within_s: float = 10,
        scrub: Scrub | None = None,
    ) -> None:
        """Waits `gone_within_s` seconds for Temporal to delete what it was told to: unless it was set otherwise, it writes
        down only each 30 s that a run is over, and deletes none before. `scrub` is called after each erase, so that the
        store of histories keeps nothing of what was deleted."""
        self._client = client
        self._backend = backend
        self._blobs = blobs
        self._sealed = sealed
        self._gone_within_s = gone_within_s
        self._scrub = scrub

    async def erase(
        self, session: str, *, closing: Callable[[], None] = lambda: None, terminate: bool = False
    ) -> Erased:
        """`closing` is called when the session was told to close. `terminate` ends it at once instead, for a session
        that no worker can carry on. Raises `NoWorker`, `TemporalSilent`, `TooMany`."""
        erased = await self._erase(session, closing, terminate)
        if self._scrub is not None:
            await self._scrub()
        return erased

    async def _erase(self, session: str, closing: Callable[[], None], terminate: bool) -> Erased:
        try:
            await self._end(session, closing, terminate)
            runs = await runs_of(self._client, session)
            below = [
                await self._erase(child, lambda: None, terminate)
                for child in await children_of(self._client, session, runs)
            ]
            for run in runs:
                await self._delete(session, run)
            complete = await self._gone(session, runs)
        except RPCError as error:
            raise from_rpc(error) from error
        tenant = session.partition("/")[0]
        self._sealed.forget(session)
        # Before the session's own blobs, which tell of them.
        uploads = [await forget(self._blobs, tenant, uri) for uri in await noted_uploads(self._blobs, session)]
        return Erased(
            len(runs) + sum(child.runs for child in below),
            await self._blobs.delete_prefix(session) + sum(uploads) + sum(child.blobs for child in below),
            complete and all(child.complete for child in below),
        )

    async def _end(self, session: str, closing: Callable[[], None], terminate: bool) -> None:
        handle = self._client.get_workflow_handle(session)
        try:
            if (await handle.describe(rpc_timeout=RPC_TIMEOUT)).status is not WorkflowExecutionStatus.RUNNING:
                return
            if terminate:
                await handle.terminate("erased", rpc_timeout=RPC_TIMEOUT)
                return
        except RPCError as error:
            unless_not_found(error)
            return
        # It may end, and be erased by somebody else, at any moment from here on.
        with suppress(SessionNotFound):
            try:
                await self._backend.close(session, "erased")
            except StateLost:
                # Nobody can tell it anything any more.
                with suppress(RPCError):
                    await handle.terminate("erased", rpc_timeout=RPC_TIMEOUT)
                return
            closing()
        try:
            async with asyncio.timeout(_END_S):
                await handle.result()
        except TimeoutError:
            raise NoWorker(f"The session was told to close, and has not ended within {_END_S:g} s.") from None
        except WorkflowFailureError:
            pass
        except RPCError as error:
            unless_not_found(error)

    async def _delete(self, session: str, run: str) -> None:
        request = DeleteWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=session, run_id=run),
        )
        try:
            await self._client.workflow_service.delete_workflow_execution(request, retry=True, timeout=RPC_TIMEOUT)
        except RPCError as error:
            unless_not_found(error)

    async def _gone(self, session: str, runs: list[str]) -> bool:
        wait = 0.01
        try:
            async with asyncio.timeout(self._gone_within_s):
                for run in runs:
                    while await run_exists(self._client, session, run):
                        await asyncio.sleep(wait)
                        wait = min(wait * 1.5, 0.5)
        except TimeoutError:
            return False
        return True
