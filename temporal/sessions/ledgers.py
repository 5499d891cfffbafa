"""Purses as they are reached through Temporal. Who asks one that there is not begins it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryRejectedError,
)
from temporalio.common import (
    QueryRejectCondition,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.sessions.starting import searchable
from perdure.workflows.core.ledger.runs import LedgerInput
from perdure.workflows.ledger import LedgerWorkflow
from perdure.workflows.protocol.activities import TASK_QUEUE
from perdure.workflows.protocol.purses import (
    CAPPED,
    Draws,
    DrawsTaken,
    PurseName,
    PurseState,
    PurseStateRequest,
    SetCaps,
)
from perdure.workflows.vocabulary.search_attributes import TENANT, USER

A = TypeVar("A")
R = TypeVar("R")

#: The type of purses' workflows.
LEDGER: Final = "LedgerWorkflow"
_RPC_TIMEOUT: Final = timedelta(seconds=10)
#: Bytes that a workflow's summary may have.
_SUMMARY_BYTES: Final = 400


class Ledgers:
    """Raises what the SDK raises."""

    def __init__(self, client: Client, task_timeout: timedelta) -> None:
        self._client = client
        self._task_timeout = task_timeout

    async def draw(self, name: PurseName, draws: Draws) -> DrawsTaken:
        taken: DrawsTaken = await self._update(name, LedgerWorkflow.draw, draws)
        return taken

    async def set_caps(self, name: PurseName, command: SetCaps) -> PurseState:
        state: PurseState = await self._update(name, LedgerWorkflow.set_caps, command)
        return state

    async def state(self, name: PurseName) -> PurseState | None:
        """None: there is no such purse yet, or somebody has terminated it."""
        handle: WorkflowHandle[LedgerWorkflow, None] = self._client.get_workflow_handle(name.workflow_id)
        request = PurseStateRequest(at=datetime.now(UTC))
        try:
            return await handle.query(
                LedgerWorkflow.state, request, reject_condition=QueryRejectCondition.NOT_OPEN, rpc_timeout=_RPC_TIMEOUT
            )
        except WorkflowQueryRejectedError:
            return None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def has_caps(self, name: PurseName) -> bool:
        """Whether the purse has caps of its own. Needs no worker."""
        handle = self._client.get_workflow_handle(name.workflow_id)
        try:
            described = await handle.describe(rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        is_open = described.status is WorkflowExecutionStatus.RUNNING
        return is_open and bool((await described.memo()).get(CAPPED, False))

    async def _update(self, name: PurseName, update: Any, arg: A) -> Any:
        attributes: list[SearchAttributePair[Any]] = [SearchAttributePair(TENANT, name.tenant)]
        if name.scope == "user":
            attributes.append(SearchAttributePair(USER, searchable(name.id)))
        start = WithStartWorkflowOperation(
            LedgerWorkflow.run,
            LedgerInput(name=name),
            id=name.workflow_id,
            task_queue=TASK_QUEUE,
            task_timeout=self._task_timeout,
            # It never ends by itself. One that was terminated begins anew.
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            memo={CAPPED: False},
            search_attributes=TypedSearchAttributes(attributes),
            static_summary=_short(f"purse of {name.scope} {name.id}"),
            static_details=f"What the {name.scope} **{name.id}** may spend, has spent and has leased to sessions.",
        )
        return await self._client.execute_update_with_start_workflow(
            update, arg, start_workflow_operation=start, rpc_timeout=_RPC_TIMEOUT
        )


def _short(text: str) -> str:
    return text.encode()[:_SUMMARY_BYTES].decode(errors="ignore")
