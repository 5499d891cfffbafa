"""Fails the activities of a dead worker at once, so that Temporal tries them again before their heartbeat time-out.

Rule 1: only activities whose last worker is the dead one; another worker's are never touched.
Rule 2: before our own worker polls, and again after visibility has caught up: doing it twice does nothing more.
"""

import asyncio
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    RespondActivityTaskFailedByIdRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.server.sticky import forget_worker
from perdure.workflows.vocabulary.errors import WORKER_DIED
from perdure.workflows.vocabulary.search_attributes import STATUS

#: Idle sessions have no activity; asking them all would cost 2 ms each.
_CANDIDATES: Final = (
    f"WorkflowType = 'SessionWorkflow' AND ExecutionStatus = 'Running' AND {STATUS.name} IN ('working', 'waiting')"
)
_AT_ONCE = 16


async def reap(client: Client, dead_identity: str) -> int:
    """Fails each attempt that `dead_identity` was working on as retryable, and returns how many there were.

    The attempt counts, and the next one comes after the first interval of the activity's retry policy.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def of_session(workflow_id: str, run_id: str) -> int:
        async with gate:
            return await _reap_session(client, workflow_id, run_id, dead_identity)

    sessions = [(found.id, found.run_id) async for found in client.list_workflows(_CANDIDATES)]
    return sum(await asyncio.gather(*(of_session(*session) for session in sessions)))


async def _reap_session(client: Client, workflow_id: str, run_id: str, dead_identity: str) -> int:
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    try:
        described = await client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution), retry=True
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return 0
        raise
    orphans = [call for call in described.pending_activities if _is_orphan(call, dead_identity)]
    if orphans:
        await forget_worker(client, workflow_id, run_id)
    return sum([await _fail(client, execution, call, dead_identity) for call in orphans])


def _is_orphan(call: PendingActivityInfo, dead_identity: str) -> bool:
    # One that waits for its next attempt still names its last worker; only a started one is held by it. One that is
    # being cancelled would not be tried again: its time-out hands the partial answer to the session.
    started = call.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    return started and call.last_worker_identity == dead_identity


async def _fail(client: Client, execution: WorkflowExecution, call: PendingActivityInfo, dead_identity: str) -> int:
    failure = Failure(
        message="the worker that ran this was killed",
        source="perdure",
        # What it last told of itself: the next attempt has it anyway, the session only from here if there is none.
        application_failure_info=ApplicationFailureInfo(type=WORKER_DIED, details=call.heartbeat_details),
    )
    try:
        await client.workflow_service.respond_activity_task_failed_by_id(
            RespondActivityTaskFailedByIdRequest(
                namespace=client.namespace,
                workflow_id=execution.workflow_id,
                run_id=execution.run_id,
                activity_id=call.activity_id,
                failure=failure,
                identity=dead_identity,
            ),
            retry=True,
        )
    except RPCError as error:
        # It timed out, or was tried again, since we looked.
        if error.status is RPCStatusCode.NOT_FOUND:
            return 0
        raise
    return 1
