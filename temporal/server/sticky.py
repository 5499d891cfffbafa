"""Releases sessions from a dead worker's memory before Temporal notices that the worker is gone.

Temporal reserves a session's tasks and queries for the worker that has it in memory until the sticky time-out, which is
long for the sake of busy workers. So a process that sees, or has good reason to assume, that the worker is gone
releases the session. If the assumption was wrong, the session is replayed once, which costs only time.
"""

from datetime import timedelta
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

_RPC_TIMEOUT: Final = timedelta(seconds=2)


async def forget_worker(client: Client, workflow_id: str, run_id: str = "") -> None:
    """Lets any worker take the session's next task. Does nothing for a session that does not exist, nor on a server that
    cannot do it, as Temporal's test server. Raises other RPCErrors."""
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    try:
        await client.workflow_service.reset_sticky_task_queue(
            ResetStickyTaskQueueRequest(namespace=client.namespace, execution=execution), timeout=_RPC_TIMEOUT
        )
    except RPCError as error:
        if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.UNIMPLEMENTED):
            raise
