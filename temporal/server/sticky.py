"""Sessions that a worker had in memory and that others must be given: the worker is dead, and Temporal has not noticed.

Temporal keeps a session's tasks and queries for the worker that has it in memory, until they have waited for the sticky
time-out. For the sake of busy workers that is long; so whoever notices that the worker is gone, and whoever has good
reason to think so, says it. Where that was wrong the session is replayed once, which costs time and nothing else.
"""

from datetime import timedelta
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

_RPC_TIMEOUT: Final = timedelta(seconds=2)


async def forget_worker(client: Client, workflow_id: str, run_id: str = "") -> None:
    """Lets any worker take what comes next for the session. Raises RPCError, but not where there is no such session."""
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    try:
        await client.workflow_service.reset_sticky_task_queue(
            ResetStickyTaskQueueRequest(namespace=client.namespace, execution=execution), timeout=_RPC_TIMEOUT
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
